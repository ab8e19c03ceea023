"""Pictures are written whole; the report needs nothing else and survives hostile names."""

import base64
import csv
import json
import re

import numpy as np
import pytest

from skelact.datasets.synthetic import SensorNoise, make_clip
from skelact.errors import DataError
from skelact.evaluate import plots
from skelact.evaluate.calibration import calibration_metrics
from skelact.evaluate.metrics import classification_metrics, softmax
from skelact.evaluate.report import (
    Cards,
    Code,
    Example,
    Picture,
    Section,
    Table,
    Text,
    write_evaluation_report,
    write_report,
)
from skelact.io.files import atomic_path

HOSTILE = [
    "<script>alert(1)</script>",
    "a&b",
    '"quoted" onload="x"',
    "$\\frac{a",
    "日本語",
    "=cmd|' /C calc'!A0",
    "x" * 300,
]
HISTORY = [
    {"epoch": i + 1, "train_loss": 2.0 / (i + 1), "val_top1": 0.1 * i, "lr": 0.1, "note": "x"}
    | ({"val_loss": 1.0} if i else {})
    for i in range(6)
]  # fmt: skip


@pytest.fixture(scope="module")
def results():
    rng = np.random.default_rng(0)
    y = rng.integers(7, size=140)
    logits = rng.normal(size=(140, 7)) + 2 * np.eye(7)[y]
    return classification_metrics(logits, y, HOSTILE), calibration_metrics(softmax(logits), y)


def size(path):
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def dark(path):
    from PIL import Image

    return np.asarray(Image.open(path).convert("L")) < 200


def ink(path):
    return float(dark(path).mean())


def cut_off(path):
    """Whether something dark is drawn at the very edge of a picture."""
    pixels = dark(path)
    return any(edge.any() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))


def test_every_picture_is_drawn(tmp_path, results):
    result, calibration = results
    p = np.random.default_rng(0).dirichlet(np.ones(7), size=30)
    pushed = make_clip("push", subject=1, noise=SensorNoise(missing=1.0))
    segment = {"start": 0, "end": 1, "label": HOSTILE[0], "person": 3, "score": 0.5}
    flat = pushed.with_(xyz=pushed.xyz[..., :2], unit="px")
    many = [f"class {i}" for i in range(60)]
    drawn = [
        plots.plot_curves(HISTORY, tmp_path / "sub" / "curves.png"),
        plots.plot_curves([{"top1": 0.5}], tmp_path / "one.png"),
        plots.plot_confusion(result.confusion, HOSTILE, tmp_path / "confusion.png"),
        plots.plot_confusion(np.ones((60, 60)), many, tmp_path / "confusion60.png"),
        plots.plot_reliability(calibration, tmp_path / "reliability.png"),
        plots.plot_per_class(result, tmp_path / "per_class.png"),
        plots.plot_skeleton_strip(pushed, tmp_path / "strip.png"),
        plots.plot_skeleton_strip(flat, tmp_path / "strip2d.png", n=3),
        plots.plot_timeline([segment], 4, tmp_path / "t.png"),
        plots.plot_timeline([], 4, tmp_path / "empty.png"),
        plots.plot_probabilities_over_time(np.arange(30) / 10, p, HOSTILE, tmp_path / "p.png"),
    ]  # fmt: skip
    for path in drawn:
        width, height = size(path)
        assert 300 < width < 5000 and 200 < height < 3000, path
        assert ink(path) > 0.003, path
        assert not cut_off(path), path
    assert not list(tmp_path.rglob("*.part"))


