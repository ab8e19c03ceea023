"""MediaPipe's pose and hand landmarkers (Tasks API) as a `PoseEstimator`."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Sequence
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import ConfigError, DependencyError, choices
from skelact.layouts import get_layout
from skelact.pose.estimator import Detection
from skelact.pose.hand_crops import HandCrops
from skelact.pose.hand_network import HandReading
from skelact.pose.hands import assign_hands, join_hands
from skelact.pose.model_files import find_model
from skelact.pose.quiet import quiet_stderr

PARTS = ("pose", "pose+hands")
COORDINATES = ("image", "world")
QUALITIES = ("lite", "full", "heavy")
SYSTEM_LIBRARIES = "libgl1 libglib2.0-0 libegl1 libgles2"
_TO_KINECT = np.array([-1, -1, 1], np.float32)
_QUIET_FRAMES = 2  # MediaPipe chatters while it builds its graph and on the first picture

logger = logging.getLogger(__name__)
_open: weakref.WeakSet[MediaPipePose] = weakref.WeakSet()


def search_quality(quality: str) -> str:
    """Of the network that looks for people and verifies them, which is no better for being heavy."""
    return "lite" if quality == "lite" else "full"


class MediaPipePose:
    """MediaPipe Pose (BlazePose, 33 joints), with both hands if asked.

    Args:
        parts: ``pose`` (layout ``pose33``) or ``pose+hands`` (``pose_hands75``).
        coordinates: ``image`` (x and y as fractions of the picture, z in picture widths about the hips) or
            ``world`` (metres, origin between the hips, axes as of a
            Kinect: y up, z away from the camera, x to the left of the picture).
        video: follow the person from frame to frame (fast; one person); otherwise every picture is
            looked at anew.
        n_people: how many people to return at most; more than one needs ``video=False``.
        min_score: detections below this confidence are dropped, 0..1.
        quality: ``lite``, ``full`` or ``heavy``: which of the three networks.
        pose_model: a pose ``.task`` file of one's own, instead.
        hand_model: a hand ``.task`` file of one's own.
        hand_crops: look for hands that the palm detector misses where the pose's arms end
            (see `skelact.pose.hand_crops`).

    Raises:
        ConfigError: for an unknown option.
        DependencyError: if a model file or a system library is missing.
    """

    follows = False
    _has_found = False  # anybody in this process: the first person makes MediaPipe chatter once more

    def __init__(
        self,
        *,
        parts: str = "pose",
        coordinates: str = "image",
        video: bool = True,
        n_people: int = 1,
        min_score: float = 0.5,
        quality: str = "full",
        pose_model: str | PathLike[str] | None = None,
        hand_model: str | PathLike[str] | None = None,
        hand_crops: bool = True,
    ) -> None:
        if parts not in PARTS:
            raise ConfigError(choices(parts, PARTS, "parts"))
        if quality not in QUALITIES:
            raise ConfigError(choices(quality, QUALITIES, "quality"))
        if coordinates not in COORDINATES:
            raise ConfigError(choices(coordinates, COORDINATES, "coordinates"))
        if video and n_people != 1:
            raise ConfigError(f"following from frame to frame finds one person, got n_people={n_people}")
        self.layout = get_layout("pose33" if parts == "pose" else "pose_hands75")
        self.unit = "image" if coordinates == "image" else "m"
        self._video, self.quality = video, quality
        self._clock = -1
        self._n_seen = 0
        self._tasks: list[Any] = []
        pose_path = find_model(f"pose_landmarker_{quality}", pose_model)
        hand_path = find_model("hand_landmarker_full", hand_model) if parts != "pose" else None
        self._live = False
        self._crops: list[HandCrops] = []  # one for each person of a picture, made when they are needed
        self._hand_path = hand_path if hand_crops else None
        if self._hand_path is not None:
            self._hand_path = self._try_crops(self._hand_path)
        with _explained(pose_path, hand_path), quiet_stderr():
            self._start(pose_path, hand_path, n_people, min_score)
        _open.add(self)
        _close_at_exit()

    @property
    def background(self) -> bool:
        """Whether the frames are live: then hands are read by two threads, about twice as fast, if there are cores."""
        return self._live

    @background.setter
    def background(self, live: bool) -> None:
        if live != self._live:
            self._live = live
            with quiet_stderr():
                for crops in self._crops:
                    crops.use_threads(self._threads)

    @property
    def _threads(self) -> int:
        return min(2, os.cpu_count() or 1) if self._live else 1

    def _try_crops(self, path: Path) -> Path | None:
        """The bundle, if its hand network can be run by itself; else the palm detector alone must do, which is said."""
        try:
            with quiet_stderr():
                self._crops.append(HandCrops(path, follow=self._video))
            return path
        except DependencyError as error:
            logger.warning("hands that the palm detector misses are not looked for: %s", error)
            return None

    def _start(self, pose_path: Path, hand_path: Path | None, n_people: int, min_score: float) -> None:
        import mediapipe as mp
        from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.core.base_options import BaseOptions

        self._image, self._format = mp.Image, mp.ImageFormat.SRGB
        mode = vision.RunningMode.VIDEO if self._video else vision.RunningMode.IMAGE
        try:
            pose = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(pose_path)),
                running_mode=mode,
                num_poses=n_people,
                min_pose_detection_confidence=min_score,
                min_pose_presence_confidence=min_score,
                min_tracking_confidence=min_score,
            )
            self._tasks.append(vision.PoseLandmarker.create_from_options(pose))
            if hand_path is not None:
                hands = vision.HandLandmarkerOptions(
                    base_options=BaseOptions(model_asset_path=str(hand_path)),
                    running_mode=mode,
                    num_hands=2 * n_people,
                    min_hand_detection_confidence=min_score,
                    min_hand_presence_confidence=min_score,
                    min_tracking_confidence=min_score,
                )
                self._tasks.append(vision.HandLandmarker.create_from_options(hands))
        except BaseException:
            self.close()
            raise

    def estimate(self, image: np.ndarray, time: float = 0.0) -> list[Detection]:
        """Find people in ``image [H, W, 3]`` uint8 RGB; ``time`` in seconds must not run backwards."""
        if not self._tasks:
            raise ConfigError("this estimator is closed; make a new one")
        # Its clock counts whole milliseconds and must increase, whatever the video's timestamps do.
        self._clock = max(self._clock + 1, round(time * 1000))
        self._n_seen += 1
        loud = self._n_seen > _QUIET_FRAMES and MediaPipePose._has_found
        with contextlib.nullcontext() if loud else quiet_stderr():
            # MediaPipe ignores strides, so a padded or cropped array must be packed first.
            picture = self._image(self._format, np.ascontiguousarray(image))
            pose = self._run(self._tasks[0], picture)
        MediaPipePose._has_found |= bool(pose.pose_landmarks)
        size = np.array([image.shape[1], image.shape[0]], np.float32)
        people = []
        for near, world in zip(pose.pose_landmarks, pose.pose_world_landmarks, strict=True):
            xyz = _points(near)
            # Visibility may be exactly 0 for a joint that was placed all the same: 0 means missing here.
            score = np.clip([p.visibility or 0.0 for p in near], 1e-4, 1).astype(np.float32)
            people.append((xyz, _world_points(world), score))
        if len(self._tasks) == 1:
            return [self._detection(xyz, world, score) for xyz, world, score in people]
        return self._with_hands(people, picture, image, size)

    def _run(self, task: Any, picture: Any) -> Any:
        return task.detect_for_video(picture, self._clock) if self._video else task.detect(picture)

    def _detection(self, xyz: np.ndarray, world: np.ndarray, score: np.ndarray) -> Detection:
        return Detection(xyz if self.unit == "image" else world, score, xyz[:, :2])

    def _with_hands(
        self, people: Sequence[tuple], picture: Any, image: np.ndarray, size: np.ndarray
    ) -> list[Detection]:
        if not people:
            self._forget_hands()
            return []

        @cache
        def detect() -> list[list[HandReading | None]]:
            """Everybody's left and right hand as the palm detector finds them."""
            with quiet_stderr() if self._n_seen <= _QUIET_FRAMES else contextlib.nullcontext():
                result = self._run(self._tasks[1], picture)
            hands = [_points(h) for h in result.hand_landmarks]
            worlds = [_points(h) for h in result.hand_world_landmarks]
            sureness = [float(h[0].score or 0.5) if h else 0.5 for h in result.handedness]
            scale = np.array([*size, size[0]], np.float32)
            taken = assign_hands([p[0] for p in people], hands, size)
            return [
                [None if h is None else HandReading(hands[h] * scale, worlds[h], sureness[h]) for h in pair]
                for pair in taken
            ]

        found = []
        for k, (xyz, world, score) in enumerate(people):
            pair: Sequence[HandReading | None] = []
            if self._hand_path is None:
                pair = detect()[k]
            else:
                pair = self._hands_of(k).look(image, xyz[:, :2] * size, score, lambda k=k: detect()[k])
            there = [one for one in pair if one is not None]
            sides = [None if one is None else there.index(one) for one in pair]
            sure = [one.presence for one in there]
            points = [one.points / np.array([*size, size[0]], np.float32) for one in there]
            joints, all_score = join_hands(xyz, score, points, sure, (sides[0], sides[1]))
            xy = joints[:, :2]
            if self.unit == "m":
                metres = [one.world * _TO_KINECT for one in there]
                joints, _ = join_hands(world, score, metres, sure, (sides[0], sides[1]), metric=True)
            found.append(Detection(joints, all_score, xy))
        return found

    def _hands_of(self, k: int) -> HandCrops:
        """What follows the hands of the ``k``-th person of a picture."""
        assert self._hand_path is not None
        while len(self._crops) <= k:
            with quiet_stderr():
                self._crops.append(HandCrops(self._hand_path, self._video, self._threads))
        return self._crops[k]

    def _forget_hands(self) -> None:
        for crops in self._crops:
            crops.forget()

    def forget(self) -> None:
        """Let go of whoever is followed, and of their hands."""
        self._forget_hands()
        nothing = np.zeros((32, 32, 3), np.uint8)
        self.estimate(nothing)
        for task in self._tasks[1:]:  # which is not asked where nobody is
            self._run(task, self._image(self._format, nothing))

    def close(self) -> None:
        """Release models and threads; harmless when called twice."""
        with quiet_stderr() if self._tasks else contextlib.nullcontext():
            while self._tasks:
                self._tasks.pop().close()

    def __enter__(self) -> MediaPipePose:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _world_points(landmarks: Sequence[Any]) -> np.ndarray:
    """World landmarks in the axes of every recording in metres: Kinect's, y up and z away from the camera.

    MediaPipe's x runs right and y down in the picture; half a turn about z makes them left and up, so that
    sensors and videos agree about what is up and which side is left.
    """
    return _points(landmarks) * _TO_KINECT


