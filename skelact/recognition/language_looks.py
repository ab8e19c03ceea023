"""What people look like, for language networks: an image network on the square that follows a person in a video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from skelact.datasets.clip_sampling import Framing
from skelact.datasets.picture_files import boxes_of, find_videos
from skelact.datasets.picture_reading import PictureTask, read_pictures
from skelact.datasets.pictures import standardise
from skelact.datasets.signing.motion_input import MotionInput
from skelact.datasets.signing.utterance import Looks, Utterance
from skelact.device import find_device
from skelact.errors import DataError
from skelact.models.video import create_video_model
from skelact.models.video.picture_weights import start_from_published
from skelact.recognition.language_checkpoint import LanguageCheckpoint
from skelact.skeleton import Skeleton
from skelact.transforms.video import to_float

SIDE = 160  # of the square that the image network sees [pixels]
CHUNK = 32  # pictures at once


class Looker:
    """An image network with trained weights, which is not trained any further.

    Args:
        shown: names the network and the pictures a second.
        device: where it runs.

    Raises:
        DependencyError: if the package with its weights cannot be had.
    """

    def __init__(self, shown: MotionInput, device: str = "auto") -> None:
        model = create_video_model("tsn", 1, backbone=shown.pictures)
        start_from_published(model, shown.pictures)
        self.fps, self.device = shown.picture_fps, find_device(device)
        self.tower: nn.Module = model.get_submodule("tower").to(self.device).eval()

    @torch.no_grad()
    def look(self, skeleton: Skeleton, video: str | Path) -> Looks:
        """What the person of a recording looks like, from the recording's first frame on.

        Args:
            skeleton: of one person whose place in the picture is known.
            video: that it was extracted from; its times are those of the recording.

        Raises:
            DataError: if the place is not known or the video cannot be read.
        """
        placed = skeleton
        if skeleton.picture is None and skeleton.unit == "image":
            placed = skeleton.with_(picture=skeleton.xyz[..., :2])
        framing = Framing((SIDE, SIDE), region="main_person")
        boxes = boxes_of(placed, framing)
        if boxes is None:
            raise DataError(
                f"recording '{skeleton.id}' does not say where its person is in the picture; extract the video again"
            )
        start, end = 0.0, skeleton.n_frames / skeleton.fps
        if skeleton.time is not None:
            start, end = float(skeleton.time[0]), float(skeleton.time[-1])
        task = PictureTask(0, "rgb", str(video), None, start, end, boxes, framing, self.fps)
        result = read_pictures(task)
        if result.frames is None:
            raise DataError(result.why)
        features = []
        for part in torch.from_numpy(result.frames).split(CHUNK):
            x = standardise(to_float(part[None].to(self.device)), "imagenet")[0].transpose(0, 1)
            features.append(self.tower(x).cpu())
        return Looks(np.arange(result.n_frames) / self.fps, torch.cat(features).numpy())


def look_at(skeleton: Skeleton, checkpoint: LanguageCheckpoint, video: str | Path) -> Looks | None:
    """What a checkpoint sees of a recording's person in its video; None if it sees no pictures.

    Raises:
        DataError: if it does, and there is no video.
    """
    if not checkpoint.shown.pictures:
        return None
    if not str(video):
        raise DataError(
            f"{checkpoint.path} sees the person's pictures beside the joints; give it a video, or a skelact file whose "
            f"recordings name theirs (recording '{skeleton.id}' does not)"
        )
    device = str(next(checkpoint.model.parameters()).device)
    return _looker(checkpoint.shown.pictures, checkpoint.shown.picture_fps, device).look(skeleton, video)


@lru_cache(maxsize=2)
def _looker(name: str, fps: float, device: str) -> Looker:
    """One for all recordings of a command."""
    return Looker(MotionInput(pictures=name, picture_fps=fps), device)


def videos_of(recordings: Sequence[Skeleton], root: str | Path, folder: str = "") -> Mapping[str, Path]:
    """The videos of recordings, by id; see `skelact.datasets.picture_files.find_videos`.

    Raises:
        DataError: if one of them has none.
    """
    ids = [s.id for s in recordings]
    found, reasons = find_videos(ids, [s.info for s in recordings], "video", Path(root), folder)
    if reasons:
        raise DataError(
            f"{len(reasons)} of {len(ids)} recordings have no video: {next(iter(reasons.values()))}"
        )
    return {ids[k]: path for k, path in found.items()}


def with_looks(
    utterances: Sequence[Utterance],
    videos: Mapping[str, Path],
    looker: Looker,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Utterance]:
    """Utterances with what their people look like; ``videos`` are those of the utterances' skeletons by id.

    Raises:
        DataError: see `Looker.look`.
    """
    out = []
    for k, utterance in enumerate(utterances):
        looks = looker.look(utterance.skeleton, videos[utterance.skeleton.id])
        out.append(replace(utterance, looks=looks))
        if progress:
            progress(k + 1, len(utterances), utterance.id)
    return out
