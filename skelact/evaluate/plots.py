"""Pictures of training, results, recordings and timelines, drawn with matplotlib (loaded when first needed).

Every function writes one PNG, whole or not at all, and returns its path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.calibration import CalibrationResult
from skelact.evaluate.figures import draw_figure, shorten
from skelact.evaluate.metrics import ClassificationResult
from skelact.evaluate.palette import LEFT, MIDDLE, PALETTE, RIGHT, action_colours, text_on
from skelact.evaluate.view import PICTURE_UNITS, upright
from skelact.skeleton import Skeleton


def plot_curves(history: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Training curves: losses left, all other figures in 0..1 right, learning rate below where there is one.

    Args:
        history: one mapping per epoch, such as
            ``{"epoch": 1, "train_loss": 2.1, "val_top1": 0.4, "lr": 0.1}``; keys may be absent.
        path: the PNG to write.

    Returns:
        The path.

    Raises:
        DataError: if the history is empty.
    """
    if not history:
        raise DataError("there is no history to draw: the run has no finished epoch")
    keys = list(dict.fromkeys(k for row in history for k in row))
    number = [k for k in keys if any(isinstance(r.get(k), (int, float, np.number)) for r in history)]
    epochs = [float(row.get("epoch", i + 1)) for i, row in enumerate(history)]
    losses = [k for k in number if "loss" in k.lower() or "nll" in k.lower()]
    rates = [k for k in number if k.lower() in ("lr", "learning_rate") or k.lower().endswith("_lr")]
    skip = {"epoch", "step", "seconds", "time", "samples_per_second", *losses, *rates}

    def values(key: str) -> np.ndarray:
        return np.array(
            [float(v) if isinstance(v := r.get(key), (int, float, np.number)) else np.nan for r in history]
        )

    shares = [k for k in number if k not in skip and np.nanmax(np.abs(values(k)), initial=0) <= 1]
    panels = [
        (losses, "Loss", False),
        (shares, "Accuracy and other shares", True),
        (rates, "Learning rate", False),
    ]
    panels = [p for p in panels if p[0]] or [(number, "Figures", False)]
    with draw_figure(path, (4.2 * len(panels) + 0.4, 3.3), 1, len(panels)) as (_, axes):
        for ax, (names, title, share) in zip(axes[0], panels, strict=True):
            for name, colour in zip(names, list(action_colours(names, names).values()), strict=True):
                y = values(name)
                there = np.isfinite(y)
                dashed = "--" if name.startswith("train") else "-"
                ax.plot(np.array(epochs)[there], y[there], dashed, color=colour, label=shorten(name),
                        marker="o" if there.sum() < 25 else None, markersize=3)  # fmt: skip
            ax.set_title(title)
            ax.set_xlabel("epoch")
            if share:
                ax.set_ylim(-0.02, 1.02)
            if all(e == int(e) for e in epochs):
                ax.xaxis.get_major_locator().set_params(integer=True)
            ax.legend()
    return Path(path)


def plot_confusion(matrix: np.ndarray, names: Sequence[str], path: str | Path) -> Path:
    """A confusion matrix, rows normalised; percentages are written in up to 20 classes.

    Args:
        matrix: counts ``[K, K]``, row truth, column prediction.
        names: K class names.
        path: the PNG to write.

    Returns:
        The path.

    Raises:
        DataError: if names and matrix do not fit.
    """
    matrix = np.asarray(matrix, float)
    k = len(names)
    if matrix.shape != (k, k) or k == 0:
        raise DataError(f"a confusion matrix of {k} names must be [{k}, {k}], got {list(matrix.shape)}")
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    from matplotlib.colors import PowerNorm

    longest = max(len(shorten(n)) for n in names)
    cell = 0.46 if k <= 20 else max(0.165, 9.5 / k)
    font = 9.5 if k <= 20 else min(9.5, 44 * cell)
    side = cell * k + 0.0095 * font * longest + 1.2
    with draw_figure(path, (max(3.6, side + 0.5), max(3.2, side))) as (figure, axes):
        ax = axes[0, 0]
        image = ax.imshow(share, cmap="Blues", norm=PowerNorm(0.7, vmin=0, vmax=1), aspect="equal")
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.set_xticks(range(k), [shorten(n) for n in names], rotation=90 if k > 6 else 30, fontsize=font,
                      ha="center" if k > 6 else "right")  # fmt: skip
        ax.set_yticks(range(k), [shorten(n) for n in names], fontsize=font)
        ax.set_xticks(np.arange(-0.5, k), minor=True)
        ax.set_yticks(np.arange(-0.5, k), minor=True)
        ax.grid(which="minor", color="#ECECEC", linewidth=1 if k <= 20 else 0.4)
        ax.tick_params(which="both", length=0)
        if k <= 20:
            for i, j in zip(*np.nonzero(share >= 0.005), strict=True):
                ax.text(j, i, f"{100 * share[i, j]:.0f}", ha="center", va="center", fontsize=9,
                        color="white" if share[i, j] > 0.45 else "#222222")  # fmt: skip
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")
        ax.set_title("Confusion, % of each true class")
        bar = figure.colorbar(image, ax=ax, fraction=0.035, pad=0.02, ticks=[0, 0.5, 1])
        bar.ax.set_yticklabels(["0 %", "50 %", "100 %"])
        bar.outline.set_visible(False)
    return Path(path)


