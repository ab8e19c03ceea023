"""`Bodies`: what a file says, body by body, and what of it a recording's people do not hold.

Readers clean: bodies are dropped, joined and put in order, joints are marked missing. Published networks were
trained on what their own scripts made of the untouched file. So a reader keeps, beside the people, the few
bytes that turn them into the file's bodies again: nothing where nothing was changed.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from skelact.errors import DataError
from skelact.skeleton import Skeleton

_LIMIT, _MOST_FRAMES = 1 << 28, 1 << 20  # bytes and frames that a recording may claim
_KEY = "remainder"  # among the info of a skelact file
_HEAD = struct.Struct("<IIiH")  # frames, bodies, the file's number of the recording's first frame, joints


@dataclass(frozen=True, eq=False)
class Bodies:
    """The bodies of a file over all frames, in file order.

    Args:
        source: the file's format, a name of `skelact.io.formats.FORMATS`.
        n_frames: T, frames of the file, empty ones included.
        frame: ``[B]`` frame of each body, not decreasing.
        body: ``[B]`` which body it is, numbered by first appearance.
        values: ``[B, V, C]`` float32 as written: x y z, or x y score.
        size: height and width of the picture, where the file says it.
    """

    source: str
    n_frames: int
    frame: np.ndarray
    body: np.ndarray
    values: np.ndarray
    size: tuple[int, int] | None = None

    def slots(self, n_slots: int) -> np.ndarray:
        """``[n_slots, T, V, C]``: the k-th body of each frame in slot k, zeros where there is none."""
        slot = np.arange(len(self.frame)) - np.searchsorted(self.frame, self.frame)
        chosen = slot < n_slots
        out = np.zeros((n_slots, self.n_frames, *self.values.shape[1:]), np.float32)
        out[slot[chosen], self.frame[chosen]] = self.values[chosen]
        return out


def number_bodies(body_id: np.ndarray) -> np.ndarray:
    """Ids ``[B]`` as numbers 0, 1, ... by first appearance."""
    _, first, inverse = np.unique(body_id, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse.reshape(-1)]


def _people(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """``[M, T, V, C]`` x y z (in a picture x y score) and ``[M, T]`` where they are seen, of people seen at all."""
    seen = skeleton.score.any((1, 2))
    xyz, score = skeleton.xyz[seen], skeleton.score[seen]
    there: np.ndarray = score.max(-1) > 0
    return xyz if xyz.shape[3] == 3 else np.concatenate([xyz, score[..., None]], -1), there


def stored_info(skeleton: Skeleton) -> dict:
    """A recording's info and, under a name of its own, its remainder: what a skelact file keeps of both."""
    return dict(skeleton.info) | ({} if skeleton.remainder is None else {_KEY: skeleton.remainder})


def split_info(info: Mapping) -> tuple[dict, str | None]:
    """The info and the remainder that `stored_info` joined."""
    rest = dict(info)
    remainder = rest.pop(_KEY, None)
    return rest, remainder if isinstance(remainder, str) else None


def with_original(skeleton: Skeleton, bodies: Bodies, person: np.ndarray, first_frame: int = 0) -> Skeleton:
    """The recording with what it takes to turn it into the file's bodies again (`restore_bodies`).

    Args:
        skeleton: the recording that was made of the file.
        bodies: what the file says.
        person: ``[B]`` the person that each body became, -1: nobody.
        first_frame: number in the file of the recording's first frame.
    """
    seen = skeleton.score.any((1, 2))  # a file of skelact's holds nobody else
    place = np.append(np.where(seen, seen.cumsum() - 1, -1), -1)
    changed = _find_changes(skeleton, bodies, place[person], first_frame)
    return skeleton.with_remainder(f"{bodies.source}:{base64.b85encode(changed).decode()}")


def match_people(bodies: Bodies, skeleton: Skeleton, first_frame: int = 0) -> np.ndarray:
    """``[B]`` the person of a recording whose joints are most like each body's in its frame, -1: nobody's."""
    people = np.full(len(bodies.frame), -1)
    there: np.ndarray = skeleton.score.max(-1) > 0
    for row, (frame, values) in enumerate(zip(bodies.frame - first_frame, bodies.values, strict=True)):
        candidates = np.flatnonzero(there[:, frame])
        same = (skeleton.xyz[candidates, frame] == values[:, : skeleton.xyz.shape[3]]).all(-1).sum(-1)
        if len(candidates) and same.max():
            people[row] = candidates[same.argmax()]
    return people


