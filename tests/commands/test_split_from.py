"""``--split-from`` of convert and extract: parts that are written down."""

from __future__ import annotations

from pathlib import Path

from cli_helpers import refused, skelact, tree
from motion_pictures import encode, pan

from skelact.io.store import Store


def parts_of(path: Path) -> dict[str, list[str]]:
    with Store(path) as store:
        return {name: [str(store.clips["id"][i]) for i in rows] for name, rows in store.splits.items()}


def test_convert_with_lists(raw: Path, tmp_path: Path) -> None:
    files = sorted(raw.glob("*.skeleton"))
    train, test = tmp_path / "train.txt", tmp_path / "test.txt"
    train.write_text("\n".join(f.name for f in files[:7]))
    test.write_text("\n".join([*(f.stem for f in files[7:10]), "S099C001P001R001A001"]))
    words = ("convert", raw, "--out", tmp_path / "set.h5", "--split-from", f"train={train}", f"test={test}")
    done = skelact(*words, "--json")
    assert done.code == 0, done.err
    assert parts_of(tmp_path / "set.h5") == {
        "lists/train": [f.stem for f in files[:7]], "lists/test": [f.stem for f in files[7:10]],
    }  # fmt: skip
    assert done.json["splits"] == {"lists/train": 7, "lists/test": 3}
    notes = done.json["split_notes"]
    assert notes[0] == "1 name of --split-from is no clip: S099C001P001R001A001"
    assert notes[1].startswith("2 clips are in no part of 'lists'") and all(
        note in done.err for note in notes
    )


def test_convert_with_a_table_and_a_benchmark(raw: Path, tmp_path: Path) -> None:
    files = sorted(raw.glob("*.skeleton"))
    table = tmp_path / "parts.csv"
    rows = "\n".join(f"{f.name},{'train' if i < 6 else 'test'},{i % 2}" for i, f in enumerate(files))
    table.write_text(f"file,split,fold\n{rows}\n")
    words = ("convert", raw, "--out", tmp_path / "set.h5", "--benchmark", "ntu60")
    done = skelact(*words, "--split-from", f"{table}:fold", table, "--json")
    assert done.code == 0 and done.json["split_notes"] == [], done.err
    parts = parts_of(tmp_path / "set.h5")
    assert {"fold/0", "fold/1", "split/train", "split/test", "xsub/train", "xsub/test"} <= parts.keys()
    assert parts["fold/1"] == [f.stem for f in files[1::2]]


def test_what_does_not_fit_is_said_before_anything_is_read(raw: Path, tmp_path: Path) -> None:
    table = tmp_path / "parts.csv"
    table.write_text("clip,split\nnobody,train\n")
    words = ("convert", raw, "--out", tmp_path / "set.h5", "--split-from")
    assert "leave one out" in refused(2, *words, table, "--split", 0.5, 0.25, 0.25)
    assert "no column 'fold'" in refused(3, *words, f"{table}:fold")
    assert "takes FILE.csv" in refused(2, *words, "parts.txt")
    assert tree(tmp_path) == {"parts.csv"}
    said = refused(3, *words, table)  # known only with the names of the clips
    assert "none of the 1 name" in said and not (tmp_path / "set.h5").exists()


def test_extract_with_a_list(tmp_path: Path) -> None:
    for label in ("left", "right"):
        (tmp_path / "videos" / label).mkdir(parents=True)
        for k in range(2):
            encode(tmp_path / "videos" / label / f"{label}{k}.mp4", pan(4, (2, 0), 32, 32, seed=k))
    table = tmp_path / "parts.csv"
    table.write_text("video,split\nleft0.mp4,train\nright/right0.mp4,train\nleft1.mp4,test\n")
    words = ("extract", tmp_path / "videos", "--people", "none", "--out", tmp_path / "set.h5", "--split-from")
    done = skelact(*words, table)
    assert done.code == 0 and "1 clip is in no part of 'split'" in done.out, done.err
    found = {part: sorted(Path(i).stem for i in ids) for part, ids in parts_of(tmp_path / "set.h5").items()}
    assert found == {"split/train": ["left0", "right0"], "split/test": ["left1"]}
    table.write_text("video,split\nnobody,train\n")
    assert "none of the 1 name" in refused(3, *words[:-2], tmp_path / "other.h5", "--split-from", table)
