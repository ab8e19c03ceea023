"""Real inference on real pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import ConfigError, DependencyError
from skelact.io.video import open_video
from skelact.pose.estimator import PoseEstimator
from skelact.pose.mediapipe_pose import MediaPipePose
from skelact.pose.one_person import OnePerson
from skelact.pose.verify import DOUBTED, mirrored_distance


def images(path: Path, n: int, step: int = 1) -> list[tuple[float, np.ndarray]]:
    picked = []
    with open_video(path) as video:
        for frame in video:
            if frame.index % step == 0:
                picked.append((frame.time, frame.image))
            if len(picked) == n:
                break
    return picked


def test_one_person_is_found_and_stands_upright(models, videos: Path) -> None:
    with OnePerson() as estimator:
        assert isinstance(estimator, PoseEstimator)
        found = [estimator.estimate(image, t) for t, image in images(videos / "clean_and_jerk.mp4", 12)]
    assert sum(bool(f) for f in found) == 12
    one = found[-1][0]
    assert one.xyz.shape == (33, 3) and one.score.shape == (33,)
    assert one.score.min() > 0 and one.score.max() <= 1
    nose, ankle = one.xyz[0, 1], one.xyz[27, 1]
    assert 0 < nose < ankle < 1


def test_padded_and_cropped_arrays_are_seen_the_same(models, videos: Path) -> None:
    """MediaPipe ignores strides: a view must not be sheared."""
    _, image = images(videos / "clean_and_jerk.mp4", 1)[0]
    wide = np.zeros((image.shape[0], 1056, 3), np.uint8)
    wide[:, : image.shape[1]] = image
    view = wide[:, : image.shape[1]]
    assert not view.flags.c_contiguous
    with MediaPipePose(video=False) as estimator:
        a, b = estimator.estimate(image)[0], estimator.estimate(view)[0]
    assert np.array_equal(a.xyz, b.xyz)


def test_world_coordinates_are_metres_about_the_hips(models, videos: Path) -> None:
    with MediaPipePose(coordinates="world", video=False) as estimator:
        assert estimator.unit == "m"
        one = estimator.estimate(images(videos / "clean_and_jerk.mp4", 1)[0][1])[0]
    assert np.abs(one.xyz[[23, 24]].mean(0)).max() < 0.05
    assert 0.9 < np.ptp(one.xyz[:, 1]) < 2.2
    assert one.xy.min() > 0 and one.xy.max() < 1


@pytest.mark.slow
def test_hands_hang_on_the_wrists(models, videos: Path) -> None:
    with MediaPipePose(parts="pose+hands") as estimator:
        found = [estimator.estimate(image, t)[0] for t, image in images(videos / "sign_help.mkv", 30)]
    both = [f for f in found if f.score[33] > 0 and f.score[54] > 0]
    assert len(both) > 4
    for one in both:
        left, right = one.xy[33], one.xy[54]
        assert np.linalg.norm(left - one.xy[15]) + np.linalg.norm(right - one.xy[16]) <= (
            np.linalg.norm(left - one.xy[16]) + np.linalg.norm(right - one.xy[15])
        )
    assert all((f.xyz[33:54] == 0).all() for f in found if f.score[33] == 0)


def test_mirrored_picture_swaps_the_sides(models, videos: Path) -> None:
    _, image = images(videos / "clean_and_jerk.mp4", 1)[0]
    with MediaPipePose(video=False) as estimator:
        one = estimator.estimate(image)[0]
        points = one.xy * [image.shape[1], image.shape[0]]
        assert mirrored_distance(image, points, estimator) < 0.15
        assert mirrored_distance(image, points + [60, 0], estimator) > 0.25
        noise = np.random.default_rng(0).integers(0, 255, image.shape, dtype=np.uint8)
        assert mirrored_distance(noise, points, estimator) == np.inf


@pytest.mark.slow
def test_who_is_not_found_in_the_mirror_gets_low_scores(models, videos: Path) -> None:
    frames = images(videos / "no_whole_person.mp4", 40)
    with MediaPipePose() as plain, OnePerson() as checked:
        alone = [plain.estimate(image, t) for t, image in frames]
        both = [checked.estimate(image, t) for t, image in frames]
    assert [len(found) for found in both] == [len(found) for found in alone]  # nobody is dropped
    doubted = [a[0].score / b[0].score for a, b in zip(both, alone, strict=True) if a]
    assert len(doubted) > 12  # MediaPipe alone sees a body in the hose
    lowered = sum(bool(np.allclose(share, DOUBTED)) for share in doubted)
    assert lowered >= 0.5 * len(doubted)  # how many differs from processor to processor


def test_time_may_stand_still_and_closing_twice_is_harmless(models) -> None:
    estimator = MediaPipePose()
    blank = np.zeros((64, 64, 3), np.uint8)
    assert [estimator.estimate(blank, t) for t in (0.0, 0.0, -5.0)] == [[], [], []]
    estimator.close()
    estimator.close()
    with pytest.raises(ConfigError, match="closed"):
        estimator.estimate(blank, 1.0)


def test_unknown_options_and_broken_models(tmp_path: Path, models) -> None:
    with pytest.raises(ConfigError, match="pose, pose\\+hands"):
        MediaPipePose(parts="poses")
    with pytest.raises(ConfigError, match="image, world"):
        MediaPipePose(coordinates="metres")
    broken = tmp_path / "broken.task"
    import zipfile

    with zipfile.ZipFile(broken, "w") as bundle:  # looks right, but the models are rubbish
        bundle.writestr("pose_detector.tflite", b"rubbish")
        bundle.writestr("pose_landmarks_detector.tflite", b"rubbish")
    with pytest.raises(DependencyError, match=r"broken\.task"):
        MediaPipePose(pose_model=broken)


def test_missing_system_library_is_named(models, monkeypatch: pytest.MonkeyPatch) -> None:
    from mediapipe.tasks.python.vision import PoseLandmarker

    def fail(_):
        raise OSError("libGLESv2.so.2: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(PoseLandmarker, "create_from_options", fail)
    with pytest.raises(DependencyError, match=r"libGLESv2.*libgl1 libglib2\.0-0 libegl1 libgles2"):
        MediaPipePose()


def errors_of(code: str) -> list[str]:
    """Lines on standard error of a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stderr.splitlines()


