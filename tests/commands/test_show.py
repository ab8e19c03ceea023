"""``skelact show``: pages of files, sets and videos; what cannot be shown is refused and nothing is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import refused, skelact, tree

from skelact.datasets.synthetic import make_clip
from skelact.io.store import write_store
from skelact.skeleton import Skeleton


def data(page: Path) -> dict[str, Any]:
    """What a page holds."""
    found = re.findall(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(found[0])


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file(raw: Path, tmp_path: Path) -> None:
    file = sorted(raw.glob("*.skeleton"))[0]
    done = skelact("show", file, "--json")
    assert done.code == 0 and tree(tmp_path) == {f"{file.stem}.html"}
    shown = done.json["recordings"]
    assert [r["id"] for r in shown] == [file.stem] and shown[0]["dims"] == 3 and shown[0]["frames"] > 10
    held = data(tmp_path / f"{file.stem}.html")
    assert held["title"] == file.name and held["compare"] is False and held["minScore"] == 0.2
    assert held["recordings"][0]["label"] == shown[0]["label"] and done.json["page"] == f"{file.stem}.html"
    before = (tmp_path / f"{file.stem}.html").read_bytes()
    said = refused(3, "show", file)
    assert "exists already" in said and "--overwrite" in said
    assert (tmp_path / f"{file.stem}.html").read_bytes() == before
    assert skelact("show", file, "--overwrite", "--min-visibility", 0.5).code == 0
    assert data(tmp_path / f"{file.stem}.html")["minScore"] == 0.5


def test_real_recordings(shared_data: Path, tmp_path: Path) -> None:
    for source, people, frames in (
        ("ntu/S001C003P008R002A058.skeleton", 2, 70),
        ("gesture-phase/a1_raw.csv", 1, 1747),
        ("natops/NATOPS_TEST.ts", 1, 51),
        ("urfd-pose", 1, None),
    ):
        done = skelact(
            "show", shared_data / source, "--out", "page.html", "--overwrite", "--most", 3, "--json"
        )
        assert done.code == 0, done.err
        first = done.json["recordings"][0]
        assert first["people"] == people and frames in (None, first["frames"])
        assert (tmp_path / "page.html").stat().st_size == done.json["bytes"] < 3e6


def test_clips_of_a_set(dataset: Path, tmp_path: Path) -> None:
    from skelact.io.store import Store

    with Store(dataset) as store:
        ids = [str(one) for one in store.clips["id"]]
        part = next(name for name in store.splits if name.endswith("/test"))
        test = [ids[k] for k in store.splits[part]]
    shown = lambda *words: [r["id"] for r in data(tmp_path / "set.html")["recordings"]]  # noqa: E731
    done = skelact("show", dataset, "--most", 2)
    assert done.code == 0 and shown() == ids[:2] and f"2 of {len(ids)} clips" in done.out
    assert data(tmp_path / "set.html")["compare"] is False
    assert skelact("show", dataset, "--split", part, "--overwrite").code == 0 and shown() == test
    assert skelact("show", dataset, "--clip", ids[4], 1, "--overwrite").code == 0 and shown() == [
        ids[4],
        ids[1],
    ]
    assert data(tmp_path / "set.html")["compare"] is True
    said = refused(2, "show", dataset, "--clip", "nobody", "--overwrite")
    assert "nobody" in said and f"0 to {len(ids) - 1}" in said and shown() == [ids[4], ids[1]]
    said = refused(3, "show", dataset, "--split", "tests", "--overwrite")
    assert "tests" in said and part in said
    assert "one of them" in refused(2, "show", dataset, "--split", "test", "--clip", 1)


def test_clips_of_a_folder(raw: Path, tmp_path: Path) -> None:
    names = sorted(p.stem for p in raw.glob("*.skeleton"))
    done = skelact("show", raw, "--clip", names[2], "--out", "a.html", "--json")
    assert done.code == 0 and [r["id"] for r in done.json["recordings"]] == [names[2]]
    assert "skelact file" in refused(2, "show", raw, "--split", "test", "--out", "b.html")
    assert tree(tmp_path) == {"a.html"}


def test_two_are_compared_whatever_their_layouts(raw: Path, tmp_path: Path) -> None:
    flat = Skeleton(
        np.random.default_rng(0).uniform(0, 1, (1, 9, 17, 2)), None, "coco17", 25, "px", id="flat"
    )
    write_store(tmp_path / "flat.h5", [flat, flat.with_(id="other")])
    file = sorted(raw.glob("*.skeleton"))[0]
    done = skelact("show", file, "flat.h5", "--json")
    page = Path(done.json["page"])
    assert done.code == 0 and page.name == f"{file.stem}_flat.html"
    held = data(tmp_path / page)
    assert held["compare"] and [r["layout"] for r in held["recordings"]] == ["ntu25", "coco17"]
    assert [r["flat"] for r in held["recordings"]] == [False, True]
    done = skelact("show", file, file, "--json", "--out", "same.html")
    assert [r["id"] for r in done.json["recordings"]] == [file.stem, f"{file.stem} (2)"]
    done = skelact("show", "flat.h5", "flat.h5", "--clip", 1, "flat", "--json", "--out", "clips.html")
    assert [r["id"] for r in done.json["recordings"]] == ["other", "flat"]
    assert "two" in refused(2, "show", file, "flat.h5", "--clip", 1)


def test_a_part(raw: Path, tmp_path: Path) -> None:
    file = sorted(raw.glob("*.skeleton"))[0]
    done = skelact("show", file, "--start", 0.5, "--seconds", 1, "--json")
    assert done.json["recordings"][0]["frames"] == 30
    said = refused(3, "show", file, "--start", 500, "--out", "b.html")
    assert "no frame from 500" in said and not (tmp_path / "b.html").exists()


def test_what_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.evaluate.show import record

    monkeypatch.setattr(record, "MAX_BYTES", 1 << 12)
    write_store(tmp_path / "a.h5", [make_clip("wave", subject=1)])
    said = refused(3, "show", "a.h5")
    assert "--start SECONDS --seconds SECONDS" in said and tree(tmp_path) == {"a.h5"}
    assert skelact("show", "a.h5", "--seconds", 0.3).code == 0


def test_a_set_with_a_clip_that_shows_nobody(tmp_path: Path) -> None:
    clip = make_clip("wave", subject=1)
    nobody = clip.with_(id="nobody", score=np.zeros_like(clip.score), info={"video": "a.mp4"})
    write_store(tmp_path / "a.h5", [clip, nobody])
    done = skelact("show", "a.h5", "--json")
    assert done.code == 4 and [r["id"] for r in done.json["recordings"]] == [clip.id]
    assert done.json["failed"][0][0] == "nobody" and "nobody" in done.err
    said = refused(3, "show", "a.h5", "--clip", "nobody", "--out", "b.html")
    assert "shows nobody" in said and tree(tmp_path) == {"a.h5", "a.html"}


@pytest.mark.parametrize(
    ("words", "code", "hints"),
    [
        ((), 2, ("name one recording",)),
        (("a", "b", "c"), 2, ("two to compare", "3")),
        (("none.skeleton",), 3, ("none.skeleton does not exist",)),
        (("text.txt",), 3, ("no known format", "ntu")),
        (("broken.skeleton",), 3, ("broken.skeleton",)),
        (("a.mp4",), 3, ("a.mp4",)),
        (("a.mp4", "--clip", "1"), 2, ("is a video", "--clip")),
        (("0",), 2, ("no end", "--seconds")),
        (("text.txt", "--out", "a.txt"), 2, ("a.txt", "page.html")),
        (("text.txt", "--seconds", "0"), 2, ("--seconds must be above 0",)),
        (("text.txt", "--start", "-1"), 2, ("--start must be at least 0",)),
        (("text.txt", "--min-visibility", "2"), 2, ("0..1",)),
        (("text.txt", "--most", "0"), 2, ("--most must be at least 1",)),
        (("page.html", "--out", "page.html"), 2, ("is an input",)),
    ],
)
def test_what_is_refused(words: tuple[str, ...], code: int, hints: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "broken.skeleton").write_text("12\n1\n")
    (tmp_path / "page.html").write_text("x")
    (tmp_path / "a.mp4").write_bytes(b"no video" * 99)
    before = tree(tmp_path)
    said = refused(code, "show", *words)
    assert all(hint in said for hint in hints), said
    assert tree(tmp_path) == before


def test_a_browser_is_opened_if_wished(raw: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import webbrowser

    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or len(opened) == 1)
    file = sorted(raw.glob("*.skeleton"))[0]
    closed = skelact("show", file, "--out", "a.html")
    assert closed.code == 0 and opened == [] and "open it in a browser" in closed.out
    assert skelact("show", file, "--out", "b.html", "--open").code == 0
    assert opened == [(tmp_path / "b.html").as_uri()]
    assert "open c.html yourself" in skelact("show", file, "--out", "c.html", "--open").out


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Takes the estimator's place: a person who walks through a rendered video."""
    from skelact.pose import extract

    asked = []

    def look(source: object, **options: Any) -> Skeleton:
        asked.append({"source": source, **options})
        clip = make_clip("wave", subject=1, noise=None)
        xyz = np.array(clip.xyz) if options["coordinates"] == "camera" else clip.xyz[..., :2]
        picture = np.full((*clip.xyz.shape[:3], 2), 0.5, np.float32)
        picture[..., 1] = np.linspace(0.2, 0.8, clip.xyz.shape[2])
        unit = "m" if options["coordinates"] == "camera" else "image"
        return clip.with_(xyz=xyz, unit=unit, picture=picture, info={"width": 320, "height": 240}, id="video")

    monkeypatch.setattr(extract, "extract_video", look)
    return asked


