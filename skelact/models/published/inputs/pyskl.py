"""What PYSKL's and ProtoGCN's graph networks are fed: cleaning, normalising, and sampling in testing.

Poses are float16 in PYSKL's files, and its arithmetic stays in that type until something else comes in;
so does this one, because rounding moves the angles by a thousandth.
"""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError
from skelact.io.original import Bodies
from skelact.models.published.inputs.kinect import Track, drop_wide, find_tracks, keep_long
from skelact.models.published.inputs.streams import COCO_PAIRS, NTU_PAIRS, OPENPOSE_PAIRS, bones, motion
from skelact.models.published.inputs.turn import shoulder_rotation, spine_rotation

N_PEOPLE, CLIP, SEED = 2, 100, 255
_SPINE, _NOTHING = 1, 1e-3
_USUAL_SIZE = (1080, 1920)  # of a picture, where the file does not say


def turned_input(bodies: Bodies, stream: str) -> np.ndarray:
    """``[C, T, V, M]`` of NTU RGB+D for ST-GCN++: centred and turned; T and M as there are."""
    return _ntu_streams(clean_bodies(bodies), stream, turn=True)


def centred_input(bodies: Bodies, stream: str) -> np.ndarray:
    """The same for DG-STGCN and ProtoGCN: centred, not turned."""
    return _ntu_streams(clean_bodies(bodies), stream, turn=False)


def turned_pose_input(bodies: Bodies, stream: str) -> np.ndarray:
    """What ST-GCN++ is fed of a PYSKL pickle: NTU RGB+D's poses as `turned_input`, pictures with scores."""
    return _pose_input(bodies, stream, turn=True)


def centred_pose_input(bodies: Bodies, stream: str) -> np.ndarray:
    """The same for DG-STGCN and ProtoGCN."""
    return _pose_input(bodies, stream, turn=False)


def _pose_input(bodies: Bodies, stream: str, turn: bool) -> np.ndarray:
    poses = stack_poses(bodies)
    if poses.shape[2] == len(NTU_PAIRS):
        return _ntu_streams(poses, stream, turn)
    return picture_input(poses, bodies.size or _USUAL_SIZE, stream)


def stack_poses(bodies: Bodies) -> np.ndarray:
    """The poses ``[M, T, V, C]`` of a pickle, in half precision if that holds them exactly, as it does PYSKL's."""
    x = bodies.slots(int(bodies.body.max()) + 1)
    with np.errstate(over="ignore"):
        half = x.astype(np.float16)
    return half if np.array_equal(half, x) else x


def _ntu_streams(poses: np.ndarray, stream: str, turn: bool) -> np.ndarray:
    x = normalise(poses, turn)
    if stream.startswith("bone"):
        x = bones(x, NTU_PAIRS, axis=2).astype(np.float32)  # the release keeps bones in this type
    if stream.endswith("motion"):
        x = motion(x, axis=1)
    return x.astype(np.float32).transpose(3, 1, 2, 0)


def clean_bodies(bodies: Bodies) -> np.ndarray:
    """``[M, T, 25, 3]`` float16: one or two people made of the bodies that are no noise.

    Raises:
        DataError: if no body is plausible.
    """
    _, tracks = find_tracks(bodies)
    tracks.sort(key=lambda t: -t.motion)
    if len(tracks) > 1:
        tracks = keep_long(tracks)
    if len(tracks) > 1:
        tracks = drop_wide(tracks, stop_at_one=False)
        tracks.sort(key=lambda t: -t.motion)
    if len(tracks) == 1:
        return tracks[0].xyz[None].astype(np.float16)
    return _two_people(tracks).astype(np.float16)


def _two_people(tracks: list[Track]) -> np.ndarray:
    x = np.zeros((N_PEOPLE, max(t.end for t in tracks), 25, 3), np.float32)
    spans = [(tracks[0].start, tracks[0].end), (0, 0)]
    x[0, tracks[0].start : tracks[0].end] = tracks[0].xyz
    for track in tracks[1:]:
        for person, (start, end) in enumerate(spans):
            if max(start, track.start) >= min(end, track.end):
                x[person, track.start : track.end] = track.xyz
                spans[person] = min(start, track.start), max(end, track.end)
                break
    shown = np.flatnonzero(np.abs(x).transpose(1, 0, 2, 3).reshape(x.shape[1], -1).sum(1) >= _NOTHING)
    if not len(shown):
        raise DataError("every joint of the recording lies at the origin")
    x = x[:, shown[0] : shown[-1] + 1]
    first, second = np.abs(x[:, 0, _SPINE]).sum(-1)
    return x[::-1] if first < _NOTHING < second else x


