"""Hands where the arms end: squares, what is believed, what is followed, and real videos with and without it."""

from __future__ import annotations

import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from variants import slow_but

from skelact.errors import DependencyError
from skelact.io.video import open_video
from skelact.pose import hand_crops, hand_network
from skelact.pose.estimator import follow_live
from skelact.pose.hand_crops import HandCrops, square_of_arm
from skelact.pose.hand_network import HandNetwork, HandReading, Square, square_of_hand
from skelact.pose.mediapipe_pose import MediaPipePose
from skelact.pose.several_people import SeveralPeople

IMAGE = np.full((480, 640, 3), 90, np.uint8)


def hand(wrist: tuple[float, float], up: float = 0.0, palm: float = 40.0) -> np.ndarray:
    """A flat hand ``[21, 3]`` in pixels, whose fingers point up, turned clockwise by so many degrees."""
    points = np.zeros((21, 3), np.float32)
    for finger in range(5):
        for part in range(4):
            points[1 + 4 * finger + part, :2] = [(finger - 2) * 0.3 * palm, -(0.7 + 0.3 * part) * palm]
    points[9, :2] = [0, -palm]
    a = np.radians(up)
    points[:, :2] = points[:, :2] @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + wrist
    return points


def reading(points: np.ndarray, presence: float = 0.9) -> HandReading:
    return HandReading(points.astype(np.float32), points / 400, presence)


def arms() -> tuple[np.ndarray, np.ndarray]:
    """A person with hands up: left wrist at (420, 200), right at (220, 200)."""
    pose = np.full((33, 2), 300.0)
    pose[[11, 12]] = [[380, 180], [260, 180]]
    for x, (_, elbow, wrist, little, index) in zip((420, 220), hand_crops._ARMS, strict=True):
        pose[[elbow, wrist, little, index]] = [[x, 290], [x, 200], [x - 8, 170], [x + 8, 170]]
    return pose, np.full(33, 0.9)


LEFT, RIGHT = hand((420, 200)), hand((220, 200))


class Network:
    """Stands for the network: it sees these hands, wherever a square has one's knuckles in its middle part."""

    fast = True

    def __init__(self, *hands: HandReading) -> None:
        self.hands, self.asked, self.seen = list(hands), [], []

    def read(self, image: np.ndarray, square: Square) -> HandReading:
        self.asked.append(square)
        self.seen.append(image)
        for one in self.hands:
            if np.linalg.norm(one.points[9, :2] - square.centre) < 0.4 * square.side:
                return one
        return reading(hand(tuple(square.centre)), 0.01)


def crops(*hands: HandReading, follow: bool = True, fast: bool = True) -> HandCrops:
    made = object.__new__(HandCrops)
    made._network, made._follow, made._known, made._turn = Network(*hands), follow, [None, None], -1
    made._network.fast = fast
    return made


def nothing() -> list[None]:
    return [None, None]


def test_square_of_a_hand_turns_with_it() -> None:
    for angle in (0, 35, -80, 170):
        square = square_of_hand(hand((300, 200), angle))
        assert np.degrees(square.angle) == pytest.approx(angle, abs=1e-3)
        upright = square_of_hand(hand((300, 200)))
        assert square.side == pytest.approx(upright.side, rel=1e-5)
        a = np.radians(angle)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        assert square.centre - [300, 200] == pytest.approx(turn @ (upright.centre - [300, 200]), abs=1e-3)
    # Twice the longer side of the box of the firm joints, its middle moved towards the fingers by a tenth.
    x, y = hand((0, 0))[hand_network._FIRM, :2].T
    assert upright.side == pytest.approx(2 * max(np.ptp(x), np.ptp(y)))
    assert upright.centre[1] == pytest.approx(200 + (y.min() + y.max()) / 2 - 0.1 * np.ptp(y))


def test_square_of_an_arm_lies_about_the_hand() -> None:
    pose, score = arms()
    square = square_of_arm(pose, 0, hand_crops._arm(pose, score))
    assert abs(square.angle) < 0.1 and abs(square.centre[0] - 420) < 10 and 130 < square.centre[1] < 195
    assert 100 < square.side < 200
    score[[13, 14]] = 0  # no forearm is sure: the shoulders measure
    assert hand_crops._arm(pose, score) == pytest.approx(0.55 * 120)


