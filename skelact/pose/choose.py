"""Whether a video is for MediaPipe's follower of one person, or for looking at several."""

from __future__ import annotations

from contextlib import closing
from os import PathLike
from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.io.video import Video, open_video
from skelact.pose.makers import make_mediapipe
from skelact.pose.verify import DOUBTED

_SMALL = 0.35  # a person below this share of the picture's height needs a window of their own
_N_SAMPLES = 3


def choose_people(source: str | PathLike[str] | int, start: float | None = None, **options: Any) -> str:
    """Let MediaPipe look at a few frames: ``one``, or ``many`` if there are several people or only a small one."""
    reading = {k: options.pop(k) for k in ("fps", "threads", "timeout") if k in options}
    with open_video(source, start=start, **reading) as video:
        if video.live:
            return "one"
        images = [frame.image for frame in _samples(video)]
    options.pop("hand_model", None)
    counts: list[int] = []
    n_small = 0
    with closing(make_mediapipe("many", **options)) as finder:
        for i, image in enumerate(images):
            # So far apart in time that every picture is searched anew.
            people = [one for one in finder.estimate(image, 100.0 * i) if one.score.mean() > DOUBTED]
            counts.append(len(people))
            n_small += bool(people) and max(float(np.ptp(p.box[1::2])) for p in people) < _SMALL
            if len(people) > 1:
                return "many"
            if i == 1 and all(counts):
                break  # two pictures agree on one person
    n_seen = sum(n > 0 for n in counts)
    return "many" if n_small > n_seen / 2 else "one"


def _samples(video: Video) -> list[Any]:
    """A few frames spread over the first half minute."""
    n_frames = video.n_frames_estimate or 300
    horizon = min(n_frames, int(30 * video.fps))
    wanted = set(np.linspace(0, max(0, horizon - 1) * 0.9, _N_SAMPLES).astype(int).tolist())
    picked = []
    for frame in video:
        if frame.index in wanted:
            picked.append(frame)
        if frame.index >= max(wanted):
            break
    if not picked:
        raise DataError(f"{video.name} has no frame that decodes")
    return picked
