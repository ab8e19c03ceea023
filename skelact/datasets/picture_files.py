"""Where the pictures of a set's clips are: their videos, the flow of these, and the people in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from torch import Tensor

from skelact.datasets.clip_sampling import Framing
from skelact.datasets.picture_reading import PictureTask, load_pictures
from skelact.datasets.pictures import KINDS, PictureInput, PictureSet
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.flow_cache import flow_info, flow_path
from skelact.io.flow_many import extract_flow
from skelact.io.store import Store
from skelact.io.video_open import videos_in
from skelact.layouts import SkeletonLayout
from skelact.layouts.parts import regions
from skelact.skeleton import Skeleton

Progress = Callable[[int, int, str], None]
SMALLEST_BOX = 1 / 1000  # of the picture; who is smaller is nowhere
# How files of a clip's video are named beyond the clip's name, when a folder is searched for them.
ENDINGS = {"video": ("", "_rgb", "_color", "_colour", "_video"), "depth_video": ("_depth", "")}


def attach_pictures(
    data: SkeletonSet,
    inputs: Mapping[str, PictureInput],
    folder: str = "",
    clips: Tensor | None = None,
    *,
    workers: int = 0,
    progress: Progress | None = None,
) -> None:
    """Make streams of pictures of a set's clips ready: ``data.pictures``, see `picture_reading.load_pictures`.

    With ``places`` asked for, the joints' places in the picture are read too (`SkeletonSet.read_places`).

    Args:
        data: a set that was opened from a file.
        inputs: what is seen of each stream.
        folder: of the videos, for clips that do not name theirs.
        clips: numbers of those that are needed; None: all.
        workers: processes that decode.
        progress: called with (done, total, what).

    Raises:
        DataError: if no clip has a stream, naming reasons.
    """
    if any(seen.places for seen in inputs.values()):
        data.read_places()
    needed = set(range(len(data)) if clips is None else clips.tolist())
    for name, seen in inputs.items():
        if seen.kept_as(name) in data.pictures:
            continue
        kind, root = KINDS[name], Path(data.source)
        videos, reasons = find_videos(data.ids, data.infos, kind.video, root.parent, folder)
        videos = {clip: video for clip, video in videos.items() if clip in needed}
        reasons = {clip: why for clip, why in reasons.items() if clip in needed}
        if not videos:
            why = next(iter(reasons.values()))
            raise DataError(f"no clip of {data.source} has the stream {name}: {why}")
        flow: Mapping[Path, Path] = {}
        if kind.flow:
            out = root.with_name(f"{root.stem}_{name}")
            flow = prepare_flow(videos.values(), kind.flow, out, progress)
        boxes = person_boxes(data, videos, seen.framing) if seen.framing.follows else {}
        tasks = []
        for clip, video in videos.items():
            info = data.infos[clip]
            start, end = float(info.get("video_start", 0.0)), info.get("video_end")
            end = None if end is None else float(end)
            tasks.append(_task(clip, name, seen, video, flow.get(video), start, end, boxes.get(clip)))
        data.pictures[seen.kept_as(name)] = load_pictures(
            tasks, name, len(data), reasons, workers=workers, progress=progress
        )


def _task(
    clip: int, name: str, seen: PictureInput, video: Path, flow: Path | None, start: float, end: float | None,
    boxes: np.ndarray | None,
) -> PictureTask:  # fmt: skip
    file = None if flow is None else str(flow)
    fps = 0.0 if seen.stack > 1 else seen.fps
    return PictureTask(clip, name, str(video), file, start, end, boxes, seen.framing, fps)


def pictures_of_video(
    video: Path, skeleton: Skeleton, inputs: Mapping[str, PictureInput], progress: Progress | None = None
) -> dict[str, PictureSet]:
    """Streams of pictures of one video, as a set of one clip has them in ``SkeletonSet.pictures``.

    Args:
        video: the file; it serves as depth video too.
        skeleton: its recording, with the people's places in the picture if the network looks at persons.
        inputs: what is seen of each stream.
        progress: called with (done, total, what).

    Raises:
        DataError: if the video cannot be read.
    """
    begin = float(skeleton.time[0]) if skeleton.time is not None else 0.0
    end = float(skeleton.time[-1]) if skeleton.time is not None else None
    found = {}
    with TemporaryDirectory() as folder:
        for name, seen in inputs.items():
            flow = None
            if KINDS[name].flow:
                flow = prepare_flow([video], KINDS[name].flow, Path(folder) / name, progress)[video]
            boxes = boxes_of(skeleton, seen.framing) if seen.framing.follows else None
            task = _task(0, name, seen, video, flow, begin, end, boxes)
            found[seen.kept_as(name)] = load_pictures([task], name, 1)
    return found


def find_videos(
    ids: Sequence[str], infos: Sequence[Mapping], which: str, root: Path, folder: str = ""
) -> tuple[dict[int, Path], dict[int, str]]:
    """The video of each clip.

    A clip's info names it (by a path relative to the set's folder), or it lies in ``folder`` under the clip's name.

    Args:
        ids: clip names.
        infos: what is known of each clip.
        which: ``video`` or ``depth_video``.
        root: where the set's file is.
        folder: searched, with the folders inside it; empty: not.

    Returns:
        files by clip number, and why other clips have none.

    Raises:
        DataError: if the folder is not there or holds no video.
    """
    files: dict[str, Path] = {}
    if folder:
        if not Path(folder).is_dir():
            raise DataError(f"there is no folder {folder} of videos; name one with --data.videos FOLDER")
        files = {path.stem: path for path in videos_in(Path(folder))}
    found, reasons = {}, {}
    hint = f"{folder} holds no video of that name" if folder else "--data.videos FOLDER says where it is"
    for clip, (name, info) in enumerate(zip(ids, infos, strict=True)):
        named = root / str(info[which]) if which in info else None
        path = next((files[name + end] for end in ENDINGS[which] if name + end in files), named)
        if path is not None and path.is_file():
            found[clip] = path
        elif path is not None:
            reasons[clip] = f"there is no file {path}; --data.videos FOLDER says where the videos are"
        else:
            reasons[clip] = f"the set does not name the {which.replace('_', ' ')} of '{name}', and {hint}"
    return found, reasons


def prepare_flow(
    videos: Iterable[Path], kind: str, out: Path, progress: Progress | None = None
) -> dict[Path, Path]:
    """The files of videos' optical flow: those beside the videos' folder, or in ``out``, where missing ones are made.

    Args:
        videos: the files.
        kind: a name of `skelact.io.flow.FLOWS`.
        out: folder for what is not there yet.
        progress: called with (done, total, video).

    Raises:
        DataError: if the flow of none can be found.
    """
    resolved = {video: video.resolve() for video in videos}
    common = Path(commonpath([path.parent for path in resolved.values()]))
    inner = {video: path.relative_to(common) for video, path in resolved.items()}
    beside = common.with_name(common.name + "_flow")
    if all(_is_flow(flow_path(beside, path), kind) for path in inner.values()):
        return {video: flow_path(beside, path) for video, path in inner.items()}
    lacking: dict[Path, list[Path]] = {}
    for video, path in inner.items():
        if not _is_flow(flow_path(out, path), kind):
            lacking.setdefault(path.parent, []).append(video)
    for place, files in lacking.items():
        extract_flow(files, out / place, kind=kind, progress=progress)
    return {video: flow_path(out, path) for video, path in inner.items()}


def _is_flow(path: Path, kind: str) -> bool:
    try:
        return path.exists() and flow_info(path).kind == kind
    except DataError:
        return False


def person_boxes(data: SkeletonSet, videos: Mapping[int, Path], framing: Framing) -> dict[int, np.ndarray]:
    """Around the joints of a clip's people, ``[n, 5]``: seconds, and left, top, right, bottom as shares of the picture.

    Clips whose joints' places in the picture are not known have none.

    Args:
        data: a set that was opened from a file.
        videos: of the clips.
        framing: whom to follow, see ``Framing.region``.
    """
    boxes: dict[int, np.ndarray] = {}
    with Store(data.source) as store:
        if store.picture is None:
            return boxes
        for clip in videos:
            found = boxes_of(store.read(clip), framing)
            if found is not None:
                boxes[clip] = found
    return boxes


def boxes_of(skeleton: Skeleton, framing: Framing) -> np.ndarray | None:
    """As `person_boxes`, of one recording; None if it does not say where its people (or hands) are in the picture.

    Raises:
        ConfigError: for a hand in a layout without.
    """
    if skeleton.picture is None or not skeleton.score.any():
        return None
    there, places = (skeleton.score > 0)[..., None], skeleton.picture
    if framing.region != "person":
        main = int(there.any((2, 3)).sum(1).argmax())
        there, places = there[[main]], places[[main]]
    if framing.region.endswith(("hand", "hands")):
        joints = _hand_joints(skeleton.layout, framing.region)
        there, places = there[:, :, joints], places[:, :, joints]
        if not there.any():
            return None
    frames = there.any((0, 2, 3))
    low = np.where(there, places, np.inf).min((0, 2))[frames]
    high = np.where(there, places, -np.inf).max((0, 2))[frames]
    times = skeleton.time if skeleton.time is not None else np.arange(skeleton.n_frames) / skeleton.fps
    wide = (high - low > SMALLEST_BOX).all(1)
    return np.column_stack([times[frames], low, high])[wide] if wide.any() else None


def _hand_joints(layout: SkeletonLayout, region: str) -> list[int]:
    """The joints of ``left_hand``, ``right_hand`` or ``hands``."""
    parts = regions(layout)
    sides = ("left_hand", "right_hand") if region == "hands" else (region,)
    joints = [v for side in sides for v in parts.get(side, [])]
    if not joints:
        raise ConfigError(
            f"framing.region {region} needs a layout with hands, and '{layout.name}' has none; extract the videos with "
            "--parts pose+hands"
        )
    return joints
