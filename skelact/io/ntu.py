"""NTU RGB+D ``.skeleton`` files (Shahroudy et al., CVPR 2016; Liu et al., TPAMI 2020): read and write.

A file is text: the number of frames; per frame the number of bodies; per body a line of 10 values (its id
first), a line ``25``, and 25 lines of 12 values: x y z, depth x y, colour x y, four of the orientation, and
the tracking state (0 not tracked, 1 inferred, 2 tracked).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.errors import DataError, LayoutError
from skelact.io.files import write_file
from skelact.io.ntu_bodies import BodyReport, select_people
from skelact.io.ntu_fast import parse_usual
from skelact.io.ntu_names import NTU120_NAMES, parse_ntu_name
from skelact.io.original import Bodies, number_bodies, with_original
from skelact.io.reading import read_bytes
from skelact.layouts import get_layout
from skelact.skeleton import Skeleton

NTU_FPS = 30.0
_N_JOINTS, _N_COLUMNS, _N_HEAD = 25, 12, 10
_COLOUR_COLUMNS = (5, 6)
_BLOCK = _N_JOINTS * _N_COLUMNS
_STEP = _N_HEAD + 1 + _BLOCK  # tokens of one body
_SCORE = np.array([0.0, 0.5, 1.0], np.float32)  # by tracking state
_PICTURE = np.array([1920.0, 1080.0])  # width and height of the colour picture
# Kinect v2: focal length and centre of the depth and colour images, where the file's own places are not known.
_DEPTH = (366.0, 256.0, 212.0)
_COLOUR = (1063.0, 960.0, 540.0)


@dataclass(frozen=True, eq=False)
class RawNtu:
    """Everything a ``.skeleton`` file says; B bodies over all frames, in file order.

    Args:
        n_frames: T, frames announced (and present).
        frame: ``[B]`` frame of each body.
        body_id: ``[B]`` int64.
        xyz: ``[B, 25, 3]`` float32, metres, as written (NaN stays).
        state: ``[B, 25]`` tracking state 0, 1 or 2.
        colour: ``[B, 25, 2]`` float64, places in the colour picture [pixels]; NaN: none that could be read.
        columns: ``[B, 25, 12]`` float64 all columns, or None if only positions were asked for.
        head: ``[B, 10]`` float64 the body's own line (id inexact here), or None.
    """

    n_frames: int
    frame: np.ndarray
    body_id: np.ndarray
    xyz: np.ndarray
    state: np.ndarray
    colour: np.ndarray
    columns: np.ndarray | None = None
    head: np.ndarray | None = None

    @property
    def n_bodies(self) -> int:
        """How many different body ids occur."""
        return len(np.unique(self.body_id))

    def bodies(self) -> Bodies:
        """The same in the form that several formats share."""
        return Bodies("ntu", self.n_frames, self.frame, number_bodies(self.body_id), self.xyz)


def parse_ntu(path: str | Path, all_columns: bool = True) -> RawNtu:
    """Parse a ``.skeleton`` file without judging its bodies.

    Args:
        path: the file.
        all_columns: keep all 12 columns and the bodies' own lines; without, only positions, places in the
            colour picture, tracking states and ids are turned into numbers, which is several times faster.

    Raises:
        DataError: if the file is missing, empty, truncated, not of this format, or a position is infinite.
    """
    return _parse(read_bytes(path), str(path), all_columns)


def _parse(data: bytes, where: str, all_columns: bool) -> RawNtu:
    usual = None if all_columns or b"_" in data else parse_usual(data)
    if usual is not None:
        n_frames, frame, ids, values, state, colour = usual
        try:
            body_id = np.array(ids, dtype=np.int64)
        except OverflowError:
            raise DataError(f"{where}: a body id does not fit into 64 bits") from None
        with np.errstate(over="ignore"):
            xyz = values.astype(np.float32)
        _refuse_infinite(xyz, frame, where)
        return RawNtu(n_frames, np.array(frame, np.int64), body_id, xyz, state, colour)
    return _parse_plain(data, where, all_columns)


def _refuse_infinite(xyz: np.ndarray, frame: Sequence[int], where: str) -> None:
    if np.isinf(xyz).any():
        b, v, _ = np.argwhere(np.isinf(xyz))[0]
        raise DataError(f"{where}: joint {v + 1} of a body in frame {frame[b]} is infinite or above float32")


def _parse_plain(data: bytes, where: str, all_columns: bool) -> RawNtu:
    # Splitting everything at once and picking tokens by stride beats any line by line reading: the work
    # per joint is one slice element, and float() runs only on the columns that are used.
    tokens = data.split()
    if not tokens or b"_" in data:  # float() and int() accept 1_000, the format does not
        raise DataError(f"{where} is no .skeleton file: it must hold numbers only")
    frame: list[int] = []
    ids: list[bytes] = []
    flat: list[bytes] = []
    t = -1
    try:
        n_frames = int(tokens[0])
        place = 1
        for t in range(n_frames):
            n_bodies = int(tokens[place])
            place += 1
            if n_bodies < 0:
                raise ValueError
            for _ in range(n_bodies):
                if tokens[place + _N_HEAD] != b"25":
                    raise DataError(
                        f"{where}: a body in frame {t} has {tokens[place + _N_HEAD][:20]!r} joints where 25 "
                        "are expected; the file is damaged or of another format"
                    )
                ids.append(tokens[place])
                frame.append(t)
                flat += tokens[place + _N_HEAD + 1 : place + _STEP]
                place += _STEP
    except IndexError:
        raise DataError(
            f"{where} is truncated: it announces {int(tokens[0])} frames and ends in frame {max(t, 0)}"
        ) from None
    except ValueError:
        what = "the number of frames" if t < 0 else f"the number of bodies in frame {t}"
        raise DataError(f"{where} is no .skeleton file: {what} is not a count") from None
    if n_frames <= 0:
        raise DataError(f"{where} announces {n_frames} frames; there is nothing to read")
    if place > len(tokens):
        raise DataError(f"{where} is truncated: it announces {n_frames} frames and ends in frame {t}")
    if place < len(tokens):
        raise DataError(f"{where} goes on after its {n_frames} frames; its frame count is wrong")
    n = len(frame)
    try:
        body_id = np.array(list(map(int, ids)), dtype=np.int64)
        xyz = np.empty((n, _N_JOINTS, 3), np.float32)
        with np.errstate(over="ignore"):
            for c in range(3):
                xyz[:, :, c] = np.array(list(map(float, flat[c::_N_COLUMNS]))).reshape(n, _N_JOINTS)
        colour = np.stack([_lenient(flat[c::_N_COLUMNS]) for c in _COLOUR_COLUMNS], -1)
        colour = colour.reshape(n, _N_JOINTS, 2)
        columns = head = None
        if all_columns:
            columns = np.array(list(map(float, flat))).reshape(n, _N_JOINTS, _N_COLUMNS)
            head = _heads(tokens, n_frames)
    except (ValueError, OverflowError):
        raise DataError(f"{where}: {_first_bad(ids, flat, frame)} is not a number") from None
    _refuse_infinite(xyz, frame, where)
    states = b"".join(flat[_N_COLUMNS - 1 :: _N_COLUMNS])
    if len(states) != n * _N_JOINTS:
        raise DataError(f"{where}: a tracking state is not 0, 1 or 2; the columns are shifted or damaged")
    state = np.frombuffer(states, np.uint8).reshape(n, _N_JOINTS) - np.uint8(ord("0"))
    if (state > 2).any():
        b, v = np.argwhere(state > 2)[0]
        raise DataError(f"{where}: joint {v + 1} in frame {frame[b]} has a tracking state other than 0, 1, 2")
    return RawNtu(n_frames, np.array(frame, np.int64), body_id, xyz, state, colour, columns, head)


def _lenient(texts: list[bytes]) -> np.ndarray:
    """Numbers ``[n]`` of a column that recordings can do without: NaN for what is none."""
    try:
        return np.array(list(map(float, texts)), np.float64)
    except ValueError:
        values = np.full(len(texts), np.nan)
        for k, text in enumerate(texts):
            with suppress(ValueError):
                values[k] = float(text)
        return values


def _heads(tokens: list[bytes], n_frames: int) -> np.ndarray:
    rows, place = [], 1
    for _ in range(n_frames):
        n_bodies = int(tokens[place])
        place += 1
        for _ in range(n_bodies):
            rows.append([float(v) for v in tokens[place : place + _N_HEAD]])
            place += _STEP
    return np.array(rows, np.float64).reshape(-1, _N_HEAD)


def _first_bad(ids: list[bytes], flat: list[bytes], frame: list[int]) -> str:
    """Where the first value stands that is no number; only for the message."""
    for b, text in enumerate(ids):
        try:
            np.int64(int(text))
        except (ValueError, OverflowError):
            return f"the body id {text[:30]!r} in frame {frame[b]}"
    for k, text in enumerate(flat):
        try:
            float(text)
        except ValueError:
            joint = k // _N_COLUMNS % _N_JOINTS + 1
            return (
                f"column {k % _N_COLUMNS + 1} of joint {joint} in frame {frame[k // _BLOCK]} ({text[:20]!r})"
            )
    return "a value of a body's first line"


def select_bodies(
    raw: RawNtu,
    name: str = "",
    *,
    max_people: int | None = 2,
    denoise: bool = True,
    stitch: bool = True,
    label_names: Sequence[str] | None = None,
) -> tuple[Skeleton, BodyReport]:
    """Turn the bodies of a file into people.

    Args:
        raw: a parsed file.
        name: its name; if it is ``SsssCcccPpppRrrrAaaa``, label and info are taken from it.
        max_people: the people kept, those with most motion; None keeps all.
        denoise: drop bodies that are short-lived or too wide for a person (see `select_people`).
        stitch: join a body to one that ended before it began, near where that one was.
        label_names: the name of action 1, 2, ...; None: the names of NTU RGB+D 120.

    Returns:
        The recording (people in order of appearance, tracking state 2 → score 1, 1 → 0.5, 0 → missing;
        NaN joints and joints at exactly the origin are missing), with the joints' places in the colour picture and
        its size if the file says them, and what was dropped and why.

    Raises:
        DataError: if no frame has a body, or the action has no name.
    """
    where = name or "the file"
    if not len(raw.frame):
        raise DataError(
            f"{where} has no body in any of its {raw.n_frames} frames; nothing can be learned from it"
        )
    score = _SCORE[raw.state]
    nan = np.isnan(raw.xyz).any(-1)
    zero = (raw.xyz == 0).all(-1)
    xyz = raw.xyz
    n_nan, n_zero = int(nan.sum()), int((zero & (score > 0)).sum())
    if n_nan or zero.any():
        score = np.where(nan | zero, np.float32(0), score)
        xyz = np.where(np.expand_dims(nan, -1), np.float32(0), xyz)
    people, report = select_people(raw.frame, raw.body_id, xyz, score, max_people, denoise, stitch)
    report = report.with_counts(name, raw.n_frames, n_nan, n_zero)
    out = np.zeros((len(people), raw.n_frames, _N_JOINTS, 3), np.float32)
    out_score = np.zeros(out.shape[:3], np.float32)
    places = _places(raw, xyz, score)
    picture = None if places is None else np.zeros((*out.shape[:3], 2), np.float32)
    for m, (_, rows) in enumerate(people):
        out[m, raw.frame[rows]] = xyz[rows]
        out_score[m, raw.frame[rows]] = score[rows]
        if picture is not None and places is not None:
            picture[m, raw.frame[rows]] = places[rows]
    if not out_score.any():
        raise DataError(f"{where} has no tracked joint in any of its {raw.n_frames} frames")
    info, label = _describe(name, label_names)
    if picture is not None:
        info = {**info, "width": int(_PICTURE[0]), "height": int(_PICTURE[1])}
    skeleton = Skeleton(
        out, out_score, "ntu25", NTU_FPS, "m", label, name, info, [i for i, _ in people], picture=picture
    )
    person = np.full(len(raw.frame), -1)
    for m, (_, rows) in enumerate(people):
        person[rows] = m
    return with_original(skeleton, raw.bodies(), person), report


def _places(raw: RawNtu, xyz: np.ndarray, score: np.ndarray) -> np.ndarray | None:
    """Places of the joints as fractions of the colour picture ``[B, 25, 2]``; None if the file has zeros for all.

    A tracked joint without a place (the sensor writes NaN or infinity) gets the one that it would have if the colour
    camera stood where the depth camera stands, a few pixels beside its own.
    """
    if not raw.colour.any():
        return None
    places = raw.colour
    lost = ~np.isfinite(places).all(-1)
    if lost.any():
        places = places.copy()
        places[lost] = np.where(score[lost][:, None] > 0, _project(xyz[lost], _COLOUR), 0)
    return places / _PICTURE


def _project(xyz: np.ndarray, camera: tuple[float, float, float]) -> np.ndarray:
    """Pixels ``[..., 2]`` of joints ``[..., 3]`` in a camera of (focal length, centre's column, centre's row)."""
    depth = np.where(np.abs(xyz[..., 2]) > 1e-3, xyz[..., 2], 1.0).astype(np.float64)
    f, column, row = camera
    return np.stack([f * xyz[..., 0] / depth + column, row - f * xyz[..., 1] / depth], -1)


def _describe(name: str, label_names: Sequence[str] | None) -> tuple[dict[str, int], str | None]:
    try:
        info = parse_ntu_name(name)
    except DataError:
        return {}, None
    names = NTU120_NAMES if label_names is None else label_names
    if not 1 <= info["action"] <= len(names):
        raise DataError(f"{name}: action {info['action']} has no name; there are names for 1..{len(names)}")
    return info, names[info["action"] - 1]


def read_ntu(
    path: str | Path,
    *,
    max_people: int | None = 2,
    denoise: bool = True,
    stitch: bool = True,
    label_names: Sequence[str] | None = None,
) -> Skeleton:
    """Read a ``.skeleton`` file; see `select_bodies` for the arguments and `parse_ntu` for all that is in it.

    Raises:
        DataError: if the file cannot be used.
    """
    return read_ntu_report(
        path, max_people=max_people, denoise=denoise, stitch=stitch, label_names=label_names
    )[0]


def read_ntu_report(
    path: str | Path,
    *,
    max_people: int | None = 2,
    denoise: bool = True,
    stitch: bool = True,
    label_names: Sequence[str] | None = None,
) -> tuple[Skeleton, BodyReport]:
    """As `read_ntu`, with the report of what was dropped and why."""
    try:
        return select_bodies(
            parse_ntu(path, all_columns=False),
            Path(path).name.removesuffix(".skeleton"),
            max_people=max_people,
            denoise=denoise,
            stitch=stitch,
            label_names=label_names,
        )
    except DataError as error:
        raise error if str(path) in str(error) else DataError(f"{path}: {error}") from error


def write_ntu(skeleton: Skeleton, path: str | Path) -> None:
    """Write a ``.skeleton`` file that `read_ntu` (with ``denoise=False``) reads back bit for bit.

    People are absent in frames where they have no joint; body ids are the track ids. The tracking state is
    2 for score 1, 1 for a score between 0 and 1 (which reads back as 0.5) and 0 for a missing joint. The
    colour columns are the joints' places in the picture, or 0 where the recording does not say them, the depth
    columns are projected with Kinect v2's focal length, the orientations are 0.

    Args:
        skeleton: layout ntu25 (either edge list), three coordinates, unit m.
        path: the file; name it ``SsssCcccPpppRrrrAaaa.skeleton`` to carry label and info.

    Raises:
        LayoutError: for another layout.
        DataError: for another unit or 2 coordinates, or if the file cannot be written.
    """
    path = Path(path)
    if skeleton.layout.joints != get_layout("ntu25").joints:
        raise LayoutError(
            f"{path}: a .skeleton file holds layout 'ntu25', got '{skeleton.layout.name}'; "
            "convert it first (Skeleton.converted)"
        )
    if skeleton.xyz.shape[3] != 3 or skeleton.unit != "m":
        raise DataError(
            f"{path}: a .skeleton file holds 3 coordinates in metres, "
            f"got {skeleton.xyz.shape[3]} in '{skeleton.unit}'"
        )
    score = skeleton.score
    state = np.where(score >= 1, 2, np.where(score > 0, 1, 0))
    there: np.ndarray = score.max(-1) > 0
    lines = [str(skeleton.n_frames)]
    for t in range(skeleton.n_frames):
        present = np.flatnonzero(there[:, t])
        lines.append(str(len(present)))
        for m in present:
            lines += [f"{skeleton.track_ids[m]} 0 1 1 1 1 0 0 0 2", str(_N_JOINTS)]
            colour = (
                np.zeros((_N_JOINTS, 2)) if skeleton.picture is None else skeleton.picture[m, t] * _PICTURE
            )
            lines += _joint_lines(skeleton.xyz[m, t], state[m, t], colour)
    write_file(path, ("\r\n".join(lines) + "\r\n").encode("ascii"))


def _joint_lines(xyz: np.ndarray, state: np.ndarray, colour: np.ndarray) -> list[str]:
    image = np.concatenate([_project(xyz, _DEPTH), colour], 1)
    # str of a numpy float32 is the shortest text that reads back as the same float32, as do nine digits
    return [
        f"{p[0]!s} {p[1]!s} {p[2]!s} {q[0]:.7g} {q[1]:.7g} {q[2]:.9g} {q[3]:.9g} 0 0 0 0 {s}"
        for p, q, s in zip(xyz, image.tolist(), state.tolist(), strict=True)
    ]