def plot_reliability(result: CalibrationResult, path: str | Path) -> Path:
    """Accuracy against confidence by bin, how often each confidence occurs, and error against coverage.

    Args:
        result: from `calibration_metrics`.
        path: the PNG to write.

    Returns:
        The path.
    """
    edges, there = result.bin_edges, result.bin_count > 0
    middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    with draw_figure(path, (9.2, 4.0), 1, 2) as (figure, axes):
        ax, risk = axes[0]
        ax.plot([0, 1], [0, 1], "--", color="#8A8A8A", linewidth=1, label="perfectly calibrated")
        ax.bar(
            middle[there],
            result.bin_accuracy[there],
            width[there] * 0.92,
            color=PALETTE[0],
            label="share right",
        )
        ax.plot(result.bin_confidence[there], result.bin_accuracy[there], "o", color=PALETTE[1], markersize=4,
                label="mean confidence")  # fmt: skip
        counts = result.bin_count / max(result.bin_count.max(), 1)
        ax.bar(middle, -0.13 * counts, width * 0.92, color="#B5B5B5", label="how many")
        ax.set(xlim=(0, 1), ylim=(-0.14, 1.02), xlabel="confidence", ylabel="share right")
        ax.set_title(f"Reliability: ECE {100 * result.ece:.1f} %")
        figure.legend(loc="outside lower center", ncols=4)
        risk.plot(result.coverage, result.risk, color=PALETTE[0])
        risk.fill_between(result.coverage, result.risk, color=PALETTE[0], alpha=0.12)
        risk.set(xlim=(0, 1), ylim=(0, max(0.05, 1.1 * float(result.risk.max()))))
        risk.set(xlabel="share answered, surest first", ylabel="share wrong")
        risk.set_title(f"Error against coverage: AURC {result.aurc:.3f}")
    return Path(path)


def plot_per_class(result: ClassificationResult, path: str | Path) -> Path:
    """Recall (bar) and precision (dot) of each class, best first, with the number of samples.

    Args:
        result: from `classification_metrics`.
        path: the PNG to write.

    Returns:
        The path.
    """
    rows = sorted(result.per_class, key=lambda c: (np.nan_to_num(c.recall, nan=-1), c.name))
    y = np.arange(len(rows))
    font, height = (9.5, 0.27) if len(rows) <= 30 else (8.5, 0.185)
    with draw_figure(path, (7.6, max(2.2, height * len(rows) + 1.1))) as (
        _,
        axes,
    ):
        ax = axes[0, 0]
        ax.barh(y, [np.nan_to_num(c.recall) for c in rows], 0.72, color=PALETTE[5], label="recall")
        ax.plot([c.precision for c in rows], y, "D", color=PALETTE[1], markersize=4, label="precision")
        ax.set_yticks(y, [f"{shorten(c.name)}  ({c.support})" for c in rows], fontsize=font)
        ax.set(xlim=(0, 1.02), ylim=(-0.7, len(rows) - 0.3))
        ax.grid(axis="y", visible=False)
        ax.set_title("Each class (samples)")
        ax.legend(loc="lower center", bbox_to_anchor=(0.75, 1.0), ncols=2)
    return Path(path)


WIDEST = 11.0  # inches of a strip: what is wider has smaller poses, so that its words can be read on a page
A_TIME = 0.6  # inches that the time above a pose needs
NARROWEST, BROADEST = 0.35, 2.2  # place of a pose, in shares of its height


def _project(skeleton: Skeleton, azimuth: float) -> np.ndarray:
    """Picture coordinates ``[M, T, V, 2]`` (right, up) as a camera in front of the people sees them."""
    xyz = upright(skeleton)
    if xyz.shape[-1] == 2 or skeleton.unit in PICTURE_UNITS:
        return xyz[..., :2]
    c, s = np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))
    across = c * xyz[..., 0] - s * xyz[..., 2]
    # A look from slightly above, so that depth shows.
    return np.stack([across, xyz[..., 1] - 0.18 * (c * xyz[..., 2] + s * xyz[..., 0])], -1)


