"""The place where synthetic people move: floor, walls, pictures on them, shadows, exposure."""

from __future__ import annotations

import numpy as np

from skelact.datasets.synthetic.body import J
from skelact.datasets.synthetic.raster import Raster

_SHADOW_BONES = (
    ("mid_hip", "mid_shoulder", 0.15), ("mid_shoulder", "head", 0.10), ("left_shoulder", "left_elbow", 0.06),
    ("right_shoulder", "right_elbow", 0.06),
    ("left_elbow", "left_hand", 0.05), ("right_elbow", "right_hand", 0.05),
    ("left_hip", "left_knee", 0.09), ("right_hip", "right_knee", 0.09), ("left_knee", "left_foot", 0.07),
    ("right_knee", "right_foot", 0.07),
)  # fmt: skip
_FROM = np.array([J[a] for a, _, _ in _SHADOW_BONES])
_TO = np.array([J[b] for _, b, _ in _SHADOW_BONES])
_SIZE = np.array([s for _, _, s in _SHADOW_BONES], np.float32)


class Room:
    """A background picture that takes shadows.

    Args:
        picture: ``[H, W, 3]`` floats 0..1.
        floor: world x and z of each second pixel ``[H/2, W/2, 2]``, NaN where there is no floor; or None.
        rotation: the world's axes in Kinect-like camera coordinates with the camera's height; or None.
        rng: for the grain of the pictures.
    """

    def __init__(
        self,
        picture: np.ndarray,
        floor: np.ndarray | None,
        rotation: tuple[np.ndarray, float] | None,
        rng: np.random.Generator,
        light: np.ndarray | None = None,
    ) -> None:
        self.picture, self.floor, self.pose = picture.astype(np.float32), floor, rotation
        self.world_light = np.array([0.35, 0.9, 0.45]) if light is None else light
        self.light = None if rotation is None else rotation[0] @ self.world_light
        noise = rng.normal(0, 0.008, (4, *picture.shape[:2], 1))
        self.grain, self.frame = noise.astype(np.float32), 0

    def with_shadows(self, people: list[np.ndarray]) -> np.ndarray:
        """The background with the shadows of people ``[25, 3]`` (camera coordinates) on the floor."""
        if self.floor is None or self.pose is None or not people:
            return self.picture
        rotation, height = self.pose
        slant = self.world_light[[0, 2]] / self.world_light[1]
        rows = np.flatnonzero(np.isfinite(self.floor[:, :, 0]).any(1))
        if not len(rows):
            return self.picture
        top = rows[0]
        floor = self.floor[top:]
        dark = np.zeros(floor.shape[:2], np.float32)
        for joints in people:
            world = joints @ rotation + [0, height, 0]
            flat = (world[:, [0, 2]] - world[:, 1:2] * slant).astype(np.float32)
            low, high = flat.min(0) - 0.35, flat.max(0) + 0.35
            near = ((floor > low) & (floor < high)).all(-1)
            spot = floor[near]
            if not len(spot):
                continue
            shade = np.zeros(len(spot), np.float32)
            for a, b, size in zip(_FROM, _TO, _SIZE, strict=True):
                d = flat[b] - flat[a]
                off = spot - flat[a]
                t = np.clip(off @ d / (d @ d + 1e-6), 0, 1)
                gap = ((off - t[:, None] * d) ** 2).sum(1)
                # The higher the part, the softer its shadow.
                soft = size + 0.05 * max(0.0, float(world[[a, b], 1].mean()))
                shade = np.maximum(shade, np.exp(-0.9 * gap / soft**2) * (size / soft))
            dark[near] = np.maximum(dark[near], shade)
        h, w = self.picture.shape[:2]
        big = np.repeat(np.repeat(dark, 2, 0), 2, 1)[: h - 2 * top, :w]
        big[1:-1, 1:-1] = (big[:-2, 1:-1] + big[2:, 1:-1] + big[1:-1, :-2] + big[1:-1, 2:]) / 4
        out = self.picture.copy()
        out[2 * top :] *= 1 - 0.5 * big[..., None]
        return out

    def expose(self, picture: np.ndarray) -> np.ndarray:
        """A little blur, grain and gamma, as uint8."""
        soft = picture.copy()
        soft[:, 1:-1] = 0.25 * picture[:, :-2] + 0.5 * picture[:, 1:-1] + 0.25 * picture[:, 2:]
        out = soft.copy()
        out[1:-1] = 0.25 * soft[:-2] + 0.5 * soft[1:-1] + 0.25 * soft[2:]
        self.frame = (self.frame + 1) % len(self.grain)
        out += self.grain[self.frame]
        return (255 * np.clip(out, 0, 1)).astype(np.uint8)


