"""The quick way through ``.skeleton`` files as Kinect's recorder writes them.

Only the positions, states and ids are turned into numbers, all of them at once with array operations on the
bytes of the file. Whatever is not written in the usual way (one blank between columns, one line a joint)
is left to the plain parser in `skelact.io.ntu`, which also gives the messages; where this one answers, its
numbers are the plain parser's to the bit.
"""

from __future__ import annotations

import numpy as np

_WIDTH = 15  # 15 characters hold at most 15 digits, so every sum below is exact in float64
_POWERS = 10.0 ** np.arange(_WIDTH - 1, -1, -1)
_TEN = 10.0 ** np.arange(_WIDTH + 2)
_PLACES = np.stack([np.arange(_WIDTH - 1, -1, -1), np.ones(_WIDTH)], 1).astype(np.float32)
_ONES = np.ones(_WIDTH, np.float32)
_COLUMNS = np.arange(_WIDTH, dtype=np.int16)
_BLANK, _NEWLINE, _RETURN, _DOT, _MINUS, _ZERO = b" \n\r.-0"


def parse_usual(data: bytes) -> tuple[int, list[int], list[int], np.ndarray, np.ndarray] | None:
    """Parse a file of the usual form.

    Args:
        data: the file's bytes.

    Returns:
        frames, frame of each body, id of each body, positions ``[B, 25, 3]`` float64, states ``[B, 25]``;
        None if anything is unusual (which may or may not be an error).
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
    a = np.stack([begin, blank[:, 0] + 1, blank[:, 1] + 1], 1).ravel()
    values = _decimals(data, buffer, a, blank[:, :3].ravel())
    if values is None:
        return None
    return n_frames, frame, ids, values.reshape(n, 25, 3), state.reshape(n, 25)


def _decimals(data: bytes, buffer: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray | None:
    """The numbers written in ``data[begin:end]``, each rounded once, as ``float`` does.

    A number of at most 15 characters without exponent is m / 10^d with integers that float64 holds exactly,
    so one division rounds it correctly. All others go through ``float``.
    """
    length = end - begin
    if (length < 1).any() or end[0] < _WIDTH:
        return None
    # Every window of 15 bytes as one item, so that picking one is a single copy
    windows = np.ndarray(len(data) - _WIDTH + 1, f"V{_WIDTH}", data, strides=(1,))
    # right-aligned, what stands before the number included
    text = windows[end - _WIDTH].view(np.uint8).reshape(-1, _WIDTH)
    inside = (_WIDTH - length).astype(np.int16)[:, None] <= _COLUMNS
    digit = text - np.uint8(_ZERO)
    is_digit = digit < 10
    places, dots = ((text == _DOT) & inside).astype(np.float32).dot(_PLACES).T
    n_digits = (is_digit & inside).astype(np.float32).dot(_ONES)
    minus = buffer[begin] == _MINUS
    usual = (length <= _WIDTH) & (dots <= 1) & (n_digits > 0) & (n_digits + dots + minus == length)
    shifted = (digit * (is_digit & inside)).astype(np.float64).dot(_POWERS)
    # The dot takes a place of its own: what stands before it is ten times too large.
    after = np.where(usual, places, 0).astype(np.int64)
    gap = _TEN[after + 1]
    whole = np.floor(shifted / gap)
    fraction = shifted - whole * gap
    with_dot = (whole * _TEN[after] + fraction) / _TEN[after]
    values = np.where(dots > 0, with_dot, shifted)
    values = np.where(minus, -values, values)
    for k in np.flatnonzero(~usual):
        try:
            values[k] = float(data[begin[k] : end[k]])
        except ValueError:
            return None
    return values
