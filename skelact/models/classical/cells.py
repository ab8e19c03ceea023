"""HOG, HOF and MBH in dense cells (Laptev et al., CVPR 2008; Dalal et al., ECCV 2006; Wang et al., IJCV 2013)."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError

BINS = 8
STILL = 0.4  # pixels a frame: slower pixels go to HOF's ninth bin


def orientation_maps(dx: np.ndarray, dy: np.ndarray, n_bins: int = BINS) -> np.ndarray:
    """Magnitude of vectors by direction: ``[...]`` to ``[n_bins, ...]``; each is shared by its two nearest bins."""
    place = np.arctan2(dy, dx) % (2 * np.pi) / (2 * np.pi) * n_bins
    low = np.floor(place)
    share, size = place - low, np.hypot(dx, dy)
    low = low.astype(np.int64) % n_bins
    bins = np.arange(n_bins).reshape(-1, *[1] * dx.ndim)
    return size * ((1 - share) * (bins == low) + share * (bins == (low + 1) % n_bins))


def hog_maps(frames: np.ndarray) -> np.ndarray:
    """Gradients of grey frames ``[T, H, W]`` by direction, ``[8, T, H, W]``."""
    slopes = np.asarray(np.gradient(np.asarray(frames, np.float64), axis=(1, 2)))
    return orientation_maps(slopes[1], slopes[0])


def hof_maps(flow: np.ndarray) -> np.ndarray:
    """Flow ``[T, 2, H, W]`` [pixels] by direction, and a ninth bin that counts the still pixels, ``[9, T, H, W]``."""
    flow = np.asarray(flow, np.float64)
    moving = np.hypot(flow[:, 0], flow[:, 1]) >= STILL
    maps = orientation_maps(flow[:, 0] * moving, flow[:, 1] * moving)
    return np.concatenate([maps, 1.0 - moving[None]])


def mbh_maps(flow: np.ndarray) -> np.ndarray:
    """Gradients of both components of flow ``[T, 2, H, W]`` by direction, ``[16, T, H, W]``; even motion cancels."""
    return np.concatenate([hog_maps(flow[:, 0]), hog_maps(flow[:, 1])])


def cell_descriptors(
    maps: np.ndarray,
    patch: int = 32,
    length: int = 15,
    step: int = 16,
    cells: tuple[int, int, int] = (3, 2, 2),
) -> np.ndarray:
    """Descriptors of dense blocks: sums in cells, each block of length 1 (L2).

    Args:
        maps: ``[B, T, H, W]`` from `hog_maps`, `hof_maps` or `mbh_maps`.
        patch: side of a block [pixels].
        length: of a block [frames].
        step: between blocks [pixels]; in time they do not overlap.
        cells: of a block, in frames, rows and columns.

    Returns:
        ``[blocks, B · cells]``.

    Raises:
        DataError: if the video is smaller than one block.
    """
    _, t, h, w = maps.shape
    ct, ch, cw = cells
    if t < length or min(h, w) < patch or length < ct or patch < max(ch, cw):
        raise DataError(
            f"blocks of {length} frames and {patch} x {patch} pixels in {cells} cells do not fit into {t} frames of "
            f"{h} x {w} pixels; take smaller blocks"
        )
    rows = []
    edges = [np.linspace(0, size, n + 1).astype(int) for size, n in ((length, ct), (patch, ch), (patch, cw))]
    for start in range(0, t - length + 1, length):
        for top in range(0, h - patch + 1, step):
            for left in range(0, w - patch + 1, step):
                block = maps[:, start : start + length, top : top + patch, left : left + patch]
                for axis, edge in enumerate(edges, 1):
                    block = np.add.reduceat(block, edge[:-1], axis)
                rows.append(block.ravel())
    found = np.stack(rows)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