def normalise(poses: np.ndarray, turn: bool) -> np.ndarray:
    """Poses ``[M, T, 25, 3]`` without frames that lack the first person, who is the one in more frames.

    The spine of the first person's first frame is the origin; with ``turn`` that person's spine and shoulders
    lie along z and x there.
    """
    x = np.ascontiguousarray(poses)
    if len(x) > N_PEOPLE:
        raise DataError(f"the release normalises one or two people, the recording has {len(x)}")
    if x.sum() == 0:  # in float16, as the release has it
        return x
    there = (x != 0).any((2, 3))
    if len(x) == N_PEOPLE and there[0].sum() < there[1].sum():
        x, there = x[::-1], there[::-1]
    x = x[:, there[0]]
    if not x.shape[1]:
        raise DataError("nobody is in any frame of the recording")
    x = (x - x[0, 0, _SPINE]) * (x != 0).any(-1, keepdims=True)
    for rotation in (spine_rotation, shoulder_rotation) if turn else ():
        x = np.einsum("mtvc,kc->mtvk", x, rotation(x[0, 0]))
    return x


def picture_input(poses: np.ndarray, size: tuple[int, int], stream: str) -> np.ndarray:
    """``[3, T, V, M]`` x, y and score of 2D poses ``[M, T, V, 3]`` in pixels, for the networks trained on those.

    Args:
        poses: x, y, score.
        size: height and width of the picture.
        stream: of positions the score stays; of bones and motions it is the mean of both ends.
    """
    height, width = size
    x = poses.copy()
    for c, half in enumerate((width / 2, height / 2)):
        x[..., c] = (x[..., c] - half) / half
    pairs = COCO_PAIRS if x.shape[2] == 17 else OPENPOSE_PAIRS
    joint, parent = np.array(pairs).T
    for part in stream.split("_"):
        score = x[..., 2].copy()
        if part == "bone":
            x = bones(x, pairs, axis=2).astype(np.float32)
            x[..., 2] = (score[..., joint] + score[..., parent]) / 2
        elif part == "motion":
            x = motion(x, axis=1)
            x[:, :-1, :, 2] = (score[:, :-1] + score[:, 1:]) / 2
    return x.astype(np.float32).transpose(3, 1, 2, 0)


def sample_frames(n_frames: int, n_clips: int, length: int = CLIP, random_start: bool = False) -> np.ndarray:
    """``[n_clips, length]`` frame numbers that PYSKL looks at in testing.

    Args:
        n_frames: of the recording.
        n_clips: 1 or 10 in the releases.
        length: frames of a clip.
        random_start: where there are fewer frames than ``length``, begin at a random one
            (DG-STGCN, ProtoGCN) instead of at clip · n_frames // n_clips.
    """
    random = np.random.RandomState(SEED)
    clips = []
    for i in range(n_clips):
        random.rand()  # the share of the recording, which is always 1 ...
        random.randint(1)  # ... and so always begins at 0
        if n_frames < length:
            begin = i if n_frames < n_clips else i * n_frames // n_clips
            begin = random.randint(0, n_frames) if random_start else begin
            frames = np.arange(begin, begin + length)
        elif n_frames < 2 * length:
            skipped = np.zeros(length + 1, np.int64)
            skipped[random.choice(length + 1, n_frames - length, replace=False)] = 1
            frames = np.arange(length) + skipped.cumsum()[:-1]
        else:
            bounds = np.arange(length + 1) * n_frames // length
            frames = bounds[:-1] + random.randint(np.diff(bounds))
        clips.append(frames % n_frames)
    return np.stack(clips)


def take_clips(x: np.ndarray, n_clips: int, bodies: Bodies) -> np.ndarray:
    """``[n_clips, C, 100, V, 2]`` of ``x [C, T, V, M]``; absent people are zeros, a third one is left out."""
    return _take(x, sample_frames(x.shape[1], n_clips))


def take_clips_anywhere(x: np.ndarray, n_clips: int, bodies: Bodies) -> np.ndarray:
    """As `take_clips`, as DG-STGCN and ProtoGCN do it."""
    return _take(x, sample_frames(x.shape[1], n_clips, random_start=True))


def _take(x: np.ndarray, frames: np.ndarray) -> np.ndarray:
    x = np.pad(x[..., :N_PEOPLE], ((0, 0), (0, 0), (0, 0), (0, max(0, N_PEOPLE - x.shape[3]))))
    return x[:, frames].swapaxes(0, 1)