def _points(landmarks: Any) -> np.ndarray:
    return np.array([(p.x, p.y, p.z) for p in landmarks], np.float32)


@contextlib.contextmanager
def _explained(*paths: Path | None):
    """Turn what goes wrong while a task is made into words that help."""
    try:
        yield
    except (ImportError, OSError) as error:
        if "mediapipe" in str(getattr(error, "name", "") or ""):
            raise DependencyError("MediaPipe is not installed; install it: pip install 'skelact'") from error
        raise DependencyError(
            f"MediaPipe cannot start, a system library is missing: {error}. On Debian or Ubuntu: "
            f"apt-get install {SYSTEM_LIBRARIES}"
        ) from error
    except (ValueError, RuntimeError) as error:
        files = ", ".join(str(p) for p in paths if p)
        raise DependencyError(
            f"MediaPipe cannot use the model {files}: {error}; delete it to have it fetched anew, "
            "or give another"
        ) from error


_at_exit = threading.Lock()
_registered = False


def _close_at_exit() -> None:
    """Close what is still open before Python stops its threads, where MediaPipe's own finaliser fails."""
    global _registered
    with _at_exit:
        if _registered:
            return
        _registered = True
    # Handlers of `threading` run before those of `atexit`, when worker threads can still be used.
    register = getattr(threading, "_register_atexit", atexit.register)
    with contextlib.suppress(RuntimeError):
        register(close_all)


def close_all() -> None:
    """Close every estimator that is still open."""
    for estimator in list(_open):
        with contextlib.suppress(Exception):
            estimator.close()