def write_film(path: Path, n: int = 85) -> None:
    from skelact.io.video import Frame, write_video

    grey = np.full((240, 320, 3), 90, np.uint8)
    write_video(path, [Frame(k, k / 30, grey).image for k in range(n)], 30)


def test_a_video(seen: list[dict[str, Any]], tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4")
    done = skelact("show", "film.mp4", "--start", 1, "--seconds", 2, "--quality", "lite", "--json")
    assert done.code == 0 and done.json["page"] == "film.html" and done.json["recordings"][0]["unit"] == "m"
    assert seen[0]["start"] == 1 and seen[0]["seconds"] == 2 and seen[0]["quality"] == "lite"
    done = skelact("show", "film.mp4", "--estimator", "movenet", "--overwrite", "--json")
    assert done.json["recordings"][0]["unit"] == "image" and done.json["recordings"][0]["dims"] == 2
    assert seen[1]["coordinates"] == "image"


def test_extract_draws_skeletons_without_a_checkpoint(seen: list[dict[str, Any]], tmp_path: Path) -> None:
    from skelact.io.video import open_video

    write_film(tmp_path / "film.mp4")
    done = skelact("extract", "film.mp4", "--overlay", "drawn.mp4", "--json")
    assert (
        done.code == 0 and done.json["overlay"] == "drawn.mp4" and tree(tmp_path) == {"film.mp4", "drawn.mp4"}
    )
    with open_video(tmp_path / "drawn.mp4") as video:
        frames = [frame.image for frame in video]
    assert len(frames) == 85
    for frame in frames[::20]:
        line = frame[60:180, 150:170].astype(int)
        assert (np.abs(line - 90).max(-1) > 60).any(), "the skeleton stands in the middle of the picture"
        assert np.abs(frame[:, :100].astype(int) - 90).max() < 30
    said = refused(3, "extract", "film.mp4", "--overlay", "drawn.mp4")
    assert "drawn.mp4 exists already" in said and "--overwrite" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("film.mp4", "more.mp4", "--overlay", "a.mp4"), "one video file"),
        ((".", "--overlay", "a.mp4"), "one video file"),
        (("0", "--seconds", "1", "--overlay", "a.mp4"), "one video file"),
        (("film.mp4", "--people", "none", "--overlay", "a.mp4"), "one video file"),
        (("film.mp4", "--overlay", "a.png"), "a.png names no kind of video"),
        (("film.mp4", "--overlay", "film.mp4", "--overwrite"), "film.mp4 is an input"),
    ],
)
def test_overlays_that_cannot_be(words: tuple[str, ...], hint: str, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"x")
    assert hint in refused(2, "extract", *words) and tree(tmp_path) == {"film.mp4"}