def _value_noise(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise in -1..1 at points of a plane."""
    table = rng.uniform(-1, 1, (64, 64))
    xi, yi = np.floor(x), np.floor(y)
    xf, yf = x - xi, y - yi
    xf, yf = xf * xf * (3 - 2 * xf), yf * yf * (3 - 2 * yf)
    i, j = xi.astype(int) % 64, yi.astype(int) % 64
    i1, j1 = (i + 1) % 64, (j + 1) % 64
    return (table[i, j] * (1 - xf) + table[i1, j] * xf) * (1 - yf) + (
        table[i, j1] * (1 - xf) + table[i1, j1] * xf
    ) * yf


def make_room(raster: Raster, rotation: np.ndarray, height: float, rng: np.random.Generator) -> Room:
    """Ray-cast a box-shaped room from the clip's camera.

    Args:
        raster: gives size and rays of the picture.
        rotation: ``[3, 3]`` rows are the camera's axes in the world.
        height: of the camera above the floor, metres.
        rng: colours and furniture.

    Returns:
        `Room`.
    """
    x, y = np.meshgrid(raster.x, raster.y)
    ray = np.stack([-x, -y, np.ones_like(x)], -1) @ rotation  # world directions
    look = rotation[2] * [1, 0, 1]
    look /= np.linalg.norm(look)
    right = np.cross(look, [0, 1, 0])
    # Room coordinates: across (right), up, away from the camera.
    across, up, away = ray @ right, ray[..., 1], ray @ look
    back, side, top = rng.uniform(5.6, 6.8), rng.uniform(2.6, 3.4), 2.7
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.stack([
            np.where(up < 0, -height / up, np.inf),
            np.where(up > 0, (top - height) / up, np.inf),
            np.where(away > 0, back / away, np.inf),
            np.where(np.abs(across) > 0, side / np.abs(across), np.inf),
        ])  # fmt: skip
    which = distance.argmin(0)
    d = np.take_along_axis(distance, which[None], 0)[0]
    px, py, pz = across * d, up * d + height, away * d
    wall = np.array([[0.82, 0.80, 0.75], [0.70, 0.76, 0.80], [0.78, 0.74, 0.66], [0.74, 0.78, 0.72]])[
        rng.integers(4)
    ]
    wood = np.array([[0.55, 0.42, 0.30], [0.46, 0.40, 0.35], [0.50, 0.50, 0.50]])[rng.integers(3)]
    plank = np.floor(px / 0.16)
    tone = 0.9 + 0.1 * np.sin(plank * 12.9898) + 0.06 * _value_noise(px * 18, pz * 1.4, rng)
    tone *= 1 - 0.25 * (np.abs(px / 0.16 - plank - 0.5) > 0.47)
    picture = np.zeros((*d.shape, 3))
    picture[:] = wall
    picture *= (
        1 + 0.035 * _value_noise((px + pz) * 3, py * 3, rng) + 0.02 * _value_noise(px * 25, py * 25, rng)
    )[..., None]
    picture *= (0.86 + 0.06 * py)[..., None]
    picture[which == 3] *= 0.86
    picture[which == 1] = [0.88, 0.88, 0.87]
    picture[which == 0] = (wood * tone[..., None])[which == 0]
    picture[((which == 2) | (which == 3)) & (py < 0.11)] = wood * 0.7
    for _ in range(rng.integers(1, 4)):  # pictures and a cupboard on the back wall
        cx, cy = rng.uniform(-2.0, 2.0), rng.uniform(1.35, 1.9)
        w, h = rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.35)
        frame = (which == 2) & (np.abs(px - cx) < w) & (np.abs(py - cy) < h)
        inner = frame & (np.abs(px - cx) < w - 0.04) & (np.abs(py - cy) < h - 0.04)
        picture[frame] = wood * 0.6
        picture[inner] = rng.uniform(0.35, 0.9, 3)
    picture *= np.clip(1.08 - 0.045 * d, 0.6, 1.1)[..., None]
    place = right[[0, 2]][None, None] * px[..., None] + look[[0, 2]][None, None] * pz[..., None]
    floor = np.where((which == 0)[..., None], place, np.nan).astype(np.float32)[::2, ::2]
    return Room(picture, floor, (rotation, height), rng)
