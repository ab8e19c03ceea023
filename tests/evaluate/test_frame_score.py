"""Frame metrics by hand."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.frames import events_of, score_frames, score_probabilities

TRUTH = [list("rrrrggggrr"), list("ggrr")]
FOUND = [list("rrgrrgggrr"), list("grrr")]
TIMES = [np.arange(10) / 10, np.arange(4) / 2]


def test_by_hand() -> None:
    score = score_frames(TRUTH, FOUND, TIMES, ["r"])
    assert score.accuracy == pytest.approx(11 / 14)
    assert score.per_class == {"g": pytest.approx(2 * 4 / (6 + 5))} and score.macro_f1 == pytest.approx(
        8 / 11
    )
    # first: one stray segment, one of 3 frames on 4; second: 1 frame on 2
    assert score.segment_f1 == {k: pytest.approx(2 * 2 / (2 * 2 + 1)) for k in (0.1, 0.25, 0.5)}
    assert score.edit == pytest.approx((1 / 2 + 1) / 2)
    assert score.delays == [pytest.approx(0.1), 0.0] and score.found == 1 and score.n_segments == 2
    both = score_frames(TRUTH, FOUND, TIMES)
    assert set(both.per_class) == {"g", "r"} and both.n_segments == 5
    assert both.to_dict()["f1@50"] == both.segment_f1[0.5]


def test_frames_without_a_label_do_not_count() -> None:
    truth = [[*"rr", "", *"gg"]]
    score = score_frames(truth, [list("rrggr")], [np.arange(5.0)], ["r"])
    assert score.accuracy == pytest.approx(3 / 4) and score.delays == [0.0]
    for wrong in ([[""] * 5], [["r"] * 4], []):
        with pytest.raises(DataError):
            score_frames(wrong, [list("rrggr")][: len(wrong)], [np.arange(5.0)][: len(wrong)])


def test_per_frame_average_precision_by_hand() -> None:
    truth = [["g", "r", "h", ""], ["r", "g"]]
    g, h = (
        [0.9, 0.8, 0.1, 1.0, 0.2, 0.4],
        [0.0, 0.1, 0.3, 1.0, 0.7, 0.2],
    )  # the unlabelled frame is the surest
    rows = np.array([g, h, np.zeros(6)]).T
    found = score_probabilities(truth, [rows[:4], rows[4:]], ["g", "h", "r"], ["r"])
    # g at ranks 1 and 3 of 5 frames, h at rank 2; calibrated with w = 3/2 and 4
    assert found.per_class == {"g": pytest.approx((1 + 2 / 3) / 2), "h": pytest.approx(1 / 2)}
    assert found.calibrated == {"g": pytest.approx((1 + 3 / 4) / 2), "h": pytest.approx(4 / 5)}
    plain = found.to_dict()
    assert plain["frame_map"] == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert plain["calibrated_map"] == pytest.approx((7 / 8 + 4 / 5) / 2)
    with pytest.raises(DataError, match="3 classes each"):
        score_probabilities(truth, [rows[:4], rows[4:, :2]], ["g", "h", "r"])
    with pytest.raises(DataError, match="nothing to compare with"):
        score_probabilities([[""]], [rows[:1]], ["g", "h", "r"])


def test_runs_are_events_in_seconds() -> None:
    events = events_of([*"rrg", "", *"gg"], np.arange(6) / 2, ["r"], np.array([1, 1, 0.5, 1, 0.6, 0.8]))
    assert [(e.label, e.start, e.end, round(e.score, 6)) for e in events] == [
        ("g", 1.0, 1.5, 0.5),
        ("g", 2.0, 3.0, 0.7),
    ]


def test_recordings_must_be_as_many() -> None:
    with pytest.raises(DataError, match="the same recordings"):
        score_frames([["a"]], [["a"], ["a"]], [np.zeros(1)], set())
