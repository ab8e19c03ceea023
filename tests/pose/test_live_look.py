"""Looking for newcomers live: in a thread of its own, and less often while nothing changes."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from skelact.io.video import open_video
from skelact.pose.background_look import BackgroundLook
from skelact.pose.estimator import Detection, follow_live
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.pose.follower import Follower
from skelact.pose.stillness import Stillness

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
real = pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real videos are not here")


def waited(look: BackgroundLook) -> object:
    deadline = time.monotonic() + 20
    while (found := look.take()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


def test_a_look_holds_nobody_up_and_is_answered_once() -> None:
    goes, seen = threading.Event(), []

    def find(image: np.ndarray) -> list[Detection]:
        goes.wait(20)
        seen.append(threading.get_ident())
        if image[0, 0, 0] == 9:
            raise OSError("no")
        return []

    look = BackgroundLook(find)
    picture = np.zeros((4, 4, 3), np.uint8)
    look.ask(picture, 1.5, {})
    assert look.busy and look.take() is None
    goes.set()
    found = waited(look)
    assert (found.time, found.image is picture, found.found) == (1.5, True, [])  # type: ignore[attr-defined]
    assert not look.busy and look.take() is None and seen != [threading.get_ident()]
    look.ask(np.full((4, 4, 3), 9, np.uint8), 2.0, {})
    with pytest.raises(OSError, match="no"):
        waited(look)
    look.ask(picture, 3.0, {})
    look.drop()
    assert not look.busy and look.take() is None
    look.close()
    look.close()


def test_only_what_changes_beside_people_counts() -> None:
    rng = np.random.default_rng(0)
    room = rng.integers(60, 200, (240, 320, 3)).astype(np.uint8)
    still, box = Stillness(), np.array([200.0, 60.0, 260.0, 200.0])
    assert still.changed(room, [])  # nothing was kept
    still.keep(room)
    noisy = np.clip(room + rng.normal(0, 6, room.shape), 0, 255).astype(np.uint8)
    moves, comes = noisy.copy(), noisy.copy()
    moves[60:200, 200:260] = 20
    comes[80:230, 20:60] = 20
    assert not still.changed(noisy, []) and not still.changed(moves, [box])
    assert still.changed(moves, []) and still.changed(comes, [box])
    assert still.changed(np.zeros((120, 160, 3), np.uint8), [])  # a picture of another size


@pytest.mark.slow
@real
def test_newcomers_are_found_beside_following() -> None:
    """As many people, with one name each, and the finder asked no more often than a still room needs."""
    pytest.importorskip("ai_edge_litert")
    found: dict[bool, list[int]] = {}
    for background in (False, True):
        names: set[int | None] = set()
        with closing(find_estimator(available_estimator("auto")).make("many", coordinates="image")) as finder:
            finder.background = background  # type: ignore[attr-defined]
            looks = finder._finder.find  # type: ignore[attr-defined]
            asked: list[int] = []

            def find(image: np.ndarray, looks=looks, asked=asked) -> list[Detection]:
                asked.append(threading.get_ident())
                return looks(image)

            finder._finder.find = finder._aside._find = find  # type: ignore[attr-defined]
            counts = []
            with open_video(VIDEOS / "stagger_no_fall.mp4") as video:
                for frame in islice(video, 45):
                    people = finder.estimate(frame.image, frame.time)
                    while background and finder._aside.busy and not finder._aside._answer.done():  # type: ignore[attr-defined]
                        time.sleep(0.002)  # a slow machine must not change the answer
                    counts.append(len(people))
                    names |= {one.track_id for one in people}
        found[background] = counts
        assert len(names) == 1 and len(asked) <= 6
        assert background == any(one != threading.get_ident() for one in asked)
    assert found[False][5:] == found[True][5:] == [1] * 40


@real
def test_who_is_lost_is_looked_for_beside_following(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live, a lost person holds no frame up, and comes back with their name."""
    pytest.importorskip("ai_edge_litert")
    with closing(find_estimator(available_estimator("auto")).make("many", coordinates="world")) as finder:
        follow_live(finder)
        looks, here = finder._finder.find, []  # type: ignore[attr-defined]

        def find(image: np.ndarray) -> list[Detection]:
            here.append(threading.current_thread() is threading.main_thread())
            return looks(image)

        finder._finder.find = finder._aside._find = find  # type: ignore[attr-defined]
        names = []
        with open_video(VIDEOS / "stagger_no_fall.mp4") as video:
            for k, frame in enumerate(islice(video, 40)):
                with monkeypatch.context() as patch:
                    if 20 <= k < 24:  # MediaPipe loses them
                        patch.setattr(Follower, "look", lambda *_: None)
                    names.append([one.track_id for one in finder.estimate(frame.image, frame.time)])
                while finder._aside.busy and not finder._aside._answer.done():  # type: ignore[attr-defined]
                    time.sleep(0.002)
    assert not any(here) and len(here) > 3
    assert names[20:24].count([]) >= 1 and names[5:20] == [[0]] * 15 and names[26:] == [[0]] * 14
