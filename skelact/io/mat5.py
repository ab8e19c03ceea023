"""Arrays of numbers in MATLAB files of version 5 to 7, read strictly.

``scipy.io.loadmat`` ends the whole process (a segmentation fault) on some damaged files, so that nothing can be
caught; here every length is checked before it is used.

Source: MathWorks, MAT-File Format, level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800
_OPAQUE = 17  # tables, strings and objects of classes: laid out otherwise, and never numbers


def read_mat_array(data: bytes, name: str, limit: int = 1 << 28) -> np.ndarray:
    """One real array of numbers of a MATLAB file.

    Args:
        data: the file's bytes.
        name: the variable.
        limit: how many bytes a compressed variable may unfold to.

    Returns:
        The array, in the type that MATLAB had.

    Raises:
        KeyError: if the file has no such variable.
        ValueError: if the file is damaged or of another version, or the variable is no real array of numbers.
    """
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[:10] == b"MATLAB 7.3":
        raise ValueError("it is of version 7.3; save it in MATLAB with save(..., '-v7')")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise ValueError("it has no header of a MATLAB file of version 5 to 7")
    for kind, content in _elements(data, _HEADER, order):
        if kind == _COMPRESSED:
            unfolded = _inflate(content, limit)
            kind, content = next(_elements(unfolded, 0, order), (0, b""))
        if kind != _MATRIX:
            raise ValueError(f"it holds an element of the unknown type {kind}")
        array = _matrix(content, order, name)
        if array is not None:
            return array
    raise KeyError(name)


def _elements(data: bytes, place: int, order: str) -> Iterator[tuple[int, bytes]]:
    """The elements of a file or a matrix: type and content."""
    while place < len(data):
        if place + 8 > len(data):
            raise ValueError("it ends within an element's head")
        kind, size = struct.unpack_from(order + "II", data, place)
        if kind >> 16:  # a small element: its content stands in its head
            kind, size, begin, step = kind & 0xFFFF, kind >> 16, place + 4, 8
            if size > 4:
                raise ValueError(f"a small element says that it has {size} bytes; 4 are allowed")
        else:
            begin, step = place + 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if begin + size > len(data):
            raise ValueError(f"an element says that it has {size} bytes, {len(data) - begin} are left")
        yield kind, data[begin : begin + size]
        place += step


def _inflate(content: bytes, limit: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        unfolded = stream.decompress(content, limit)
    except zlib.error as error:
        raise ValueError(f"its compressed part is damaged ({error})") from None
    if not stream.eof:
        raise ValueError(f"its compressed part is cut off, or larger than {limit} bytes")
    return unfolded


def _matrix(content: bytes, order: str, wanted: str) -> np.ndarray | None:
    """The array of a matrix's content; None if it has another name."""
    parts = _elements(content, 0, order)
    kind, flags = next(parts, (0, b""))
    if kind != 6 or len(flags) != 8:
        raise ValueError("a variable has no proper head")
    flag = struct.unpack_from(order + "I", flags)[0]
    if flag & 0xFF == _OPAQUE:
        return None
    head = list(islice(parts, 2))
    if len(head) < 2 or head[0][0] != 5 or len(head[0][1]) % 4:
        raise ValueError("a variable has no proper head")
    (_, sizes), (_, name) = head
    if name != wanted.encode():
        return None
    if flag & 0xFF not in _CLASSES or flag & _COMPLEX:
        raise ValueError(f"{wanted} is no array of real numbers")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    kind, numbers = next(parts, (0, b""))
    if kind not in _NUMBERS:
        raise ValueError(f"{wanted} holds no numbers but type {kind}")
    dtype = np.dtype(order + _NUMBERS[kind])
    if len(shape) < 2 or min(shape) < 0 or math.prod(shape) * dtype.itemsize != len(numbers):
        raise ValueError(f"{wanted} says that it is {list(shape)}, but has {len(numbers)} bytes")
    array = np.frombuffer(numbers, dtype).reshape(shape, order="F")
    return array.astype(_CLASSES[flag & 0xFF])