def _of_people(source: str, skeleton: Skeleton) -> Bodies:
    """The bodies of a file of which nothing was changed: people in their order, where they are seen."""
    values, there = _people(skeleton)
    frame, person = np.nonzero(there.T)
    return Bodies(source, skeleton.n_frames, frame, number_bodies(person), values[person, frame])


def _find_changes(skeleton: Skeleton, bodies: Bodies, person: np.ndarray, first_frame: int) -> bytes:
    plain, values = _of_people("", skeleton), np.ascontiguousarray(bodies.values, np.float32)
    if (
        plain.n_frames == bodies.n_frames
        and np.array_equal(plain.frame, bodies.frame)
        and np.array_equal(plain.body, bodies.body)
        and plain.values.tobytes() == values.tobytes()
    ):
        return b""
    held = _held(skeleton, bodies.frame - first_frame, person)
    changed = (held.view(np.uint32) != values.view(np.uint32)).any(-1)
    parts = (
        _HEAD.pack(bodies.n_frames, len(bodies.frame), first_frame, held.shape[1]),
        np.asarray(np.stack([bodies.frame, bodies.body, person]), "<i4").tobytes(),
        np.packbits(changed).tobytes(),
        np.asarray(values[changed], "<f4").tobytes(),
    )
    return zlib.compress(b"".join(parts))


def _held(skeleton: Skeleton, frame: np.ndarray, person: np.ndarray) -> np.ndarray:
    values, _ = _people(skeleton)
    out = np.zeros((len(frame), *values.shape[2:]), np.float32)
    known = person >= 0
    out[known] = values[person[known], frame[known]]
    return out


def restore_bodies(skeleton: Skeleton) -> Bodies:
    """The file's bodies from a recording and its remainder.

    Raises:
        DataError: if the recording was changed since it was read, was not read from a file that keeps this,
            or the remainder is damaged.
    """
    where = f"recording '{skeleton.id}'"
    if skeleton.remainder is None:
        raise DataError(
            f"{where} does not hold all that its raw file says (every body in the file's order, and every frame). "
            "Convert the raw files (NTU .skeleton, Kinetics-Skeleton JSON, PYSKL pickle) with this skelact, as "
            "float32 and in their own layout: skelact convert FOLDER --out NEW.h5"
        )
    source, _, text = skeleton.remainder.partition(":")
    size = None
    if "height" in skeleton.info and "width" in skeleton.info:
        size = int(skeleton.info["height"]), int(skeleton.info["width"])
    if not text:
        return replace(_of_people(source, skeleton), size=size)
    try:
        data = zlib.decompressobj().decompress(base64.b85decode(text), _LIMIT)
        frame, body, values, n_frames = _decode(skeleton, data)
    except (zlib.error, ValueError, IndexError, struct.error) as error:
        raise DataError(
            f"{where}: what is kept of its raw file is damaged ({error}); convert it again"
        ) from None
    return Bodies(source, n_frames, frame, body, values, size)


def _decode(skeleton: Skeleton, data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    n_frames, n, first, n_joints = _HEAD.unpack_from(data)
    frame, body, person = np.frombuffer(data, "<i4", 3 * n, _HEAD.size).reshape(3, n).astype(np.int64)
    if n_frames > _MOST_FRAMES:
        raise ValueError(f"{n_frames} frames")
    if n and not (frame[0] >= 0 and frame[-1] < n_frames and (np.diff(frame) >= 0).all()):
        raise ValueError("its frames are not in order")
    place, n_bytes = _HEAD.size + 12 * n, -(-n * n_joints // 8)
    bits = np.frombuffer(data, np.uint8, n_bytes, place)
    changed = np.unpackbits(bits, count=n * n_joints).reshape(n, n_joints).astype(bool)
    values = _held(skeleton, frame - first, person)
    values[changed] = np.frombuffer(data, "<f4", offset=place + n_bytes).reshape(-1, values.shape[2])
    return frame, body, values, n_frames
