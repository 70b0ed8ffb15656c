"""The page headers of a Parquet file, looked at before polars is: a false count ends a process.

A page says how many values it holds, and polars makes room for as many before it decodes any. What
a damaged byte makes of that number can't be had, and then nobody is left to raise an error. Headers
and footer are structs of Thrift's compact protocol; what is not understood here is left to polars.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

_TAIL = 8  # bytes: the footer's length and the mark
_HEADER = 1 << 13  # bytes that a page header is looked for in; statistics make it longer
_LONGEST = 1 << 22
_TRUE, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = 1, 3, (4, 5, 6), 7, 8, (9, 10), 12
_GROUPS, _COLUMNS, _META = 4, 1, 3  # of the footer, a row group, a column chunk
_VALUES, _SIZE, _DATA, _DICTIONARY = 5, 7, 9, 11  # of a column's metadata
_LONGEST_NUMBER = 70  # bits
_NOT_UNDERSTOOD = (IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError,
                   RecursionError, struct.error)  # fmt: skip
_UNPACKED, _PACKED, _PAGES, _NAMES = 2, 3, (5, 8), 7  # of a page header; data pages, dictionary


def false_count(path: Path) -> str | None:
    """What is wrong with a page's header, or None. Raises OSError."""
    with path.open("rb") as file, suppress(*_NOT_UNDERSTOOD):
        for meta in _columns(file):
            if (problem := _problem(file, meta)) is not None:
                return problem
    return None


def _columns(file: IO[bytes]) -> Iterator[Mapping[int, Any]]:
    """The metadata of every column chunk, from the footer."""
    end = file.seek(0, 2)
    file.seek(max(0, end - _TAIL))
    (length,) = struct.unpack("<I", file.read(4))
    file.seek(max(0, end - _TAIL - length))
    for group in _Thrift(file.read(length)).struct()[_GROUPS]:
        yield from (column[_META] for column in group[_COLUMNS])


def _problem(file: IO[bytes], meta: Mapping[int, Any]) -> str | None:
    """What is wrong with a page of one column chunk."""
    at, left = meta.get(_DICTIONARY) or meta[_DATA], meta[_VALUES]
    end = at + meta[_SIZE]
    while at < end:
        header, length = _header(file, at)
        unpacked, packed = header[_UNPACKED], header[_PACKED]
        data = next((header[kind] for kind in _PAGES if kind in header), None)
        count = (data or header.get(_NAMES) or {1: 0})[1]
        most = unpacked if data is None else left
        if unpacked < 0 or packed < 0 or not 0 <= count <= most:
            return f"a page at byte {at} says that it holds {count} values of {most}"
        left -= count if data is not None else 0
        at += length + packed
    return None


def _header(file: IO[bytes], at: int) -> tuple[dict[int, Any], int]:
    """The header of the page at that byte, and its length."""
    size = _HEADER
    while True:
        file.seek(at)
        found = _Thrift(file.read(size))
        try:
            return found.struct(), found.at
        except IndexError:
            size *= 8
            if size > _LONGEST:
                raise


class _Thrift:
    """Thrift's compact protocol: structs as {field: value}; texts and doubles are passed over."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self) -> dict[int, Any]:
        """The struct that starts here. Raises IndexError where the bytes end."""
        fields: dict[int, Any] = {}
        name = 0
        while byte := self._byte():
            name = name + (byte >> 4) if byte >> 4 else self._integer()
            fields[name] = self._value(byte & 15)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct()
        if kind in _LISTS:
            return self._list()
        if kind == _BINARY:
            length = self._varint()
            self.at += length
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BYTE:
            self.at += 1
        elif kind not in (_TRUE, _TRUE + 1):
            raise ValueError(kind)
        return None

    def _list(self) -> list[Any]:
        byte = self._byte()
        size, kind = byte >> 4, byte & 15
        size = self._varint() if size == 15 else size
        # In a list a truth takes a byte, in a struct it stands in the field's own.
        kind = _BYTE if kind in (_TRUE, _TRUE + 1) else kind
        return [self._value(kind) for _ in range(min(size, len(self._data)))]

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
            if shift > _LONGEST_NUMBER:
                raise ValueError(shift)
        return number | byte << shift

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte
