"""The quick way through ``.skeleton`` files as Kinect's recorder writes them.

Only positions, places in the colour picture, states and ids are turned into numbers, all of them at once with
array operations on the bytes of the file. Whatever is not written in the usual way (one blank between columns,
one line a joint) is left to the plain parser in `skelact.io.ntu`, which also gives the messages; where this one
answers, its numbers are the plain parser's to the bit.
"""

from __future__ import annotations

import numpy as np

_WIDTH = 15  # 15 characters hold at most 15 digits, so every sum below is exact in float64
_GAP = 10.0 ** np.arange(_WIDTH + 2)  # by the digits after the dot + 1
_SCALE = np.concatenate([[1.0], _GAP[:-1]])
_BLANK, _NEWLINE, _RETURN, _MINUS, _ZERO = b" \n\r-0"
# Columns of a joint that are turned into numbers: x y z, colour x y; those that are usually short at once.
_TOGETHER = ((0, 1), (2, 5, 6))
# Eight characters are handled as one word of 64 bits, the first character in its lowest byte.
_KEPT = np.array([0, *((2**64 - (1 << 8 * (8 - k))) for k in range(1, 9))], np.uint64)  # the last k bytes
_EACH = np.uint64(0x0101010101010101)
_HIGH, _LOW = _EACH * np.uint64(0x80), _EACH * np.uint64(0x7F)


Parsed = tuple[int, list[int], list[int], np.ndarray, np.ndarray, np.ndarray]


def parse_usual(data: bytes) -> Parsed | None:
    """Parse a file of the usual form.

    Args:
        data: the file's bytes.

    Returns:
        frames, frame of each body, id of each body, positions ``[B, 25, 3]`` float64, states ``[B, 25]``, places in
        the colour picture ``[B, 25, 2]`` float64; None if anything is unusual (which may or may not be an error).
    """
    if not data.endswith(b"\n"):
        return None
    buffer = np.frombuffer(data, np.uint8)
    newline = np.flatnonzero(buffer == _NEWLINE)
    starts = [0, *(newline[:-1] + 1).tolist()]
    ends = newline.tolist()
    frame: list[int] = []
    ids: list[int] = []
    heads: list[int] = []
    try:
        n_frames = int(data[: ends[0]])
        line = 1
        for t in range(n_frames):
            n_bodies = int(data[starts[line] : ends[line]])
            if n_bodies < 0:
                return None
            line += 1
            for _ in range(n_bodies):
                if data[starts[line + 1] : ends[line + 1]].rstrip() != b"25":
                    return None
                ids.append(int(data[starts[line] : ends[line]].split(b" ", 1)[0]))
                heads.append(line)
                frame.append(t)
                line += 27
    except (ValueError, IndexError):
        return None
    if line != len(ends) or n_frames <= 0 or not heads:
        return None
    n = len(heads)
    lines = (np.array(heads)[:, None] + np.arange(2, 27)).ravel()
    begin = newline[lines - 1] + 1
    end = newline[lines]
    end = end - (buffer[end - 1] == _RETURN)
    # Each body has 9 blanks in its own line and 11 in each of 25: the places follow by counting.
    blank = np.flatnonzero(buffer == _BLANK)
    if len(blank) != n * (9 + 25 * 11):
        return None
    body = np.arange(n)
    blank = blank.reshape(n, 9 + 25 * 11)
    first_line, first_end = newline[np.array(heads) - 1] + 1, newline[np.array(heads)]
    if (blank[:, 0] <= first_line).any() or (blank[:, 8] >= first_end).any():
        return None
    blank = blank[body, 9:].reshape(-1, 11)
    if (blank[:, 0] <= begin).any() or (blank[:, 10] != end - 2).any():
        return None
    state = buffer[end - 1] - np.uint8(_ZERO)
    if (state > 2).any():
        return None
    columns: dict[int, np.ndarray] = {}
    for some in _TOGETHER:
        first = np.concatenate([blank[:, c - 1] + 1 if c else begin for c in some])
        values = _decimals(data, buffer, first, np.concatenate([blank[:, c] for c in some]))
        if values is None:
            return None
        columns.update(zip(some, values.reshape(len(some), n, 25), strict=True))
    xyz = np.stack([columns[c] for c in range(3)], -1)
    return n_frames, frame, ids, xyz, state.reshape(n, 25), np.stack([columns[5], columns[6]], -1)


def _decimals(data: bytes, buffer: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray | None:
    """The numbers written in ``data[begin:end]``, each rounded once, as ``float`` does.

    A number of at most 15 characters without exponent is m / 10^d with integers that float64 holds exactly,
    so one division rounds it correctly. All others go through ``float``.
    """
    length = end - begin
    if (length < 1).any() or end[0] < 16:
        return None
    # Every window of 16 bytes as one item, so that picking one is a single copy; what stands before the number is
    # then taken away, as is its sign.
    windows = np.ndarray(len(data) - 15, "V16", data, strides=(1,))
    words = windows[end - 16].view("<u8").reshape(-1, 2)
    minus = buffer[begin] == _MINUS
    unsigned = np.minimum(length - minus, _WIDTH + 1)
    low, dot, usual = _digits(words[:, 1], _KEPT[np.minimum(unsigned, 8)])
    shifted, after = low.astype(np.float64), 7 - dot  # digits after the dot, -1: there is no dot
    if int(unsigned.max()) > 8:
        high, dot, fits = _digits(words[:, 0], _KEPT[np.maximum(unsigned - 8, 0)])
        shifted += high.astype(np.float64) * 1e8
        usual &= fits & (unsigned <= _WIDTH) & ((dot == 8) | (after < 0))
        after = np.where((after < 0) & (dot < 8), 15 - dot, after)
    usual &= unsigned > (after >= 0)
    after = np.where(usual, after, -1)
    # The dot takes a place of its own: what stands before it is ten times too large.
    whole = np.floor(shifted / _GAP[after + 1])
    fraction, scale = shifted - whole * _GAP[after + 1], _SCALE[after + 1]
    values = (whole * scale + fraction) / scale
    values = np.where(minus, -values, values)
    for k in np.flatnonzero(~usual):
        try:
            values[k] = float(data[begin[k] : end[k]])
        except ValueError:
            return None
    return values


def _digits(words: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of eight characters, of which ``kept`` leaves some.

    Args:
        words: ``[n]`` the characters.
        kept: ``[n]`` bits of the characters that count; the others are zeros.

    Returns:
        ``[n]`` the numbers, with a dot as the digit 0; which character is the dot (8: none); whether all are digits
        and at most one a dot.
    """
    digits = (words ^ (_EACH * np.uint64(_ZERO))) & kept
    other = digits ^ (_EACH * np.uint64(ord(".") ^ _ZERO))
    dots = ~(((other & _LOW) + _LOW) | other | _LOW)  # the top bit of each byte that is a dot
    place = np.bitwise_count(dots - np.uint64(1)).astype(np.int64) >> 3
    usual = (dots & (dots - np.uint64(1))) == 0
    digits &= ~((dots >> np.uint64(7)) * np.uint64(0xFF))
    usual &= (((digits + _EACH * np.uint64(118)) | digits) & _HIGH) == 0  # no byte is above 9
    two = ((digits * np.uint64(10 << 8 | 1)) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    four = ((two * np.uint64(100 << 16 | 1)) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return (four * np.uint64(10_000 << 32 | 1)) >> np.uint64(32), place, usual
