"""What a data set holds, before there is a study: counted while its rows go by.

Nothing is stored, and memory holds one batch of rows and the tallies. By default only the first
rows are looked at, images and all, which takes seconds; how many there are in all is then told by
the source's size. Statistics are of all rows that the layout can read, so that a data set can be
looked at before its images are there. Rejected is what a study would set aside, exact duplicates
apart: those are counted as duplicates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from revolion import formats
from revolion.errors import DataError, RevolionError, SettingsError
from revolion.formats.carrying import fields_of
from revolion.formats.files import folder_of
from revolion.formats.sizes import size_of
from revolion.inspection import licences
from revolion.inspection.examples import Examples
from revolion.inspection.images import Images
from revolion.inspection.tallies import Reasons
from revolion.inspection.texts import Texts
from revolion.origin import require_source
from revolion.samples import Reject, Sample
from revolion.scheduling import Progress, Watcher

ROWS = 2000
"""Rows that are looked at unless all are asked for."""

_BATCH = 1024  # rows
_HELD = 1 << 26  # bytes of images and texts in a batch
_MOST_LICENCES = 20  # different ones in the rows


def inspect(
    source: Path,
    *,
    images: Path | Mapping[str, Path] | None = None,
    format: str | None = None,
    rows: int | None = ROWS,
    seed: int = 0,
    watch: Watcher = lambda stages: None,
) -> dict[str, Any]:
    """What a data set holds; docs/inspect.md describes each key.

    Arguments: ``source`` a file, a folder of shards or a pattern, ``images`` its image root, or a
    map of roots by how paths begin (None: the source's folder), ``format`` its layout (None:
    found), ``rows`` how many rows, from the first, are looked at (None: all), ``seed`` of the draw
    of the samples that are shown, ``watch`` is told how far it is.

    Raises SettingsError for an unknown layout; DataError if the source can't be read as a whole or
    has no rows.
    """
    require_source(source)
    layout = format or formats.detect(source)
    size = size_of(source, layout)
    expected = size.rows or 0
    work = _Inspection(
        layout,
        images or folder_of(source),
        seed,
        expected if rows is None else min(rows, expected),
        watch,
    )
    found = formats.read(source, source.stem, layout)
    for batch in _batches(islice(found, rows)):
        work.add(batch)
    complete = rows is None or next(found, None) is None
    if not work.rows:
        raise DataError("it has no rows; a data set needs at least one", source)
    return {
        "data": str(source),
        "format": layout,
        "files": size.files,
        "bytes": size.bytes,
        "rows": work.rows,
        "complete": complete,
        "rows_in_all": work.rows if complete else size.rows and max(size.rows, work.rows + 1),
        "estimated": not (complete or size.exact),
        **work.summary(source),
    }


def inspect_each(
    sources: Sequence[Path], *, max_rejects: str | None = None, **options: Any
) -> list[dict[str, Any]]:
    """`inspect` for each of several sources, whatever becomes of the others.

    Arguments: ``max_rejects`` the most rows that may be rejected, as `allowed` takes it;
    ``options`` those of `inspect`. What can't be read, or has more rejects, has an ``error`` and an
    ``exit_code``. Raises SettingsError.
    """
    if max_rejects is not None:
        allowed(max_rejects, 0)
    return [_inspected(source, max_rejects, options) for source in sources]


def allowed(text: str, rows: int) -> float:
    """How many of some rows may be rejected: ``23``, or the share ``0.01`` or ``1%`` of them.

    Raises SettingsError for anything else.
    """
    number = text.strip().removesuffix("%")
    percent = number != text.strip()
    try:
        value = float(number) / 100 if percent else float(number)
    except ValueError:
        value = -1.0
    if (percent or "." in number) and 0 <= value <= 1:
        return value * rows
    if number.isascii() and number.isdigit() and not percent:
        return value
    raise SettingsError(
        f"--max-rejects: found '{text[:40]}'; allowed: a number of rows, or a share as 0.01 or 1%"
    )


def _inspected(source: Path, max_rejects: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = inspect(source, **options)
    except DataError as error:
        return {"data": str(source), "error": str(error), "exit_code": error.exit_code}
    if max_rejects is not None and found["rejected"] > allowed(max_rejects, found["rows"]):
        problem = f"{found['rejected']:,} of {found['rows']:,} rows can't be used"
        found["error"] = f"{source}: {problem}; --max-rejects allows {max_rejects}"
        found["exit_code"] = RevolionError.exit_code
    return found


def _batches(found: Iterable[Sample | Reject]) -> Iterator[list[Sample | Reject]]:
    batch: list[Sample | Reject] = []
    held = 0
    for one in found:
        batch.append(one)
        held += _size(one) if isinstance(one, Sample) else 0
        if len(batch) == _BATCH or held > _HELD:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _size(sample: Sample) -> int:
    """About how many bytes a sample holds."""
    texts = sum(len(turn.instruction) + len(turn.response) for turn in sample.turns)
    return texts + sum(len(image.data or b"") for image in sample.images)


class _Inspection:
    """The tallies of one data set as they grow; ``expected`` rows, 0 where that is not known."""

    def __init__(
        self,
        layout: str,
        roots: Path | Mapping[str, Path],
        seed: int,
        expected: int,
        watch: Watcher,
    ) -> None:
        self.rows = 0
        self._layout, self._expected, self._watch = layout, expected, watch
        self._checked = self._samples = self._text_only = 0
        self._images, self._texts = Images(roots, self._note), Texts()
        self._reasons, self._examples = Reasons(), Examples(seed)
        self._licences: Counter[tuple[str, str]] = Counter()

    def add(self, batch: Sequence[Sample | Reject]) -> None:
        """Take in some rows."""
        self._reasons.add(one for one in batch if isinstance(one, Reject))
        seen = list(self._images.see([one for one in batch if isinstance(one, Sample)]))
        rejects = [reject for _, reject in seen if reject is not None]
        self._reasons.add(rejects)
        self._samples += len(seen) - len(rejects)
        samples = [sample for sample, _ in seen]
        self._text_only += sum(not sample.images for sample in samples)
        self._texts.hear(samples)
        self._examples.add(samples)
        for sample in samples:
            self._licences.update(self._stated(sample))
        self.rows += len(batch)
        expected = self._expected if self._expected >= self.rows else 0
        self._watch([Progress("rows", self.rows, expected)])

    def summary(self, source: Path) -> dict[str, Any]:
        """What all rows so far tell."""
        repeats = self._texts.repeats()
        return {
            "samples": self._samples,
            "rejected": self._reasons.rows(),
            "text_only": self._text_only,
            **self._texts.summary(),
            "images": self._images.summary(),
            "duplicates": repeats | {"images": self._images.copies()},
            "rejects": self._reasons.summary(),
            "licences": self._all_licences(source),
            "examples": self._examples.summary(),
        }

    def _note(self, checked: int) -> None:
        self._checked += checked
        self._watch([Progress("images", self._checked, 0)])

    def _stated(self, sample: Sample) -> Iterator[tuple[str, str]]:
        for stated in licences.of_fields(fields_of(sample, self._layout)):
            if stated in self._licences or len(self._licences) < _MOST_LICENCES:
                yield stated

    def _all_licences(self, source: Path) -> list[dict[str, Any]]:
        rows = [
            {"licence": text, "where": f"field '{field}'", "rows": rows}
            for (text, field), rows in self._licences.most_common()
        ]
        return [*rows, *({"licence": text, "where": at} for text, at in licences.beside(source))]
