"""The table of what each release is fed, and making it from a file or a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.errors import CheckpointError, ConfigError, DataError, choices
from skelact.io.formats import ReadOptions, detect_format, get_format
from skelact.io.ntu import parse_ntu
from skelact.io.original import Bodies, restore_bodies
from skelact.models.published.inputs import agcn, ctrgcn, posec3d, pyskl, stgcn

Maker = Callable[[Bodies, str], np.ndarray]
Clips = Callable[[np.ndarray, int, Bodies], np.ndarray]

_FOUR = ("joint", "bone", "joint_motion", "bone_motion")


@dataclass(frozen=True)
class ReleasedInput:
    """What one release's loader feeds in testing.

    Args:
        makers: by format of the raw file, from its bodies and a stream to ``[C, T, V, M]``.
        streams: the streams that the release has.
        clips: for releases that look at several clips of a recording, from that array and a number of
            clips to ``[clips, C, T, V, M]``.
        views: how often the release's own test looks at a recording.
        copies: how often it looks at each clip (PoseC3D: also in a mirror).
    """

    makers: Mapping[str, Maker]
    streams: tuple[str, ...] = _FOUR
    clips: Clips | None = None
    views: int = 1
    copies: int = 1


_AGCN = {"ntu": agcn.agcn_input, "kinetics": stgcn.kinetics_input_upwards}
_CENTRED = ReleasedInput(
    {"ntu": pyskl.centred_input, "pyskl": pyskl.centred_pose_input},
    clips=pyskl.take_clips_anywhere,
    views=10,
)

INPUTS: dict[str, ReleasedInput] = {
    "stgcn": ReleasedInput({"ntu": stgcn.ntu_input, "kinetics": stgcn.kinetics_input}, ("joint",)),
    "2s_agcn": ReleasedInput(_AGCN),
    "aagcn": ReleasedInput(_AGCN),
    "msg3d": ReleasedInput(_AGCN, ("joint", "bone")),
    "shiftgcn": ReleasedInput({"ntu": agcn.agcn_input}),
    "ctrgcn": ReleasedInput({"ntu": ctrgcn.ctrgcn_input}),
    "stgcnpp_pyskl": ReleasedInput(
        {"ntu": pyskl.turned_input, "pyskl": pyskl.turned_pose_input}, clips=pyskl.take_clips, views=10
    ),
    "dgstgcn_pyskl": _CENTRED,
    "protogcn": _CENTRED,
    "posec3d_pyskl": ReleasedInput({"pyskl": posec3d.posec3d_input}, ("joint",), posec3d.draw_clips, 20, 2),
}


def find_input(name: str, stream: str = "joint") -> ReleasedInput:
    """The release's input.

    Raises:
        CheckpointError: for an unknown release.
        ConfigError: if it has no such stream.
    """
    if name not in INPUTS:
        raise CheckpointError(choices(name, INPUTS, "published model"))
    if stream not in INPUTS[name].streams:
        raise ConfigError(choices(stream, INPUTS[name].streams, f"stream of the release '{name}'"))
    return INPUTS[name]


def released_input(
    name: str, bodies: Bodies, stream: str = "joint", clips: int | None = None, where: str = "the recording"
) -> np.ndarray:
    """As `published_input`, from the bodies of a file.

    Args:
        name, stream, clips: see there.
        bodies: what the file says.
        where: which recording it is, for messages.
    """
    released = find_input(name, stream)
    if bodies.source not in released.makers:
        raise DataError(
            f"{where} comes from a file of format '{bodies.source}', but the release '{name}' reads "
            f"{' or '.join(released.makers)}"
        )
    if clips is not None and clips < 1:
        raise ConfigError(f"at least 1 clip of a recording is needed, got {clips}")
    if clips is not None and clips > 1 and released.clips is None:
        raise ConfigError(f"the release '{name}' looks at a recording once (views 1), got {clips} clips")
    try:
        x = released.makers[bodies.source](bodies, stream)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    if clips is None:
        return x
    return x[None] if released.clips is None else released.clips(x, clips, bodies)


def read_bodies(path: str | Path, recording: str | None = None) -> Bodies:
    """The bodies of a raw file: NTU ``.skeleton``, Kinetics-Skeleton JSON or a PYSKL pickle.

    Args:
        path: the file.
        recording: which one, of a pickle that holds several.

    Raises:
        DataError: if the file cannot be read, is of another format, or holds no such recording.
    """
    kind = detect_format(path)
    if kind == "ntu":
        return parse_ntu(path, all_columns=False).bodies()
    if not any(kind in released.makers for released in INPUTS.values()):
        raise DataError(
            f"{path} is of format '{kind}'; releases read raw files: NTU .skeleton, Kinetics-Skeleton JSON or "
            "PYSKL pickles"
        )
    found = {s.id: s for s in get_format(kind).read(Path(path), ReadOptions())}
    if recording is None and len(found) == 1:
        return restore_bodies(next(iter(found.values())))
    if recording not in found:
        raise DataError(f"{path}: " + choices(recording or "", found, "recording"))
    return restore_bodies(found[recording])


def published_input(
    name: str,
    path: str | Path,
    stream: str = "joint",
    *,
    clips: int | None = None,
    recording: str | None = None,
) -> np.ndarray:
    """What a release's own loader feeds for one raw file when it tests.

    Args:
        name: one of `skelact.models.published.PUBLISHED`.
        path: NTU ``.skeleton``; for ``stgcn``, ``2s_agcn``, ``aagcn`` and ``msg3d`` also Kinetics-Skeleton JSON
            (x, y, score); for PYSKL's and ProtoGCN's networks also a PYSKL pickle; for ``posec3d_pyskl`` only that
            (2D, with scores).
        stream: joint, bone, joint_motion or bone_motion, as far as the release has it.
        clips: for PYSKL's and ProtoGCN's networks, how many clips of 100 frames are sampled (the releases test
            with 10, drawn with a fixed seed).
        recording: the recording of a pickle that holds several.

    Returns:
        ``[C, T, V, M]`` float32; PYSKL's and ProtoGCN's before sampling, with the frames and people that there
        are. With ``clips``: ``[clips, C, 100, V, 2]``; for PoseC3D heatmap volumes ``[2 * clips, V, 48, 64, 64]``,
        the second half mirrored.

    Raises:
        CheckpointError: for an unknown release.
        ConfigError: for a stream or a number of clips that the release does not have.
        DataError: if the release cannot read the file.
    """
    find_input(name, stream)
    return released_input(name, read_bodies(path, recording), stream, clips, str(path))