def plot_skeleton_strip(
    skeleton: Skeleton, path: str | Path, n: int = 8, azimuth: float = 0.0, height: float = 2.5
) -> Path:
    """Poses at ``n`` moments side by side; left blue, right orange; missing joints are not drawn.

    Each pose has a place as broad as it needs, on one scale; who crosses the picture is in the middle of it.

    Args:
        skeleton: any layout, 2D or 3D; 3D is seen from the front, turned by ``azimuth``.
        path: the PNG to write.
        n: how many moments.
        azimuth: degrees about the vertical.
        height: of a pose, in inches.

    Returns:
        The path.

    Raises:
        DataError: if no joint is there in any frame.
    """
    there = skeleton.score > 0
    if not there.any() or n < 1:
        raise DataError(f"nothing to draw: recording '{skeleton.id}' has no joint that is not missing")
    view = _project(skeleton, azimuth)
    frames = np.unique(np.linspace(0, skeleton.n_frames - 1, n).round().astype(int))
    bottom, top = np.percentile(view[..., 1][there], (0.5, 99.5))
    across = [view[:, t, :, 0][there[:, t]] for t in frames]
    left, right = np.array([(x.min(), x.max()) if len(x) else (0.0, 0.0) for x in across]).T
    pad = 0.06 * max(float(top - bottom), float((right - left).max()), 1e-6)
    bottom, top = bottom - pad, top + pad
    tall = float(top - bottom)
    widths = np.clip(right - left + 2 * pad, NARROWEST * tall, BROADEST * tall)  # of the poses' places
    height = min(height, max(WIDEST, A_TIME * len(frames)) * tall / float(widths.sum()))
    layout = skeleton.layout
    side = [
        LEFT if j.startswith("left_") else RIGHT if j.startswith("right_") else MIDDLE for j in layout.joints
    ]
    weight = min(1.0, height / 2)  # of lines and dots
    dot = 9 * weight**2 * min(1.0, 25 / len(layout))  # fingers lie close together
    wide = max(3.0, height * float(widths.sum()) / tall)
    ends = np.cumsum(widths)
    shift = ends - widths / 2 - (left + right) / 2
    # One axes for all, and one collection for the bones of a pose: matplotlib takes its time for every axes and line.
    with draw_figure(path, (wide, height + 0.5)) as (figure, axes):
        from matplotlib.collections import LineCollection
        from matplotlib.patches import Rectangle

        ax = axes[0, 0]
        for i, t in enumerate(frames):
            place = Rectangle((ends[i] - widths[i], bottom), widths[i], tall, transform=ax.transData)
            for m in range(skeleton.n_people):
                sure = there[m, t]
                if not sure.any():
                    continue
                points = view[m, t] + [shift[i], 0]
                bones = [(v, p) for v, p in layout.bones if sure[v] and sure[p]]
                drawn = LineCollection(
                    [points[[v, p]] for v, p in bones],
                    colors=[side[v] if side[v] != MIDDLE else side[p] for v, p in bones],
                    linewidths=2.2 * weight,
                    alpha=1.0 if m == 0 else 0.6,
                    capstyle="projecting",
                )
                ax.add_collection(drawn, autolim=False)
                colours = [side[v] for v in np.flatnonzero(sure)]
                dots = ax.scatter(*points[sure].T, s=dot, c=colours, zorder=3)
                for part in (drawn, dots):
                    part.set_clip_path(place)
            second = skeleton.time[t] - skeleton.time[0] if skeleton.time is not None else t / skeleton.fps
            above = {"ha": "center", "va": "bottom", "fontsize": 8.5, "color": "#5A5A5A"}
            ax.text(ends[i] - widths[i] / 2, top, f"{second:.1f} s", **above)
        ax.set(xlim=(0, ends[-1]), ylim=(bottom, top), aspect="equal")
        ax.axis("off")
        words = [w for w in (skeleton.label, skeleton.id) if w]
        if words:
            figure.suptitle(
                shorten("  ·  ".join(words), 80), fontsize=10, x=0.01, ha="left", fontweight="bold"
            )
    return Path(path)