def test_both_hands_are_found_where_the_arms_end() -> None:
    made = crops(reading(LEFT), reading(RIGHT, 0.3))
    left, right = made.look(IMAGE, *arms(), nothing)
    assert left is not None and right is not None
    assert (
        (left.points == LEFT).all() and (right.points == RIGHT).all() and right.presence == pytest.approx(0.3)
    )


def test_no_hands_and_one_hand() -> None:
    assert crops().look(IMAGE, *arms(), nothing) == [None, None]
    left, right = crops(reading(RIGHT)).look(IMAGE, *arms(), nothing)
    assert left is None and right is not None


@pytest.mark.parametrize(
    "one",
    [
        reading(LEFT, 0.14),  # unsure
        reading(hand((420, 200), palm=8)),  # too small for this body
        reading(hand((420, 200), palm=140)),  # too large
        reading(hand((420, 145))),  # its wrist is not where the arm ends
    ],
)
def test_what_is_no_hand_of_this_arm_is_not_believed(one: HandReading) -> None:
    assert crops(one).look(IMAGE, *arms(), nothing)[0] is None


def test_one_hand_is_not_two() -> None:
    pose, score = arms()
    pose[[14, 16, 18, 20]] += [185, 0]  # the right arm ends beside the left one
    left, right = crops(reading(LEFT)).look(IMAGE, pose, score, nothing)
    assert left is not None and right is None
    # a hand that is nearer to the other wrist is the other arm's
    near_right = hand((408, 200))
    left, right = crops(reading(near_right)).look(IMAGE, pose, score, nothing)
    assert left is None and right is not None


def test_a_hand_is_looked_for_only_where_the_pose_is_sure() -> None:
    pose, score = arms()
    score[15] = 0.2
    made = crops(reading(LEFT), reading(RIGHT))
    left, right = made.look(IMAGE, pose, score, nothing)
    assert left is None and right is not None
    made.forget()
    score[[11, 12]] = 0.8  # perhaps nobody is there at all
    assert made.look(IMAGE, pose, score, nothing) == [None, None]
    score[11] = 0.95
    assert made.look(IMAGE, pose, score, nothing)[1] is not None
    tiny = crops(reading(hand((42, 20), palm=4)), reading(hand((22, 20), palm=4)))
    assert tiny.look(IMAGE, pose / 10, np.full(33, 0.95), nothing) == [None, None]
    for _ in range(3):  # such people's hands are the palm detector's alone, in every frame
        assert tiny.look(IMAGE, pose / 10, np.full(33, 0.95), lambda: [reading(LEFT), None])[0] is not None
    pose[15], score[15] = (-5, 200), 0.9  # beyond the picture
    assert made.look(IMAGE, pose, score, nothing)[0] is None
    pose, score = arms()
    black = IMAGE.copy()
    black[:, 320:] = 0  # a window about a person at the picture's border
    assert crops(reading(LEFT)).look(black, pose, score, nothing)[0] is None


def test_hands_are_followed_with_the_wrist() -> None:
    pose, score = arms()
    made = crops(reading(LEFT), reading(RIGHT))
    made.look(IMAGE, pose, score, nothing)
    moved = pose + [3, -40]
    made._network.hands = [reading(h + np.array([3, -40, 0])) for h in (LEFT, RIGHT)]
    made._network.asked = []

    def refuse() -> list[None]:
        raise AssertionError("the palm detector was asked although both hands are followed")

    left, right = made.look(IMAGE, moved, score, refuse)
    assert left is not None and right is not None and len(made._network.asked) == 2
    assert made._network.asked[0].centre == pytest.approx(square_of_hand(LEFT).centre + [3, -40], abs=1e-3)
    made.forget()
    assert made._known == [None, None]
    single = crops(reading(LEFT), reading(RIGHT), follow=False)
    single.look(IMAGE, pose, score, nothing)
    assert single._known == [None, None]  # pictures that have nothing to do with each other


def test_a_lost_hand_is_forgotten_after_some_frames() -> None:
    pose, score = arms()
    made = crops(reading(LEFT))
    made.look(IMAGE, pose, score, nothing)
    made._network.hands = []
    asked = []
    for _ in range(8):
        made._network.asked = []
        assert made.look(IMAGE, pose, score, nothing) == [None, None]
        asked.append(len(made._network.asked))
    assert made._known[0] is None
    assert asked[0] > asked[2] > asked[-1] > 0  # less and less is spent on it, and it is never given up


def test_the_palm_detector_helps_now_and_then() -> None:
    pose, score = arms()
    for fast, expected in ((True, 3), (False, 9)):
        made, calls = crops(fast=fast), []
        for _ in range(9):
            made.look(IMAGE, pose, score, lambda calls=calls: calls.append(1) or [None, None])
        assert len(calls) == expected
    made = crops(reading(RIGHT))
    left, right = made.look(IMAGE, pose, score, lambda: [reading(LEFT, 0.8), None])
    assert left is not None and left.presence == pytest.approx(0.8) and right is not None
    # a detector that gives one hand to both sides is believed once
    left, right = crops().look(IMAGE, pose, score, lambda: [reading(LEFT), reading(LEFT)])
    assert left is not None and right is None


def test_a_surer_look_replaces_an_unsure_one() -> None:
    pose, score = arms()
    made = crops(reading(LEFT, 0.3))
    made.look(IMAGE, pose, score, nothing)
    left, _ = made.look(IMAGE, pose, score, nothing)
    assert left is not None and left.presence == pytest.approx(0.3)
    left, _ = made.look(IMAGE, pose, score, nothing) if made._turn % 3 else (left, None)
    made._turn = 2  # the detector's turn
    left, _ = made.look(IMAGE, pose, score, lambda: [reading(LEFT, 0.95), None])
    assert left is not None and left.presence == pytest.approx(0.95)


def test_a_known_hand_is_blurred_for_the_other() -> None:
    noise = np.random.default_rng(0).integers(0, 255, IMAGE.shape, dtype=np.uint8)
    seen = hand_crops._without(noise, [LEFT[:, :2]], np.array([400.0, 200.0]), 100.0)
    changed = (seen != noise).any(2)
    middle = LEFT[:, :2].mean(0).astype(int)
    assert changed[middle[1], middle[0]] and changed.mean() < 0.02
    assert hand_crops._without(noise, [LEFT[:, :2]], np.array([100.0, 200.0]), 100.0) is noise
    pose, score = arms()
    pose[[12, 14, 16, 18, 20]] += [150, 0]  # the right hand beside the left one
    right = RIGHT + np.array([150, 0, 0], np.float32)
    made = crops(reading(LEFT), reading(right))
    for _ in range(2):  # where the arm ends, and where it was
        made._network.seen = []
        assert None not in made.look(noise, pose, score, nothing)
        assert (made._network.seen[0] == noise).all() and (made._network.seen[-1] != noise).any()
    beyond = hand((-300, -300))[:, :2]
    assert (hand_crops._without(noise, [beyond], beyond[0], 100.0) == noise).all()


def test_beyond_the_picture_its_border_goes_on() -> None:
    taken = []
    network = object.__new__(HandNetwork)
    network._run = lambda x: (
        taken.append(x) or (np.full((1, 63), 112.0), np.ones((1, 1)), None, np.zeros((1, 63)))
    )
    one = network.read(IMAGE, Square(np.array([0.0, 240.0]), 112.0, 0.0))
    assert taken[0].shape == (1, 224, 224, 3) and taken[0] == pytest.approx(90 / 255)
    assert one.points[0] == pytest.approx(
        [0, 240, 112 * 0.5 / 0.4]
    )  # the middle of the square; depths are scaled
    turned = network.read(IMAGE, Square(np.array([50.0, 60.0]), 448.0, np.pi / 2))
    assert turned.points[0, :2] == pytest.approx([50, 60], abs=1e-4)


def test_a_bundle_without_the_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="hand_landmarks_detector"):
        HandNetwork(tmp_path / "none.task")
    with zipfile.ZipFile(tmp_path / "empty.task", "w") as file:
        file.writestr("x", b"")
    with pytest.raises(DependencyError, match="hand_landmarks_detector"):
        HandNetwork(tmp_path / "empty.task")
    with zipfile.ZipFile(tmp_path / "broken.task", "w") as file:
        file.writestr("hand_landmarks_detector.tflite", b"TFL3 no model")
    with pytest.raises(DependencyError, match="neither"):
        HandNetwork(tmp_path / "broken.task")


