"""Where a data set's images lie: below one folder, below several, or inside of its own files.

A mix of data sets names its images `coco/train2017/x.jpg` and `gqa/images/y.jpg`, and no machine
keeps them side by side. A root map says where each beginning lies; `locate` turns such a path into
one below a common base. Images that a source holds itself become files named by their digest. So
everything behind the intake knows one root per data set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from revolion.errors import ImageError, SettingsError
from revolion.images import resolve, suffix_of
from revolion.samples import ImageRef
from revolion.store import write_atomically


@dataclass(frozen=True, slots=True)
class ImageRoots:
    """``folders`` maps the beginnings of paths to the folders that what follows lies below."""

    folders: Mapping[str, Path]

    @classmethod
    def of(cls, images: Path | Mapping[str, Path]) -> ImageRoots:
        """The roots of a setting: one folder for all paths, or a map.

        A map's folders are taken with all links followed, or what they link to would not be below
        their `base`.
        """
        if isinstance(images, Path):
            return cls({"": images})
        return cls({start: Path(os.path.realpath(root)) for start, root in images.items()})

    @property
    def base(self) -> Path:
        """The nearest folder above all roots; the root itself where there is only one."""
        return Path(os.path.commonpath([str(folder) for folder in self.folders.values()]))

    def locate(self, path: str) -> str:
        """The path below `base` of an image that the data set calls ``path``.

        The longest beginning that fits wins. Raises ImageError where none fits, or where what
        follows leads out of its folder.
        """
        if len(self.folders) == 1 and "" in self.folders:
            return path
        fitting = [beginning for beginning in self.folders if path.startswith(beginning)]
        if not fitting:
            known = ", ".join(f"'{beginning}'" for beginning in self.folders)
            raise ImageError(f"no image root for this path; there are roots for {known}", path)
        beginning = max(fitting, key=len)
        folder, rest = self.folders[beginning], path[len(beginning) :].lstrip("/")
        resolve(folder, rest)
        return os.path.relpath(os.path.normpath(folder / rest), self.base)


class OneKind:
    """Holds a data set's images to one kind: all files, or all bytes in the source."""

    def __init__(self) -> None:
        self.embedded: bool | None = None
        """Whether they are bytes in the source; not known before the first."""

    def require(self, images: Iterable[ImageRef]) -> None:
        """Raise ImageError for an image that lies elsewhere than the data set's first one."""
        for image in images:
            embedded = image.data is not None
            if embedded == self.embedded:
                continue
            if self.embedded is None:
                self.embedded = embedded
            else:
                there = ("files", "bytes in the source")
                raise ImageError(
                    f"the data set's first image is among {there[self.embedded]}, this one among"
                    f" {there[embedded]}; make them two data sets",
                    image.path[:200],
                )


def roots_of(given: Sequence[str]) -> Path | dict[str, Path] | None:
    """Image roots as a command takes them: a folder, or ``BEGINNING=FOLDER`` for each root.

    None where nothing is given. Raises SettingsError for two folders of one beginning.
    """
    roots: dict[str, Path] = {}
    for text in given:
        start, mark, folder = text.partition("=")
        if not mark or Path(text).is_dir():
            start, folder = "", text
        if start in roots:
            what = f"for paths that begin with '{start}'" if start else "for all paths"
            cure = "give BEGINNING=FOLDER for each root, as in coco/=/data/coco"
            raise SettingsError(f"--images {text}: there is a root {what} already; {cure}")
        roots[start] = Path(folder)
    return roots.get("") if roots.keys() <= {""} else roots


def store_image(data: bytes, folder: Path, *, sync: bool = True) -> str:
    """Write an image's bytes as a file named by their digest; its path below the folder.

    Arguments: ``sync`` as in `store.opened_atomically`. Raises StoreError if the disk refuses.
    """
    digest = hashlib.sha256(data).hexdigest()
    path = f"{digest[:2]}/{digest}{suffix_of(data)}"
    if not (folder / path).exists():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / path, data, sync=sync)
    return path