def plot_timeline(
    segments: Sequence[Mapping[str, Any]],
    duration: float,
    path: str | Path,
    names: Sequence[str] | None = None,
) -> Path:
    """Who did what when: one lane per person, a coloured bar per action.

    Args:
        segments: mappings with ``start`` and ``end`` (seconds), ``label``, and where known ``person`` (a
            track id) and ``score`` (0..1, drawn as opacity).
        duration: seconds of the recording.
        path: the PNG to write.
        names: the classes, so that an action has the same colour in all pictures; see `action_colours`.

    Returns:
        The path.

    Raises:
        DataError: for a duration that is not above 0 or a segment without start, end or label.
    """
    if not duration > 0:
        raise DataError(f"a timeline needs a duration above 0 seconds, got {duration}")
    for i, s in enumerate(segments):
        if any(key not in s for key in ("start", "end", "label")):
            raise DataError(
                f"segment {i} of a timeline needs start, end and label; it has: {', '.join(map(str, s))}"
            )
    people = list(dict.fromkeys(s.get("person", 0) for s in segments)) or [0]
    people.sort(key=str)
    colours = action_colours(sorted({str(s["label"]) for s in segments}), names)
    columns = _legend_columns([shorten(name, 24) for name in colours])
    legend_rows = -(-len(colours) // columns)
    with draw_figure(path, (9.5, 0.62 * len(people) + 1.0 + 0.27 * legend_rows)) as (figure, axes):
        from matplotlib.patches import Patch

        ax = axes[0, 0]
        for s in segments:
            lane, start, end = people.index(s.get("person", 0)), float(s["start"]), float(s["end"])
            label, score = str(s["label"]), s.get("score")
            alpha = 1.0 if score is None else 0.5 + 0.5 * float(np.clip(score, 0, 1))
            ax.barh(lane, end - start, 0.72, left=start, color=colours[label], alpha=alpha, edgecolor="white")
            room = int((end - start) / duration * 88)  # letters that fit
            if room >= min(6, len(label)):
                ax.text((start + end) / 2, lane, shorten(label, max(room, 2)), ha="center", va="center",
                        fontsize=8.5, color=text_on(colours[label], alpha), clip_on=True)  # fmt: skip
        ax.set(xlim=(0, duration), ylim=(len(people) - 0.4, -0.6), xlabel="seconds")
        ax.set_yticks(
            range(len(people)), [shorten(p, 14) if isinstance(p, str) else f"person {p}" for p in people]
        )
        ax.grid(axis="y", visible=False)
        ax.set_title("Actions over time")
        if colours:
            handles = [Patch(color=c, label=shorten(n, 24)) for n, c in colours.items()]
            figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return Path(path)


def _legend_columns(names: Sequence[str]) -> int:
    """How many columns of a legend fit below a picture of 9.5 inches."""
    width = 0.6 + 0.082 * max(map(len, names), default=1)
    return max(1, min(len(names), int(9.3 / width)))


def plot_probabilities_over_time(
    time: np.ndarray, probabilities: np.ndarray, names: Sequence[str], path: str | Path, n_shown: int = 6
) -> Path:
    """How the probability of each action changes; the likeliest are drawn, the rest summed in grey.

    Args:
        time: ``[T]`` seconds.
        probabilities: ``[T, K]`` in 0..1.
        names: K action names.
        path: the PNG to write.
        n_shown: how many actions get a line.

    Returns:
        The path.

    Raises:
        DataError: if the shapes do not fit or there are no times.
    """
    time, p = np.asarray(time, float), np.asarray(probabilities, float)
    if p.ndim != 2 or p.shape != (len(time), len(names)) or not len(time):
        raise DataError(f"probabilities must be [{len(time)} times, {len(names)} names], got {list(p.shape)}")
    top = [int(k) for k in np.argsort(-p.max(0), kind="stable")[:n_shown]]
    colours = action_colours([names[k] for k in top], names)
    used: set[str] = set()
    with draw_figure(path, (9.5, 3.2)) as (figure, axes):
        ax = axes[0, 0]
        for k in top:
            colour = colours[names[k]]
            ax.plot(
                time,
                p[:, k],
                "--" if colour in used else "-",  # of more than 40 classes two can have one colour
                color=colour,
                label=shorten(names[k], 24),
                marker="o" if len(time) == 1 else None,
            )
            used.add(colour)
        if len(top) < p.shape[1]:
            rest = 1 - p[:, top].sum(1)
            ax.fill_between(time, np.clip(rest, 0, 1), color="#D0D0D0", label="all others")
        ax.set(
            ylim=(0, 1.02),
            xlim=(time[0], max(time[-1], time[0] + 1e-3)),
            xlabel="seconds",
            ylabel="probability",
        )
        ax.set_title("Probability over time")
        figure.legend(loc="outside right upper")
    return Path(path)
