"""Images as they were last opened: a study shows each to many models.

What is remembered depends on the files alone, and a file that has changed is opened again, so
nobody can tell but by the clock.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from revolion.models.pictures import picture
from revolion.settings import ImageSettings

ROOM = 1 << 27  # bytes: the demo's 3,360 images take 93 million


class Album:
    """Opens images as `picture` does and remembers those that fit.

    Arguments: ``settings`` as for `picture`, ``room`` how many bytes are remembered: the first that
    come, for who goes round and round would forget each just before it comes again.
    """

    def __init__(self, settings: ImageSettings, room: int = ROOM) -> None:
        self._settings, self._room = settings, room
        self._kept: dict[tuple[str | int, ...], Image.Image] = {}

    def open(self, root: str, path: str) -> Image.Image:
        """The image, not to be changed. Raises ImageError if it can't be used."""
        try:
            status = (Path(root) / path).stat()
        except (OSError, ValueError):
            return picture(Path(root), path, self._settings)
        same = status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
        key = (root, path, *same)
        if key not in self._kept:
            image = picture(Path(root), path, self._settings)
            size = 3 * image.width * image.height
            if size > self._room:
                return image
            self._kept[key] = image
            self._room -= size
        return self._kept[key]