def _frames(path: Path, every: int = 1) -> list[np.ndarray]:
    with open_video(path) as video:
        return [np.ascontiguousarray(frame.image) for i, frame in enumerate(video) if i % every == 0]


def test_litert_and_opencv_agree(models, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed (the extra 'movenet')")
    one = HandNetwork(models["hand_landmarker_full"])
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    other = HandNetwork(models["hand_landmarker_full"])
    assert one.fast and not other.fast
    image = _frames(videos / "sign_yes.mkv", 30)[1]
    square = Square(np.array([430.0, 430.0]), 160.0, 2.9)
    a, b = one.read(image, square), other.read(image, square)
    assert a.points == pytest.approx(b.points, abs=0.05) and a.presence == pytest.approx(b.presence, abs=1e-3)


def test_the_network_reads_as_mediapipe_does(models, videos: Path) -> None:
    """Given the square that MediaPipe follows a hand by, the same joints come out."""
    plain = MediaPipePose(parts="pose+hands", hand_model=models["hand_landmarker_full"], hand_crops=False)
    network = HandNetwork(models["hand_landmarker_full"])
    before, away = None, []
    with plain:
        for i, image in enumerate(_frames(videos / "sign_sister.mkv")[42:60]):
            found = plain.estimate(image, i / 30)
            size = np.array([image.shape[1], image.shape[0]])
            now = found[0].xy[33:54] * size if found and found[0].score[33] > 0 else None
            if before is not None and now is not None:
                away.append(np.abs(network.read(image, square_of_hand(before)).points[:, :2] - now).max())
            before = now
    assert len(away) > 8 and np.median(away) < 0.5


def _share(path: Path, models, every: int = 1, **options) -> tuple[np.ndarray, list]:
    """Share of frames with the left and with the right hand, and the detections."""
    made = []
    with MediaPipePose(parts="pose+hands", hand_model=models["hand_landmarker_full"], **options) as estimator:
        for i, image in enumerate(_frames(path, every)):
            made.append(estimator.estimate(image, i * every / 30))
    there = np.array([d[0].score[[33, 54]] > 0 if d else [False, False] for d in made])
    return there.mean(0), made


@pytest.mark.slow
def test_more_hands_are_found_and_none_where_there_is_none(models, videos: Path) -> None:
    with_crops, _ = _share(videos / "sign_eat.mkv", models)
    without, _ = _share(videos / "sign_eat.mkv", models, hand_crops=False)
    assert with_crops[1] > without[1] + 0.1
    assert with_crops[0] == 0  # the left hand is below the picture from beginning to end
    nobody, _ = _share(videos / "no_whole_person.mp4", models, every=10)
    assert nobody.max() == 0


@pytest.mark.slow
def test_metres_and_picture_tell_the_same_hands(models, videos: Path) -> None:
    _, image = _share(videos / "sign_yes.mkv", models, every=4)
    _, world = _share(videos / "sign_yes.mkv", models, every=4, coordinates="world")
    for a, b in zip(image, world, strict=True):
        assert len(a) == len(b)
        if not a:
            continue
        assert (a[0].score == b[0].score).all() and a[0].xy == pytest.approx(b[0].xy)
        for start, wrist in ((33, 15), (54, 16)):
            if b[0].score[start]:
                rows = b[0].xyz[start : start + 21]
                assert rows[0] == pytest.approx(b[0].xyz[wrist], abs=1e-5)
                assert 0.04 < np.linalg.norm(rows[9] - rows[0]) < 0.14  # a palm in metres
                # x to the left, y up: the picture's axes turned by half a turn
                seen, metres = a[0].xy[start + 9] - a[0].xy[start], rows[9, :2] - rows[0, :2]
                if np.linalg.norm(seen) > 0.05:
                    assert seen @ metres < 0


@pytest.mark.slow
def test_signs_keep_their_share_of_hands(models, videos: Path) -> None:
    """Share of wrists of which the pose is sure that have a hand, over the ten videos of signs."""
    total = np.zeros(2)
    for path in sorted(videos.glob("sign_*.mkv")):
        _, made = _share(path, models)
        for found in made:
            for start, wrist in ((33, 15), (54, 16)):
                inside = (
                    found and found[0].score[wrist] > 0.5 and (np.abs(found[0].xy[wrist] - 0.5) < 0.5).all()
                )
                total += [bool(inside and found[0].score[start] > 0), bool(inside)]
    assert total[0] / total[1] > 0.85


@pytest.mark.parametrize("wanted", [True, False])
def test_the_option_reaches_every_landmarker(models, monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    from skelact.pose import mediapipe_pose
    from skelact.pose.makers import make_mediapipe

    asked = []
    real = mediapipe_pose.HandCrops
    monkeypatch.setattr(mediapipe_pose, "HandCrops", lambda *a, **k: asked.append(1) or real(*a, **k))
    for people in ("one", "many"):
        asked.clear()
        make_mediapipe(people, "pose+hands", hand_crops=wanted).close()
        assert bool(asked) == wanted
    make_mediapipe("one", "pose").close()
    assert len(asked) == (1 if wanted else 0)  # no hands, no network for them


@pytest.mark.parametrize("people", slow_but(["one", "many"], "one"))
def test_live_hands_are_read_by_two_threads(
    models, videos: Path, monkeypatch: pytest.MonkeyPatch, people: str
) -> None:
    """Whoever was made before the source was known to be live and whoever is made afterwards; the same numbers."""
    from skelact.pose.makers import make_mediapipe

    images, answers, threads = _frames(videos / "sign_want.mkv")[36:46], [], []
    real = hand_crops.HandNetwork
    monkeypatch.setattr(hand_crops, "HandNetwork", lambda b, n: threads.append(n) or real(b, n))
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    for live in (False, True):
        with closing(make_mediapipe(people, "pose+hands")) as estimator:
            assert set(threads) == {1}
            threads.clear()
            if live:
                follow_live(estimator)
                assert set(threads) == {2}
                threads.clear()
            answers.append([estimator.estimate(image, k / 30) for k, image in enumerate(images)])
            if isinstance(estimator, SeveralPeople):
                landmarkers = estimator._landmarkers
                while landmarkers._idle:
                    landmarkers.take()
                assert landmarkers.take().background is live  # a further one, for somebody more
            assert not threads or threads[-1] == 1 + live
            threads[:] = [1]
    plain, hurried = answers
    assert any(found and found[0].score[33:].any() for found in plain)
    if people == "one":  # of several, live ones are looked for beside following, and found later
        for a, b in zip(plain, hurried, strict=True):
            assert all(np.array_equal(x.xyz, y.xyz) for x, y in zip(a, b, strict=True))


def test_without_a_network_the_palm_detector_does(models, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    from skelact.pose import mediapipe_pose

    def fail(*_: object, **__: object) -> None:
        raise DependencyError("no OpenCV that reads TFLite")

    monkeypatch.setattr(mediapipe_pose, "HandCrops", fail)
    with MediaPipePose(parts="pose+hands", hand_model=models["hand_landmarker_full"]) as estimator:
        assert estimator.estimate(IMAGE, 0.0) == []
    assert "not looked for: no OpenCV" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [True, False])
def test_after_forgetting_it_does_not_matter_when_it_began(models, videos: Path, wanted: bool) -> None:
    """Long videos are looked at in pieces: what comes after a mark must not depend on what was before."""
    images = _frames(videos / "sign_want.mkv")
    later = []
    for before in (range(0, 12), range(36, 44)):
        with MediaPipePose(
            parts="pose+hands", hand_model=models["hand_landmarker_full"], hand_crops=wanted
        ) as estimator:
            for k, i in enumerate(before):
                estimator.estimate(images[i], k / 30)
            estimator.forget()
            later.append([estimator.estimate(images[i], i / 30) for i in range(12, 24)])
    for one, other in zip(*later, strict=True):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            # MediaPipe's memory of the pose's visibility fades slowly; the hands have none
            assert np.array_equal(a.xy, b.xy) and np.array_equal(a.score[33:], b.score[33:])
    assert any(d and d[0].score[33:].any() for d in later[0])
