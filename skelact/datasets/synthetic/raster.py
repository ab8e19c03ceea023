"""A small software renderer: ellipsoids and tapered limbs into a depth buffer, blended and shaded.

Picture coordinates: x right, y down, z into the picture; pixel (u, v) = centre + focal * (x, y) / z.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Colour of a surface: one colour [3], or a function of the local surface coordinates that gives [..., 3].
Paint = np.ndarray | Callable[..., np.ndarray]
_BLEND = 0.018  # metres over which neighbouring surfaces share their normals


@dataclass
class _Patch:
    rows: slice
    columns: slice
    mask: np.ndarray
    depth: np.ndarray
    normal: tuple[np.ndarray, np.ndarray, np.ndarray]
    colour: np.ndarray


class Raster:
    """Collects surfaces for one frame and shades them.

    Args:
        width, height: of the picture in pixels.
        focal: focal length in pixels.
    """

    def __init__(self, width: int, height: int, focal: float) -> None:
        self.width, self.height, self.focal = width, height, focal
        self.x = ((np.arange(width) - (width - 1) / 2) / focal).astype(np.float32)
        self.y = ((np.arange(height) - (height - 1) / 2) / focal).astype(np.float32)
        self.patches: list[_Patch] = []

    def _box(self, low: np.ndarray, high: np.ndarray) -> tuple[slice, slice] | None:
        """Pixels between two corners given as x/z, y/z; None outside the picture."""
        left, right = np.searchsorted(self.x, [low[0], high[0]])
        top, bottom = np.searchsorted(self.y, [low[1], high[1]])
        if left >= right or top >= bottom:
            return None
        return slice(int(top), int(bottom)), slice(int(left), int(right))

    def ellipsoid(self, centre: np.ndarray, axes: np.ndarray, paint: Paint) -> None:
        """Add an ellipsoid by exact ray casting.

        Args:
            centre: ``[3]`` picture coordinates, metres.
            axes: ``[3, 3]``, each row a half axis (direction times half length).
            paint: a colour 0..1, or a function of the local coordinates ``(a, b, c)`` in -1..1.
        """
        reach = np.sqrt((axes**2).sum(0))
        if centre[2] - reach[2] < 0.1:
            return
        ends = np.array(
            [(centre[:2] + s * reach[:2]) / (centre[2] + d * reach[2]) for s in (-1, 1) for d in (-1, 1)]
        )
        box = self._box(ends.min(0), ends.max(0))
        if box is None:
            return
        x, y = self.x[None, box[1]], self.y[box[0], None]
        inverse = (axes / (axes**2).sum(1, keepdims=True)).astype(np.float32)
        o = inverse @ centre.astype(np.float32)
        q = [row[0] * x + (row[1] * y + row[2]) for row in inverse]
        a = q[0] * q[0] + q[1] * q[1] + q[2] * q[2]
        b = q[0] * o[0] + q[1] * o[1] + q[2] * o[2]
        inside = b * b - a * (o @ o - 1)
        mask = inside > 0
        if not mask.any():
            return
        depth = (b - np.sqrt(np.maximum(inside, 0))) / a
        u = [depth * q[i] - o[i] for i in range(3)]
        n = [u[0] * inverse[0, i] + u[1] * inverse[1, i] + u[2] * inverse[2, i] for i in range(3)]
        size = np.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2) + 1e-9
        colour = paint(*u) if callable(paint) else paint
        normal = (n[0] / size, n[1] / size, n[2] / size)
        self.patches.append(_Patch(*box, mask, depth, normal, np.asarray(colour, np.float32)))

    def limb(
        self, start: np.ndarray, end: np.ndarray, radii: tuple[float, float], paint: Paint, bulge: float = 0.0
    ) -> None:
        """Add a tapered limb with round ends.

        Args:
            start, end: ``[3]`` picture coordinates, metres.
            radii: at start and end.
            paint: a colour 0..1, or a function of ``(along, across)``: 0..1 from start to end, -1..1.
            bulge: extra radius nearer the start (a calf, a thigh).
        """
        if min(start[2], end[2]) < 0.2:
            return
        r0, r1 = radii
        most = max(r0, r1) + bulge
        p0, p1 = start[:2] / start[2], end[:2] / end[2]
        pad = most / min(start[2], end[2])
        box = self._box(np.minimum(p0, p1) - pad, np.maximum(p0, p1) + pad)
        if box is None:
            return
        x, y = self.x[None, box[1]], self.y[box[0], None]
        d = (p1 - p0).astype(np.float32)
        length = float(d @ d) + 1e-9
        t = np.clip(((x - p0[0]) * d[0] + (y - p0[1]) * d[1]) / length, 0, 1)
        depth = start[2] + t * np.float32(end[2] - start[2])
        radius = r0 + t * np.float32(r1 - r0)
        if bulge:
            radius = radius + np.float32(bulge * 6.75) * t * (1 - t) ** 2
        dx = (x - (p0[0] + t * d[0])) * depth / radius
        dy = (y - (p0[1] + t * d[1])) * depth / radius
        off = dx * dx + dy * dy
        mask = off < 1
        if not mask.any():
            return
        rise = np.sqrt(np.maximum(1 - off, 0))
        axis = (end - start) / (np.linalg.norm(end - start) + 1e-9)
        towards = np.array([0.0, 0.0, -1.0]) + axis[2] * axis
        towards /= np.linalg.norm(towards) + 1e-9
        normal = (dx + towards[0] * rise, dy + towards[1] * rise, towards[2] * rise)
        across = (dx * d[1] - dy * d[0]) / np.sqrt(length)
        colour = paint(t, across) if callable(paint) else paint
        self.patches.append(_Patch(*box, mask, depth - radius * rise, normal, np.asarray(colour, np.float32)))

    def shade(self, background: np.ndarray, light: np.ndarray, ambient: float = 0.5) -> np.ndarray:
        """Draw everything over a background and forget it.

        Args:
            background: ``[H, W, 3]`` floats 0..1, copied.
            light: ``[3]`` direction towards the light.
            ambient: share of light that comes from everywhere.

        Returns:
            ``[H, W, 3]`` floats 0..1.
        """
        shape = (self.height, self.width)
        nearest = np.full(shape, np.inf, np.float32)
        out = background.copy()
        for p in self.patches:
            z = nearest[p.rows, p.columns]
            win = p.mask & (p.depth < z)
            z[win] = p.depth[win]
            out[p.rows, p.columns][win] = p.colour[win] if p.colour.ndim == 3 else p.colour
        brightness = np.zeros(shape, np.float32)
        weight = np.zeros(shape, np.float32)
        normal = np.zeros((3, *shape), np.float32)
        for p in self.patches:
            near = np.exp(np.minimum((nearest[p.rows, p.columns] - p.depth) * (1 / _BLEND), 0)) * p.mask
            for i in range(3):
                normal[i, p.rows, p.columns] += near * p.normal[i]
            weight[p.rows, p.columns] += near
        body = np.isfinite(nearest)
        n = normal[:, body]
        n /= np.sqrt((n**2).sum(0)) + 1e-6
        light = light / np.linalg.norm(light)
        direct = np.maximum(n[0] * light[0] + n[1] * light[1] + n[2] * light[2], 0)
        # Soft light from above, and a little less where a surface turns away from the viewer.
        brightness[body] = (
            ambient * (0.85 - 0.25 * n[1]) * (0.7 + 0.3 * -n[2]) + (1 - ambient) * 1.25 * direct
        )
        out[body] *= brightness[body][:, None]
        self.patches.clear()
        return np.clip(out, 0, 1)