def test_people_who_cross_the_picture_are_drawn_as_large_as_those_who_stand(tmp_path):
    clip = make_clip("wave", subject=1, noise=None)
    away = np.linspace(0, 6, clip.n_frames, dtype=np.float32)[None, :, None]
    walking = clip.with_(xyz=clip.xyz + np.stack([away, 0 * away, 0 * away], -1))
    standing = plots.plot_skeleton_strip(clip, tmp_path / "standing.png")
    assert size(plots.plot_skeleton_strip(walking, tmp_path / "walking.png"))[0] < 1.3 * size(standing)[0]
    fall = plots.plot_skeleton_strip(make_clip("fall_forward", subject=1), tmp_path / "fall.png")
    assert size(fall)[0] < 1500 and size(fall)[0] / size(fall)[1] < 6  # its words can be read on a page
    hidden = np.array(walking.score)
    hidden[:, 3:6] = 0  # frames without anybody have no middle
    assert ink(plots.plot_skeleton_strip(walking.with_(score=hidden), tmp_path / "hidden.png")) > 0.003


@pytest.mark.slow
def test_missing_joints_are_not_drawn(tmp_path):
    clip = make_clip("wave", subject=1, noise=None)
    score = np.array(clip.score)
    score[:, :, 5:12] = 0
    moved = clip.xyz + np.where(score > 0, 0, 5.0)[..., None]
    whole = plots.plot_skeleton_strip(clip, tmp_path / "a.png", n=4)
    partly = plots.plot_skeleton_strip(clip.with_(score=score), tmp_path / "b.png", n=4)
    elsewhere = plots.plot_skeleton_strip(clip.with_(score=score, xyz=moved), tmp_path / "c.png", n=4)
    assert ink(partly) < 0.9 * ink(whole) and partly.read_bytes() == elsewhere.read_bytes()
    score[:, ::2] = 0
    sometimes = plots.plot_skeleton_strip(clip.with_(score=score), tmp_path / "d.png", n=clip.n_frames)
    always = plots.plot_skeleton_strip(clip, tmp_path / "e.png", n=clip.n_frames)
    assert ink(sometimes) < 0.5 * ink(always)
    with pytest.raises(DataError, match="no joint"):
        plots.plot_skeleton_strip(clip.with_(score=np.zeros_like(score)), tmp_path / "c.png")


def test_strips_stand_upright_whichever_way_y_points():
    clip = make_clip("wave", subject=1, noise=None)
    head, foot, left, right = clip.layout.positions("head", "left_foot", "left_shoulder", "right_shoulder")
    for turned in (clip, clip.with_(xyz=clip.xyz * [-1, -1, 1])):
        view = plots._project(turned, 0.0)[0, 0]
        assert view[head, 1] > view[foot, 1] + 1
        assert view[left, 0] > view[right, 0]  # facing us


def test_wrong_shapes_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(DataError, match="no history"):
        plots.plot_curves([], tmp_path / "x.png")
    with pytest.raises(DataError, match="confusion matrix of 2"):
        plots.plot_confusion(np.ones((3, 3)), ["a", "b"], tmp_path / "x.png")
    with pytest.raises(DataError, match="duration"):
        plots.plot_timeline([], 0, tmp_path / "x.png")
    with pytest.raises(DataError, match="segment 0"):
        plots.plot_timeline([{"start": 0}], 1, tmp_path / "x.png")
    with pytest.raises(DataError, match="probabilities must be"):
        plots.plot_probabilities_over_time(np.zeros(2), np.zeros((3, 1)), ["a"], tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_long_names_leave_the_labels_of_the_axes_whole(tmp_path):
    names = [f"pick up thing {i} with hands" for i in range(10)]
    assert not cut_off(plots.plot_confusion(np.eye(10), names, tmp_path / "c.png"))


def test_the_report_is_self_contained_and_escaped(tmp_path, results):
    result, calibration = results
    clip = make_clip("kick", subject=1).with_(label=HOSTILE[0], id="</figcaption>")
    page = write_evaluation_report(
        tmp_path, result, calibration, history=HISTORY,
        examples=[Example(clip, HOSTILE[0], 0.9, HOSTILE[2]), Example(clip, "b", float("nan"))],
        title="<b>title</b>", subtitle="a < b", command='skelact evaluate "x" & <y>', facts={"<k>": "<v>"},
        more_metrics={"loss": float("nan")},
    )  # fmt: skip
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html.lower() and "<b>title" not in html and "&lt;b&gt;title&lt;/b&gt;" in html
    assert "</figcaption></figcaption>" not in html and "&lt;k&gt;" in html and ' onload="' not in html
    linked = re.findall(r"(?:src|href)\s*=\s*[\"']?(.{0,22})", html)
    assert len(linked) == 6 and all(x == "data:image/png;base64," for x in linked)
    assert not re.search(r"https?://|@import|url\(", html)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) == 6
    assert all(base64.b64decode(p).startswith(b"\x89PNG") for p in pictures)
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {
        "curves.png", "confusion.png", "per_class.png", "reliability.png", "example_1.png", "example_2.png"
    }  # fmt: skip
    assert f"{100 * result.top1:.1f} %" in html and "prefers-color-scheme:dark" in html
    folded = html[html.index("<summary>All figures</summary>") :]
    assert "weighted precision" in folded and html.count("weighted precision") == 1
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["top1"] == pytest.approx(result.top1) and metrics["loss"] is None
    assert metrics["calibration"]["ece"] == pytest.approx(calibration.ece)
    rows = list(csv.DictReader((tmp_path / "per_class.csv").open(encoding="utf-8", newline="")))
    assert [r["name"] for r in rows] == HOSTILE and int(rows[0]["support"]) == result.per_class[0].support
    assert not list(tmp_path.rglob("*.part"))