def test_quiet_from_start_to_exit(models) -> None:
    """No chatter, and no failing finaliser when an estimator is left open."""
    code = (
        "import numpy as np\n"
        "from skelact.pose.mediapipe_pose import MediaPipePose\n"
        "e = MediaPipePose()\n"
        "for t in range(4): e.estimate(np.zeros((64, 64, 3), np.uint8), t)\n"
        "import os; os.write(2, b'my own words\\n')\n"
    )
    assert errors_of(code) == ["my own words"]


def test_errors_pass_through_the_silence(capfd: pytest.CaptureFixture[str]) -> None:
    import os

    from skelact.pose.quiet import quiet_stderr

    with quiet_stderr():
        os.write(2, b"W0000 00:00:1 chatter\nE0000 00:00:1 an error\nother words\n")
    assert capfd.readouterr().err.splitlines() == ["E0000 00:00:1 an error", "other words"]


def test_the_first_person_makes_no_chatter_either(models, videos: Path) -> None:
    """Who comes late, in a picture that is not square; what is said afterwards is let through."""
    code = (
        "import numpy as np, os\n"
        "from skelact.io.video import open_video\n"
        "from skelact.pose.mediapipe_pose import MediaPipePose\n"
        f"with MediaPipePose() as e, open_video({str(videos / 'fall_trip.mp4')!r}) as video:\n"
        "    for k, frame in zip(range(9), video):\n"
        "        people = e.estimate(frame.image if k > 4 else np.zeros_like(frame.image), frame.time)\n"
        "assert people\n"
        "os.write(2, b'my own words\\n')\n"
    )
    assert errors_of(code) == ["my own words"]


def test_litert_is_quiet_too(models) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'skelact[movenet]'")
    code = (
        "import numpy as np\n"
        "from skelact.pose.movenet import MoveNet\n"
        "from skelact.pose.hand_network import HandNetwork\n"
        "from skelact.pose.model_files import find_model\n"
        "MoveNet().find(np.zeros((64, 64, 3), np.uint8))\n"
        "HandNetwork(find_model('hand_landmarker_full'))\n"
        "import os; os.write(2, b'my own words\\n')\n"
    )
    assert errors_of(code) == ["my own words"]


def test_threads_that_are_quiet_at_once_give_standard_error_back(capfd: pytest.CaptureFixture[str]) -> None:
    import os
    import threading

    from skelact.pose.quiet import quiet_stderr

    inside, second = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait(5)
        second.set()
        with quiet_stderr():
            os.write(2, b"from the other thread\n")

    thread = threading.Thread(target=other)
    thread.start()
    with quiet_stderr():
        inside.set()
        second.wait(5)
        thread.join(0.1)  # it has begun, and waits
        os.write(2, b"INFO: chatter\n")
    thread.join()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err.splitlines() == ["from the other thread", "afterwards"]
