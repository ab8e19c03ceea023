"""Partitions of a skeleton graph into K normalised adjacency matrices (Yan et al., AAAI 2018)."""

from __future__ import annotations

import numpy as np

from skelact.errors import LayoutError, choices
from skelact.layouts.layout import SkeletonLayout
from skelact.layouts.named import get_layout


def _neighbourhood(layout: SkeletonLayout) -> np.ndarray:
    """A + I, ``[V, V]``."""
    return ((layout.hops >= 0) & (layout.hops <= 1)).astype(np.float64)


def _normalise_columns(a: np.ndarray) -> np.ndarray:
    total = a.sum(0)
    return a / np.where(total > 0, total, 1)


def _uniform(layout: SkeletonLayout) -> np.ndarray:
    return _normalise_columns(_neighbourhood(layout))[None]


def _distance(layout: SkeletonLayout) -> np.ndarray:
    a = _normalise_columns(_neighbourhood(layout))
    return np.stack([a * (layout.hops == 0), a * (layout.hops == 1)])


def _depth(layout: SkeletonLayout) -> np.ndarray:
    """Hops of each joint to a root; a joint not connected to the first root counts from its own."""
    roots = [v for v, p in enumerate(layout.parents) if p < 0]
    depth = layout.hops[layout.root].copy()
    for v in np.flatnonzero(depth < 0):
        depth[v] = min(layout.hops[r, v] for r in roots if layout.hops[r, v] >= 0)
    return depth


def _spatial(layout: SkeletonLayout) -> np.ndarray:
    """Self and equal distance | source farther from the centre | source nearer (breadth-first distances)."""
    a = _normalise_columns(_neighbourhood(layout))
    depth = _depth(layout)
    source, target = depth[:, None], depth[None, :]
    return np.stack([a * (source == target), a * (source > target), a * (source < target)])


def _spatial_released(layout: SkeletonLayout) -> np.ndarray:
    """The partition that the released ST-GCN code computes.

    It measures distances to the centre over at most one hop, so joints further away count as equally far
    (infinite) and most edges fall into the second subset: 25 / 40 / 8 entries for NTU. Kept for loading
    released weights.
    """
    a = _normalise_columns(_neighbourhood(layout))
    hops = np.where((layout.hops < 0) | (layout.hops > 1), np.inf, layout.hops)
    centre = hops[:, layout.root]
    source, target = centre[:, None], centre[None, :]
    one = layout.hops == 1
    return np.stack([a * (layout.hops == 0), a * (one & (source >= target)), a * (one & (source < target))])


def _self_inward_outward(layout: SkeletonLayout) -> np.ndarray:
    """Self | inward | outward along the bones, each normalised by itself (2s-AGCN, CTR-GCN, PYSKL)."""
    n = len(layout)
    inward = np.zeros((n, n))
    for v, p in layout.edges:
        inward[p, v] = 1
    return np.stack([np.eye(n), _normalise_columns(inward), _normalise_columns(inward.T)])


PARTITIONS = {
    "uniform": _uniform,
    "distance": _distance,
    "spatial": _spatial,
    "spatial_released": _spatial_released,
    "self_inward_outward": _self_inward_outward,
}


def partition(layout: str | SkeletonLayout, strategy: str = "spatial") -> np.ndarray:
    """Split the joint graph into subsets.

    Args:
        layout: the layout or its name.
        strategy: one of `PARTITIONS`.

    Returns:
        ``[K, V, V]`` float64; column ``w`` of subset ``k`` weighs the source joints of target joint ``w``
        (index order [source, target] as in the released codes).

    Raises:
        LayoutError: for an unknown strategy.
    """
    if strategy not in PARTITIONS:
        raise LayoutError(choices(strategy, PARTITIONS, "partition"))
    return PARTITIONS[strategy](get_layout(layout))


def hop_scales(layout: str | SkeletonLayout, n_scales: int, window: int = 1) -> np.ndarray:
    """Disentangled adjacency: one graph for every hop distance (Liu et al., CVPR 2020).

    Scale k joins each joint with itself and with the joints exactly k hops away, normalised symmetrically.
    Over a window of several frames, a joint's neighbours of one frame (and the joint itself) are as near in
    every other frame.

    Args:
        layout: the layout or its name.
        n_scales: K, from 0 hops on.
        window: frames; the graph is over ``window * V`` joints, frame by frame.

    Returns:
        ``[K, window*V, window*V]`` float64. Values are rounded once to single precision, as in the released
        code, whose weights were trained with them.
    """
    hops = np.tile(get_layout(layout).hops, (window, window))
    own = np.eye(len(hops), dtype=bool)
    hops[(hops == 0) & ~own] = 1  # the same joint in another frame
    result = np.empty((n_scales, *hops.shape))
    for k in range(n_scales):
        joined = ((hops == k) | own).astype(np.float32)
        root = np.power(joined.sum(1), np.float32(-0.5)).astype(np.float64)
        result[k] = (root[:, None] * joined * root).astype(np.float32)
    return result
