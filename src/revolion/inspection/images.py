"""The images of the rows that go by: each checked once, and a verdict for every row that shows it.

Images that a source holds itself are checked as bytes, and files where they lie; nothing is stored
of either but a digest, the content's digest and the verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any, get_args

import numpy as np

from revolion.errors import ImageError
from revolion.images import ImageRecord, Verdict, check_all, check_bytes, usable
from revolion.inspection.tallies import Repeats, States
from revolion.resources import processors
from revolion.roots import ImageRoots, OneKind
from revolion.samples import ImageRef, Reject, Sample
from revolion.settings import ImageSettings

_LONGEST = 200  # characters of a path that is told
_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True, slots=True)
class _Shown:
    """An image in a row: its ``key``, what the row calls it, and where it lies, or its bytes."""

    key: int
    row: int
    name: str
    path: str
    data: bytes | None


class Images:
    """What is known of the images so far.

    Arguments: ``roots`` as `intake.take_in` takes ``images``, ``progress`` is told how many images
    were just checked.
    """

    def __init__(
        self, roots: Path | Mapping[str, Path], progress: Callable[[int], None] | None = None
    ) -> None:
        self._roots, self._progress = ImageRoots.of(roots), progress
        self._kind = OneKind()
        self._states, self._copies = States(), Repeats()
        self._per_sample: Counter[int] = Counter()
        self._verdicts: dict[str, dict[str, Any]] = {}

    def see(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Reject | None]]:
        """Each sample with a digest for each image, and the reject that a study would make of it.

        The digests are the first 64 bits of the image's SHA-256, or those of its path's where it
        can't be used: enough to tell samples apart.
        """
        placed = [self._placed(sample) for sample in samples]
        shown = list(chain.from_iterable(one for one in placed if not isinstance(one, Reject)))
        self._check(shown)
        contents, states = self._states.of(np.array([one.key for one in shown], np.uint64))
        found = zip(shown, contents.tolist(), states.tolist(), strict=True)
        for sample, images in zip(samples, placed, strict=True):
            self._per_sample[len(sample.images)] += 1
            if isinstance(images, Reject):
                yield _with_digests(sample, map(_key, sample.images)), images
                continue
            known = list(islice(found, len(images)))
            reject = next(
                filter(None, (_reject(sample, one, state) for one, _, state in known)), None
            )
            yield _with_digests(sample, (content for _, content, _ in known)), reject

    def summary(self) -> dict[str, Any]:
        """How many images rows name, how many are ``distinct`` (by path, or by bytes where the
        source holds them), rows by their images, and the verdicts with the first of each.
        """
        per_sample = sorted(self._per_sample.items())
        return {
            "named": sum(images * rows for images, rows in per_sample),
            "distinct": len(self._states),
            "per_sample": {str(images): rows for images, rows in per_sample},
            "verdicts": self._verdicts,
            "problem": self._problem(),
        }

    def copies(self) -> dict[str, float]:
        """How many of the distinct usable images have the same bytes as another."""
        return self._copies.summary()

    def _problem(self) -> str | None:
        """What is wrong where no image can be found at all."""
        if not self._verdicts or self._verdicts.keys() - {"missing", "outside_root"}:
            return None
        first = next(iter(self._verdicts.values()))["first"]["path"]
        return (
            f"none of the images is below the image root '{self._roots.base}'; the first is"
            f" '{first}'. --images names the folder that such paths start from"
        )

    def _placed(self, sample: Sample) -> list[_Shown] | Reject:
        try:
            self._kind.require(sample.images)
            return [self._shown(image, sample.row) for image in sample.images]
        except ImageError as error:
            reason = f"{error.problem}: '{str(error.path)[:_LONGEST]}'"
            return Reject(sample.dataset, sample.row, "image", reason)

    def _shown(self, image: ImageRef, row: int) -> _Shown:
        if image.data is not None:
            return _Shown(_key(image), row, image.path, "", image.data)
        path = self._roots.locate(image.path)
        return _Shown(_key(ImageRef(path)), row, image.path, path, None)

    def _check(self, shown: Sequence[_Shown]) -> None:
        """Look at the images that are new."""
        new = set(self._states.unknown(np.array([one.key for one in shown], np.uint64)).tolist())
        first = {one.key: one for one in reversed(shown) if one.key in new}
        images = sorted(first.values(), key=lambda one: one.row)
        contents, states, whole = [], [], []
        for image, record in zip(images, self._records(images), strict=True):
            self._count(image, record)
            content = image.key
            if usable(record.verdict):
                content = int((record.sha256 or "0")[:16], 16)
                whole.append(content)
            contents.append(content)
            states.append(_VERDICTS.index(record.verdict))
        self._copies.add(np.array(whole, np.uint64))
        self._states.add([one.key for one in images], contents, states)

    def _records(self, images: Sequence[_Shown]) -> Iterator[ImageRecord]:
        """The records of images in their order; all are files, or all have their bytes."""
        most, threads = ImageSettings().max_pixels, processors()
        if images and images[0].data is None:
            paths = [image.path for image in images]
            yield from check_all(self._roots.base, paths, most, threads, self._progress)
            return
        with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="images") as pool:
            yield from pool.map(lambda one: check_bytes(one.name, one.data or b"", most), images)
        if self._progress is not None:
            self._progress(len(images))

    def _count(self, image: _Shown, record: ImageRecord) -> None:
        first = {"row": image.row, "path": image.name[:_LONGEST], "reason": record.reason}
        kind = self._verdicts.setdefault(record.verdict, {"images": 0, "first": first})
        kind["images"] += 1


def _key(image: ImageRef) -> int:
    held = image.path.encode("utf-8", "surrogatepass") if image.data is None else image.data
    return int.from_bytes(sha256(held).digest()[:8], "big")


def _with_digests(sample: Sample, contents: Iterable[int]) -> Sample:
    known = zip(sample.images, contents, strict=True)
    return replace(
        sample, images=tuple(replace(image, sha256=f"{content:016x}") for image, content in known)
    )


def _reject(sample: Sample, image: _Shown, state: int) -> Reject | None:
    verdict = _VERDICTS[state]
    if usable(verdict):
        return None
    reason = f"image {verdict}: '{image.name[:_LONGEST]}'"
    return Reject(sample.dataset, sample.row, "image", reason)