def test_the_report_lists_what_is_taken_for_what(tmp_path):
    labels, guesses = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1, 2])
    result = classification_metrics(np.eye(3)[guesses], labels, ["walk", "run", "jump"])
    html = write_evaluation_report(tmp_path, result).read_text()
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", html)]
    assert ["walk", "run", "2", "0.500"] in rows and ["run", "jump", "1", "0.500"] in rows
    assert not any(row[:2] == ["run", "walk"] for row in rows)


def test_dark_pages_invert_drawings_and_not_photographs(tmp_path):
    picture = plots.plot_timeline([], 1, tmp_path / "figures" / "t.png")
    blocks = [Picture(picture, "drawn"), Picture(picture, "seen", photo=True)]
    html = write_report(tmp_path / "r.html", "t", [Section("s", blocks)]).read_text()
    assert html.count("<img class=photo ") == 1 and html.count("<img alt=") == 1
    assert "figure img:not(.photo){filter:invert" in html


def test_a_page_of_every_block(tmp_path):
    elsewhere = plots.plot_timeline([], 1, tmp_path / "away" / "t.png")
    table = Table(("n", "x"), [("<u>", 0.5), ("v", None)], ("x",))
    blocks = [Text("one\n\ntwo <i>"), Cards([("a", "1", "")]), table, Code("<code>"), Picture(elsewhere, "c")]
    page = write_report(tmp_path / "out" / "r.html", "t", [Section("s", blocks, folded=True)])
    html = page.read_text()
    assert (
        "<p>one</p><p>two &lt;i&gt;</p>" in html
        and "&lt;u&gt;" in html
        and "0.500" in html
        and "<details>" in html
    )
    opened, closed = (re.findall(rf"<{slash}(\w+)", html) for slash in ("", "/"))
    alone = {"meta", "img"}
    assert sorted(name for name in opened if name not in alone) == sorted(closed)
    assert (tmp_path / "out" / "figures" / "t.png").read_bytes() == elsewhere.read_bytes()
    with pytest.raises(DataError, match="cannot read the picture"):
        write_report(tmp_path / "no.html", "t", [Section("s", [Picture(tmp_path / "none.png")])])
    (tmp_path / "fake.png").write_text("no picture")
    with pytest.raises(DataError, match="no PNG"):
        write_report(tmp_path / "no.html", "t", [Section("s", [Picture(tmp_path / "fake.png")])])
    assert not (tmp_path / "no.html").exists()


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic_path(tmp_path / "a.txt") as part:
        part.write_text("half")
        raise ValueError("stop")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot write"), atomic_path(tmp_path / "file" / "b.txt"):
        pass
