"""Who does what, where and when: boxes of skeletons and tables, actions with places, what is written."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.io.ava import ActionBoxes
from skelact.recognition.person_tracks import (
    Detection,
    PersonTrack,
    locate,
    tracks_of_skeleton,
    tracks_of_table,
)
from skelact.recognition.recogniser import Recognition, Segment
from skelact.skeleton import Skeleton

A, B = [0.0, 0.0, 0.2, 0.4], [0.4, 0.0, 0.6, 0.4]


def test_boxes_lie_around_the_joints_that_are_seen() -> None:
    xyz = np.zeros((2, 3, 8, 2), np.float32)
    score = np.zeros((2, 3, 8), np.float32)
    xyz[0, :, :3] = [[0.2, 0.4], [0.4, 0.8], [0.3, 0.5]]
    score[0, [0, 2], :3] = 1
    xyz[0, 1, 0], score[0, 1, 0] = [0.9, 0.9], 1  # one joint alone is no box
    recording = Skeleton(
        xyz, score, "natops8", 10, unit="image", info={"width": 200, "height": 100}, track_ids=[7, 9]
    )
    (track,) = tracks_of_skeleton(recording, margin=0.1)  # nobody sees 9
    # 0.2 x 0.4 of 200 x 100 pixels: 40 x 40 pixels, and 4 more on each side
    assert track.person == 7 and track.times.tolist() == [0, 0.2]
    assert np.allclose(track.boxes, [[0.18, 0.36, 0.42, 0.84]] * 2, atol=1e-6)
    with pytest.raises(DataError, match="does not say where its joints are in a picture"):
        tracks_of_skeleton(recording.with_(unit="m"))


def test_a_place_between_two_boxes() -> None:
    track = PersonTrack(0, np.array([1.0, 2.0, 5.0]), np.array([A, B, B]), bridge=1.0)
    assert track.at(1.0).tolist() == A and track.at(2.0).tolist() == B
    assert track.at(1.25) == pytest.approx([0.1, 0, 0.3, 0.4])
    assert track.at(3.0) is None  # not seen for three seconds
    assert track.at(0.6).tolist() == A and track.at(0.4) is None and track.at(5.6) is None


def test_people_of_a_table() -> None:
    table = ActionBoxes(
        ["v", "v", "v", "v", "w"], [2, 1, 1, 1, 1], [A, A, A, B, B], [1, 1, 2, 1, 1], None, [3, 3, 3, 5, 3]
    )
    three, five = tracks_of_table(table, "v")
    assert (three.person, five.person) == (3, 5)
    assert three.times.tolist() == [1, 2] and three.boxes.tolist() == [A, A] and five.boxes.tolist() == [B]
    unknown = tracks_of_table(ActionBoxes(["v"] * 3, [1, 1, 1], [A, B, A], [1, 1, 2]), "v")
    assert [t.boxes.tolist() for t in unknown] == [[A], [B]]
    with pytest.raises(DataError, match=r"no row for video 'x'; it has v, w"):
        tracks_of_table(table, "x")
    with pytest.raises(DataError, match="person 3 of video 'v' has two boxes at 1 s"):
        tracks_of_table(ActionBoxes(["v"] * 2, [1, 1], [A, B], [1, 1], None, [3, 3]), "v")


def make_recognition(people: list[int], segments: list[Segment], mode: str) -> Recognition:
    none = [np.zeros(0)] * len(people)
    return Recognition(["walk", "wave"], people, none, none, segments, 1.0, mode)


def test_actions_get_the_places_of_their_people() -> None:
    times = np.arange(0, 4.05, 0.1)
    tracks = [
        PersonTrack(4, times, np.tile(A, (len(times), 1))),
        PersonTrack(6, times[10:21], np.tile(B, (11, 1))),
    ]
    segments = [
        Segment(4, "walk", -0.5, 2.0, 0.9),
        Segment(4, "wave", 2.0, 9.0, 0.8),
        Segment(6, "wave", 0, 9, 0.7),
    ]
    found = locate(make_recognition([4, 6], segments, "each"), tracks)
    assert [(a.person, a.label) for a in found.actions] == [(4, "walk"), (4, "wave"), (6, "wave")]
    assert [a.start for a in found.actions] == pytest.approx([0, 2, 1])
    assert [a.end for a in found.actions] == pytest.approx([2, 4.1, 2.1])
    assert [a.label for a in found.doing(4, 1.0)] == ["walk"] and not found.doing(6, 0.5)
    table = found.to_table("v", rate=2)
    rows = list(zip(table.time, table.person, table.action, strict=True))
    assert rows == sorted(
        [(t / 2, 4, 1 if t < 4 else 2) for t in range(9)] + [(t / 2, 6, 2) for t in (2, 3, 4)]
    )
    assert table.box[table.person == 6].tolist() == [B] * 3 and set(table.score[table.person == 6]) == {0.7}
    plain = found.to_plain()
    assert plain["tubes"][2]["label"] == "wave" and len(plain["tubes"][2]["boxes"]) == 11
    assert len(plain["tubes"][0]["times"]) == 20
    together = locate(make_recognition([-1], [Segment(-1, "wave", 0, 9, 0.6)], "group"), tracks)
    assert [(a.person, a.label) for a in together.actions] == [(4, "wave"), (6, "wave")]
    assert len(Detection(["walk"], tracks, []).to_table("v")) == 0
