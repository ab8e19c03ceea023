"""How often hands are found in videos, with and without looking where the arms end, and at what price.

python tools/measure_hands.py VIDEO ... [--without] [--live] [--sheet OUT.png --sample 96 --seed 0]

Per video: the share of frames with a left and with a right hand; the share of wrists of which the pose is sure (score
above 0.5, inside the picture) that have a hand; milliseconds a frame with somebody in it, of the processor and by the
clock. ``--live``: the frames come at their own pace, as from a camera, and hands are read by two threads. ``--sheet``
draws hand-frames drawn at random, each as it is and with its hand, numbered, to be judged by eye: which hands are
visible no program knows.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from skelact.errors import SkelactError
from skelact.io.video import open_video
from skelact.layouts import get_layout
from skelact.pose.estimator import follow_live
from skelact.pose.makers import make_auto

_SIDES = ((15, 33), (16, 54))  # the pose's wrist and the first joint of the hand in pose_hands75
_BONES = get_layout("hand21").bones
_HALF = 75  # pixels about the wrist that are shown


def look(path: Path, crops: bool, live: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints ``[T, 75, 2]`` as fractions of the picture, scores ``[T, 75]``, milliseconds of each frame ``[T, 2]``."""
    xy, score, spent, began = [], [], [], time.perf_counter()
    with open_video(path) as video:
        estimator = make_auto("one", "pose+hands", "image", hand_crops=crops)
        if live:
            follow_live(estimator)
        try:
            for frame in video:
                if live:
                    time.sleep(max(0.0, began + frame.time - time.perf_counter()))
                begun = clocks()
                found = estimator.estimate(frame.image, frame.time)
                spent.append(1000 * (clocks() - begun))
                xy.append(found[0].xy if found else np.zeros((75, 2)))
                score.append(found[0].score if found else np.zeros(75))
        finally:
            estimator.close()
    return np.array(xy), np.array(score), np.array(spent)


def clocks() -> np.ndarray:
    """Seconds of this process on all cores, and by the wall's clock."""
    return np.array([time.process_time(), time.perf_counter()])


def told(milliseconds: np.ndarray) -> str:
    """The mean of frames' milliseconds ``[T, 2]`` in words."""
    mean = milliseconds.mean(0) if len(milliseconds) else np.zeros(2)
    return f"{mean[0]:.1f} ms of the processor a frame, {mean[1]:.1f} by the clock"


def report(name: str, xy: np.ndarray, score: np.ndarray, milliseconds: np.ndarray) -> np.ndarray:
    """Print one video's line; returns (sure wrists with a hand, sure wrists)."""
    sure = np.stack([(score[:, w] > 0.5) & (np.abs(xy[:, w] - 0.5) < 0.5).all(1) for w, _ in _SIDES], 1)
    there = np.stack([score[:, h] > 0 for _, h in _SIDES], 1)
    both = (sure & there).sum()
    left, right = there.mean(0)
    print(
        f"{name}: {len(xy)} frames, left {left:.0%}, right {right:.0%}; of {sure.sum()} sure wrists "
        f"{both / max(sure.sum(), 1):.0%} have a hand; {told(milliseconds)}"
    )
    return np.array([both, sure.sum()])


def draw_sheet(seen: dict[Path, tuple[np.ndarray, np.ndarray]], out: Path, n_samples: int, seed: int) -> None:
    """Write hand-frames, drawn at random, as one picture."""
    import cv2

    every = [(path, t, s) for path, (xy, _) in seen.items() for t in range(len(xy)) for s in (0, 1)]
    order = np.random.default_rng(seed).permutation(len(every))[:n_samples]
    chosen = sorted(every[k] for k in order)
    tiles = []
    for path, (xy, score) in seen.items():
        with open_video(path) as video:
            for t, frame in enumerate(video):
                for k, (_, _, side) in [(k, c) for k, c in enumerate(chosen) if c[:2] == (path, t)]:
                    image = np.ascontiguousarray(frame.image)
                    size = np.array([image.shape[1], image.shape[0]])
                    wrist, start = _SIDES[side]
                    drawn = image.copy()
                    if score[t, start] > 0:
                        points = (xy[t, start : start + 21] * size).astype(int).tolist()
                        for a, b in _BONES:
                            cv2.line(drawn, points[a], points[b], (0, 255, 0), 1, cv2.LINE_AA)
                    x, y = (np.clip(xy[t, wrist], 0, 1) * size).astype(int)
                    both = [
                        np.pad(one, ((_HALF, _HALF), (_HALF, _HALF), (0, 0)))[
                            y : y + 2 * _HALF, x : x + 2 * _HALF
                        ]
                        for one in (image, drawn)
                    ]
                    tile = np.ascontiguousarray(np.concatenate(both))
                    mark = f"{k} {path.stem[-6:]} {t}{'LR'[side]}{'+' if score[t, start] > 0 else '-'}"
                    cv2.putText(tile, mark, (3, 14), 0, 0.45, (255, 255, 0), 1)
                    tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 12)
    rows = [np.concatenate(tiles[k : k + 12], 1) for k in range(0, len(tiles), 12)]
    if not cv2.imwrite(str(out), np.concatenate(rows)[..., ::-1]):
        raise SystemExit(f"cannot write {out}")
    print(f"{len(chosen)} hand-frames are drawn in {out}")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--without", action="store_true", help="the palm detector alone")
    parser.add_argument("--live", action="store_true", help="as from a camera; hands by two threads")
    parser.add_argument("--sheet", type=Path, help="picture to write")
    parser.add_argument("--sample", type=int, default=96, help="hand-frames in it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    total, spent, seen = np.zeros(2), [], {}
    try:
        for path in options.videos:
            xy, score, milliseconds = look(path, not options.without, options.live)
            spent.append(milliseconds[score.any(1)])
            total += report(path.name, xy, score, spent[-1])
            seen[path] = xy, score
        if options.sheet is not None:
            draw_sheet(seen, options.sheet, options.sample, options.seed)
    except SkelactError as error:
        print(f"measure_hands: {error}", file=sys.stderr)
        return error.exit_code
    share = total[0] / max(total[1], 1)
    print(f"all: of {total[1]:.0f} sure wrists {share:.1%} have a hand; {told(np.concatenate(spent))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
