"""Shaded videos of synthetic people: a body in clothes, in a room, through the clip's own camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.datasets.synthetic.figure import draw_person, make_look
from skelact.datasets.synthetic.generate import make_clip
from skelact.datasets.synthetic.raster import Raster
from skelact.datasets.synthetic.room import Room, make_room
from skelact.datasets.synthetic.sensor import get_camera
from skelact.errors import ConfigError, DataError
from skelact.skeleton import Skeleton


@dataclass(frozen=True)
class View:
    """A pinhole camera's picture: size in pixels and focal length as a share of the height."""

    width: int = 480
    height: int = 360
    focal_share: float = 1.15

    def __post_init__(self) -> None:
        if not (16 <= self.width <= 4096 and 16 <= self.height <= 4096):
            raise ConfigError(
                f"a picture must be 16..4096 pixels wide and high, got {self.width}x{self.height}"
            )
        if not 0.3 <= self.focal_share <= 10:
            raise ConfigError(f"focal_share must be 0.3..10, got {self.focal_share}")

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.focal_share * self.height

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """Pixels ``[..., 2]`` (right, down) of points ``[..., 3]`` in Kinect-like camera coordinates.

        The picture is not mirrored: Kinect's x grows to the left in it (unlike in Kinect's own videos).
        """
        z = np.maximum(xyz[..., 2:], 1e-6)
        centre = np.array([(self.width - 1) / 2, (self.height - 1) / 2])
        return centre - self.focal * xyz[..., :2] / z


VIEW = View()


def _camera_pose(clip: Skeleton) -> tuple[np.ndarray, float]:
    """The camera's axes in the world (rows) and its height above the floor."""
    if clip.info.get("source") == "synthetic":
        camera = get_camera(int(clip.info["camera"]), int(clip.info["setup"]))
        return camera.rotation(), camera.height
    there = clip.score > 0
    lowest = float(np.percentile(clip.xyz[..., 1][there], 1)) if there.any() else -1.0
    return np.eye(3), 0.03 - lowest


def render_frames(
    clip: Skeleton, *, view: View = VIEW, seed: int = 0, room: bool = True
) -> Iterator[np.ndarray]:
    """Pictures of the people of a clip.

    Args:
        clip: in layout ntu25 and metres, in camera coordinates; make it with ``noise=None``, for joints that
            jitter or are missing make a body that does.
        view: size and focal length.
        seed: with the clip's subject it decides clothes, skin, hair and the room.
        room: draw floor and walls; else a plain grey.

    Yields:
        ``[H, W, 3]`` uint8 RGB, one per frame.

    Raises:
        DataError: if the clip is not ntu25 in metres and 3D.
    """
    if clip.layout.name not in ("ntu25", "ntu25_chain") or clip.unit != "m" or clip.xyz.shape[-1] != 3:
        raise DataError(
            f"recording '{clip.id}' is {clip.layout.name} in {clip.unit}; rendering needs ntu25 in metres, 3D"
        )
    subject = int(clip.info.get("subject", 1))
    setup = int(clip.info.get("setup", 1))
    rotation, height = _camera_pose(clip)
    raster = Raster(view.width, view.height, view.focal)
    looks = [make_look(np.random.default_rng([seed, 7, subject + 1000 * m])) for m in range(clip.n_people)]
    rng = np.random.default_rng([seed, 8, setup, subject])
    if room:
        stage = make_room(raster, rotation, height, rng)
    else:
        stage = Room(np.full((view.height, view.width, 3), 0.6, np.float32), None, None, rng)
    flip = np.array([-1.0, -1.0, 1.0])
    light = stage.light * flip if stage.light is not None else np.array([-0.3, -0.8, -0.6])
    xyz = clip.xyz.astype(np.float64) * flip
    for t in range(clip.n_frames):
        people = [m for m in range(clip.n_people) if (clip.score[m, t] > 0).all()]
        for m in people:
            draw_person(raster, xyz[m, t], looks[m])
        ground = stage.with_shadows([clip.xyz[m, t] for m in people])
        yield stage.expose(raster.shade(ground, light))


def render_clip(
    path: str | Path,
    action: str,
    *,
    subject: int,
    camera: int = 2,
    repetition: int = 1,
    setup: int = 1,
    seed: int = 0,
    fps: float = 30.0,
    view: View = VIEW,
) -> Skeleton:
    """Render one synthetic clip as a video and return its true joints.

    Args:
        path: of the video file; its ending chooses the container.
        action, subject, camera, repetition, setup, seed, fps: as for `make_clip`.
        view: size and focal length.

    Returns:
        The clip without sensor noise: joint ``v`` of a frame stands at ``view.project(xyz)`` in the picture.
    """
    from skelact.io.video import write_video

    clip = make_clip(
        action,
        subject=subject,
        camera=camera,
        repetition=repetition,
        setup=setup,
        seed=seed,
        fps=fps,
        noise=None,
    )
    write_video(Path(path), render_frames(clip, view=view, seed=seed), fps)
    return clip
