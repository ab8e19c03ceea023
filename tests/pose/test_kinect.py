"""MediaPipe's joints of a real video against Kinect's of the same moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DependencyError
from skelact.io.ntu import read_ntu
from skelact.pose.compare import align_and_compare
from skelact.pose.extract import extract_video

KINECT_FOV = 84.1  # of the Kinect v2's colour camera, degrees across


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "mean"), [("lite", 0.098), ("heavy", 0.084)])
def test_the_other_networks_agree_with_kinect(shared_data: Path, quality: str, mean: float) -> None:
    kinect = read_ntu(shared_data / "ntu" / "S001C001P001R001A001.skeleton")
    source = shared_data / "ntu" / "S001C001P001R001A001_rgb.avi"
    try:
        video = extract_video(source, people="one", fov=KINECT_FOV, quality=quality)
    except DependencyError as error:
        pytest.skip(f"MediaPipe's {quality} network cannot run here: {error}")
    assert align_and_compare(video.mirrored(), kinect)["mean"] == pytest.approx(mean, abs=0.006)


@pytest.mark.slow
def test_mediapipe_agrees_with_kinect(shared_data: Path) -> None:
    kinect = read_ntu(shared_data / "ntu" / "S001C001P001R001A001.skeleton")
    try:
        video = extract_video(
            shared_data / "ntu" / "S001C001P001R001A001_rgb.avi", people="one", fov=KINECT_FOV
        )
    except DependencyError as error:
        pytest.skip(f"MediaPipe cannot run here: {error}")
    assert video.n_frames == kinect.n_frames == 103
    error = align_and_compare(video.mirrored(), kinect)  # NTU's colour videos are mirror images
    assert error["n_frames"] == 103 and error["n_joints"] == 23
    assert error["mean"] == pytest.approx(0.096, abs=0.005) and error["median"] == pytest.approx(
        0.077, abs=0.005
    )
    assert error["mean"] < align_and_compare(video, kinect)["mean"] - 0.03
    # where the person stands, in every frame
    hips = video.mirrored().converted("ntu25").xyz[0, :, 0]
    off = np.linalg.norm(hips - kinect.xyz[0, :, 0], axis=1) / np.linalg.norm(kinect.xyz[0, :, 0], axis=1)
    assert off.max() < 0.085  # MediaPipe alone: 0.08
    # metres have one set of axes: up is up for both, without any alignment
    for recording in (video, kinect):
        body = recording.converted("kinect20")
        shoulder, hip = body.layout.positions("mid_shoulder", "mid_hip")
        assert (body.xyz[0, :, shoulder, 1] > body.xyz[0, :, hip, 1]).all()
