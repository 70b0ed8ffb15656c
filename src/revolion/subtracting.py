"""Which samples of a data set another one holds, too: so that a mix can be had without its parts.

Two samples are one where their conversations are equal (system prompt and turns, as in their uid,
and whatever their ``<image>`` tags) and so are their images, in order: by their bytes where both
samples' files can be read, else by their file names without the folders. LLaVAR calls
`coco/train2017/x.jpg` what LLaVA calls `x.jpg`, and few have both beside each other.

Memory holds digests: 8 bytes for each sample of the data set, and some hundred for each sample of
the other that has the same conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np

from revolion import formats
from revolion.digests import digest_of_names
from revolion.errors import ImageError
from revolion.formats.files import folder_of
from revolion.images import check
from revolion.roots import ImageRoots
from revolion.samples import ImageRef, Reject, Sample


@dataclass(frozen=True, slots=True)
class Other:
    """A data set to subtract: its name for people, where it lies and how it is read."""

    name: str
    source: Path
    images: Path | Mapping[str, Path] | None = None
    format: str | None = None


class Subtraction:
    """What some other data sets hold of one.

    Arguments: ``samples`` all that the data set holds, read once to know its conversations;
    ``others`` the data sets to subtract, each read once. Raises DataError if one can't be read.
    """

    def __init__(self, samples: Iterable[Sample | Reject], others: Sequence[Other]) -> None:
        said = (_word(one) for one in samples if isinstance(one, Sample))
        self._said = np.unique(np.fromiter(said, np.uint64))
        self._by_bytes: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        self._unread: set[str] = set()  # of the names, those whose files can't be read
        for other in others:
            self._add(other)

    def found(self, sample: Sample, root: Path) -> str | None:
        """Where the sample stands, too ("also in llava, row 12"); None where nowhere.

        Arguments: ``root`` the folder that its images are below, as far as they are not checked.
        """
        if not self._known(sample):
            return None
        name = _named(sample)
        digests = [image.sha256 or _digest(root, image) for image in sample.images]
        if None not in digests:
            found = self._by_bytes.get(_whole(sample, digests))
            return found or (self._by_name[name] if name in self._unread else None)
        return self._by_name.get(name)

    def _add(self, other: Other) -> None:
        roots = ImageRoots.of(other.images or folder_of(other.source))
        layout = other.format or formats.detect(other.source)
        digest = lru_cache(maxsize=65_536)(partial(_digest_below, roots))
        for sample in formats.read(other.source, other.name, layout):
            if isinstance(sample, Reject) or not self._known(sample):
                continue
            place, name = f"also in {other.name}, row {sample.row}", _named(sample)
            digests = [_own(image) or digest(image.path) for image in sample.images]
            self._by_name.setdefault(name, place)
            if None in digests:
                self._unread.add(name)
            else:
                self._by_bytes.setdefault(_whole(sample, digests), place)

    def _known(self, sample: Sample) -> bool:
        word = _word(sample)
        at = int(np.searchsorted(self._said, word))
        return at < len(self._said) and self._said[at] == word


def _word(sample: Sample) -> np.uint64:
    """The first 64 bits of what is said."""
    return np.uint64(int(sample.conversation[:16], 16))


def _named(sample: Sample) -> str:
    names = (PurePosixPath(image.path).name for image in sample.images)
    return digest_of_names([sample.conversation, *names])


def _whole(sample: Sample, digests: Iterable[str | None]) -> str:
    return digest_of_names([sample.conversation, *(digest or "" for digest in digests)])


def _own(image: ImageRef) -> str | None:
    """The digest of an image that the source holds itself."""
    return None if image.data is None else sha256(image.data).hexdigest()


def _digest(root: Path, image: ImageRef) -> str | None:
    return _own(image) or check(root, image.path, max_pixels=1).sha256


def _digest_below(roots: ImageRoots, path: str) -> str | None:
    try:
        return check(roots.base, roots.locate(path), max_pixels=1).sha256
    except ImageError:
        return None
