"""The clips that ``skelact evaluate`` is given: whether they fit, which are copies, and those that are shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from skelact.errors import CheckpointError, SkelactError


def match_set(data: Any, card: Any, name: str) -> Any:
    """Labels of the set in the checkpoint's class order; refuses a set that does not fit."""
    import torch

    if data.layout != card.skeleton_layout:
        raise CheckpointError(
            f"{name} has layout '{data.layout.name}', the checkpoint was trained on '{card.skeleton_layout.name}'; "
            f"convert it first: skelact convert {name} --to-layout {card.skeleton_layout.name} --out OTHER.h5"
        )
    if data.dims != card.dims or data.unit != card.unit:
        raise CheckpointError(
            f"{name} has {data.dims} coordinates in '{data.unit}', the checkpoint was trained on {card.dims} in "
            f"'{card.unit}'"
        )
    if data.origin != card.origin:
        raise CheckpointError(
            f"{name} has origin '{data.origin}', the checkpoint was trained on '{card.origin}': with 'camera' the "
            "trajectory is in the joints, with 'hips' it is not; extract the videos again with --coordinates "
            + ("camera" if card.origin == "camera" else "world")
        )
    unknown = [n for n in data.label_names if n not in card.label_names]
    if unknown:
        raise CheckpointError(
            f"{name} has classes that the checkpoint does not know: {', '.join(unknown[:10])}; it knows: "
            f"{', '.join(card.label_names)}"
        )
    order = torch.tensor([card.label_names.index(n) for n in data.label_names] or [0])
    return torch.where(data.labels < 0, data.labels, order[data.labels.clamp_min(0)])


def find_copies(store: Any, clips: list[int], train: str) -> Any:
    """Which clips hold the very joints of a clip of another, the training part: booleans ``[N]``."""
    import hashlib

    import numpy as np

    if train not in store.splits or set(clips) & set(store.splits[train].tolist()):
        return np.zeros(len(clips), bool)  # not known, or the training part itself is looked at

    def mark(clip: int) -> bytes:
        skeleton = store.read(clip)
        if not skeleton.score.any():  # a clip of pictures alone
            return str(store.infos[clip].get("video", clip)).encode()
        return hashlib.sha256(skeleton.xyz.tobytes() + skeleton.score.tobytes()).digest()

    trained = {mark(int(clip)) for clip in store.splits[train]}
    return np.array([mark(clip) in trained for clip in clips])


def examples_of(store: Any, clips: list[int], found: Any, n: int) -> list[Any]:
    """Clips that were answered rightly, with their joints, for the report; of as many actions as there are."""
    from collections import Counter

    import numpy as np

    from skelact.evaluate.report import Example

    right = np.flatnonzero(found.correct)
    shown, seen, before = [], Counter(), []  # before: how many of the same action come before
    for i in right:
        before.append(seen[found.labels[i]])
        seen[found.labels[i]] += 1
    for i in right[np.argsort(before, kind="stable")][:n]:
        skeleton = store.read(clips[i])
        if skeleton.score.any():
            shown.append(Example(skeleton, found.predicted[i], float(found.confidence[i]), found.labels[i]))
    return shown


def looker(store: Any, clips: list[int], videos: str) -> Callable[[int], Any]:
    """A function that gives the recording of a row of ``clips``: joints, else frames of its video, else why not."""
    import numpy as np

    from skelact.datasets.picture_files import find_videos
    from skelact.evaluate.mistakes import MOMENTS
    from skelact.io.video_frames import read_frames, stated_end

    def look(row: int) -> Any:
        clip = clips[row]
        try:
            skeleton = store.read(clip)
            if skeleton.score.any():
                return skeleton
            name, info = str(store.clips["id"][clip]), store.infos[clip]
            found, reasons = find_videos([name], [info], "video", Path(store.path).parent, videos)
            if reasons:
                return f"it shows nobody, and {reasons[0]}"
            start, end = float(info.get("video_start", 0.0)), info.get("video_end")
            times = np.linspace(start, stated_end(found[0]) if end is None else float(end), MOMENTS)
            return read_frames(found[0], times=times, size=160)
        except SkelactError as error:
            return f"it cannot be shown: {error}"

    return look
