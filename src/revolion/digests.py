"""Digests: the one way this package turns values and files into names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def digest(value: Any, bits: int = 64) -> str:
    """The hexadecimal digest of a JSON-like value, the same on every machine and Python.

    Arguments: ``value`` of dicts, lists, strings, numbers, booleans and None; ``bits`` a multiple
    of 4 up to 256. Keys are sorted, so two equal dicts have one digest. Raises TypeError for a
    value that JSON has no form for.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[: bits // 4]


def digest_of_names(names: Iterable[str]) -> str:
    """The 128-bit digest of a sequence of names, in constant memory; the order counts."""
    state = hashlib.sha256()
    for name in names:
        state.update(name.encode("utf-8", "surrogatepass"))
        state.update(b"\0")
    return state.hexdigest()[:32]


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        state = hashlib.sha256()
        while chunk := file.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()


def uniform(*names: object) -> float:
    """A number in [0, 1) that depends on the names alone: the package's coin for stable choices.

    The same names give the same number whatever else is drawn, so adding or reordering items never
    moves another item's draw.
    """
    text = "\0".join(str(name) for name in names)
    return (
        int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        / 2**64
    )


def seed_of(*names: object) -> int:
    """A seed in [0, 2**31) that depends on the names alone."""
    return int(uniform(*names) * 2**31)
