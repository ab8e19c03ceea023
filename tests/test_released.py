"""Imported checkpoints: from raw file over a converted set to the logits of the release's own input."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from commands.cli_helpers import refused, skelact
from commands.test_import_weights import released_stgcn
from models.published_helpers import bodies_of, walker, write_kinetics_raw, write_raw

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import CheckpointError, ConfigError, DataError
from skelact.io.convert import convert
from skelact.io.ntu import read_ntu
from skelact.io.store import StoreWriter, read_store, write_store
from skelact.layouts import partition
from skelact.models.published import INPUTS, from_published, published_input
from skelact.recognition import Recogniser, load_model
from skelact.recognition.checkpoint import load_checkpoint, save_checkpoint
from skelact.recognition.released import ReleasedPipeline

NTU = [name for name in INPUTS if "ntu" in INPUTS[name].makers]
NAMES = ("S001C001P001R001A001", "S001C001P002R001A002", "S001C001P003R001A002")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three raw files: noise and a late second person, a changed id and empty frames, one person."""
    folder = tmp_path_factory.mktemp("raw")
    a, b, c = walker(60, 0), walker(60, 1, 1.0), walker(60, 2, -1.0)
    spans = ({6: (20, b[:30]), 5: (0, a), 7: (40, c[:5])}, {5: (2, a[:30]), 9: (34, a[30:50])}, {8: (0, c)})
    for name, bodies in zip(NAMES, spans, strict=True):
        write_raw(folder / f"{name}.skeleton", bodies_of(bodies, 60), states="22212220")
    return folder


@pytest.fixture(scope="module")
def converted(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set") / "x.h5"
    assert skelact("convert", raw, "--out", path).code == 0
    return path


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.save(released_stgcn(), folder / "a.pth")
    done = skelact("import-weights", "stgcn", folder / "a.pth", folder / "a.safetensors")
    assert done.code == 0, done.err
    return folder / "a.safetensors"


def packed(x: np.ndarray) -> torch.Tensor:
    """``[C, T, V, M]`` as people ``[M, T, V, C]``."""
    return torch.from_numpy(x.transpose(3, 1, 2, 0).copy())


@pytest.mark.parametrize("name", NTU)
def test_sets_give_what_raw_files_give(raw: Path, converted: Path, name: str) -> None:
    data = SkeletonSet.open(converted)
    assert data.ids == list(NAMES)
    for stream in INPUTS[name].streams:
        pipeline = ReleasedPipeline(streams=[stream], release=name)
        for views in {1, INPUTS[name].views}:
            clips = None if INPUTS[name].clips is None else views
            files = [published_input(name, raw / f"{i}.skeleton", stream, clips=clips) for i in NAMES]
            for v in range(views):
                batch = pipeline(data, torch.tensor([2, 0, 1]), view=(v, views))
                expected = [packed(f if clips is None else f[v]) for f in (files[2], files[0], files[1])]
                assert torch.equal(batch.x, torch.cat(expected)) and batch.score.all()
                assert batch.owner.tolist() == [0, 0, 1, 1, 2, 2]
                assert torch.equal(batch.label, data.labels[[2, 0, 1]])


@pytest.mark.parametrize("name", ["stgcn", "2s_agcn", "ctrgcn", "stgcnpp_pyskl"])
def test_real_sets_give_what_raw_files_give(shared_data: Path, tmp_path: Path, name: str) -> None:
    convert(shared_data / "ntu", tmp_path / "x.h5", format="ntu", workers=0)
    data = SkeletonSet.open(tmp_path / "x.h5")
    batch = ReleasedPipeline(streams=["joint"], release=name)(data, torch.arange(4))
    clips = None if INPUTS[name].clips is None else 1
    for k, sample in enumerate(data.ids):
        x = published_input(name, shared_data / "ntu" / f"{sample}.skeleton", clips=clips)
        assert torch.equal(batch.x[2 * k : 2 * k + 2], packed(x if clips is None else x[0]))


@pytest.mark.slow
def test_evaluate_and_predict_take_the_releases_input(
    raw: Path, converted: Path, imported: Path, tmp_path: Path
) -> None:
    network = from_published("stgcn", released_stgcn())
    expected = []
    with torch.no_grad():
        for name in NAMES:
            x = packed(published_input("stgcn", raw / f"{name}.skeleton"))
            expected.append(network(x, torch.zeros(2, dtype=torch.int64))[0])
    logits = torch.stack(expected)
    probability = logits.softmax(1)
    done = skelact("evaluate", imported, converted, "--out", tmp_path / "report", "--json")
    assert done.code == 0, done.err
    right = (probability.argmax(1) == torch.tensor([0, 1, 1])).float().mean()
    assert done.json["top1"] == pytest.approx(float(right)) and done.json["views"] == 1
    data = SkeletonSet.open(converted)
    (seen,) = Recogniser(imported).ensemble.member_logits(data, torch.arange(3), 2)
    assert torch.allclose(seen[:, 0], logits, atol=1e-4)
    source = raw / f"{NAMES[1]}.skeleton"
    done = skelact("predict", imported, source, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    (recording,) = json.loads((tmp_path / f"{NAMES[1]}.predictions.json").read_text())["recordings"]
    (window,) = recording["windows"]
    assert np.allclose(window["probabilities"][0], probability[1], atol=2e-4)
    assert recording["seconds"] == 2 and recording["segments"][0]["end"] == 2
    assert skelact("predict", imported, converted, "--out", tmp_path / "set", "--json").code == 0
    assert skelact("inspect", imported).code == 0


def test_sets_that_hold_too_little(raw: Path, converted: Path, imported: Path, tmp_path: Path) -> None:
    """Old sets, rounded ones and changed recordings: refused with what to do, before anything is computed."""
    whole = read_store(converted)
    write_store(tmp_path / "old.h5", [s.with_() for s in whole])
    with StoreWriter(tmp_path / "half.h5", layout="ntu25", dtype="float16") as writer:
        for recording in whole:
            writer.append(recording)
    for name in ("old", "half"):
        said = refused(3, "evaluate", imported, tmp_path / f"{name}.h5", "--out", tmp_path / "r")
        assert "3 of 3 clips" in said and "skelact convert" in said and "release 'stgcn'" in said
        assert not (tmp_path / "r").exists()
    said = refused(3, "predict", imported, tmp_path / "old.h5", "--out", tmp_path / "r")
    assert "skelact convert" in said
    convert(raw, tmp_path / "tied.h5", to_layout="ntu25_tied", workers=0)
    assert "ntu25_tied" in refused(3, "evaluate", imported, tmp_path / "tied.h5")


@pytest.mark.slow
def test_recordings_that_cannot_be_read_are_left_out(
    raw: Path, converted: Path, imported: Path, tmp_path: Path
) -> None:
    """One without what its raw file says, one that is longer than the release holds: the third counts."""
    long = bodies_of({6: (0, walker(310, 0))}, 310)
    write_raw(tmp_path / f"{NAMES[1]}.skeleton", long)
    whole = {s.id: s for s in read_store(converted)}
    kept = NAMES[2]
    mixed = [whole[NAMES[0]].with_(label=whole[kept].label), read_ntu(tmp_path / f"{NAMES[1]}.skeleton")]
    write_store(tmp_path / "mixed.h5", [*mixed, whole[kept]])
    done = skelact("evaluate", imported, tmp_path / "mixed.h5", "--out", tmp_path / "r", "--json")
    assert done.code == 4 and set(done.json["left_out"]) == {NAMES[0], NAMES[1]}, done.err
    assert "2 of 3 clips cannot be read" in done.err and "skelact convert" in done.err
    (report,) = (tmp_path / "r").glob("*.html")
    assert "1 clip of mixed.h5" in report.read_text(encoding="utf-8")
    assert "2 more cannot be read" in report.read_text(encoding="utf-8")
    write_store(tmp_path / "one.h5", [whole[kept]])
    alone = skelact("evaluate", imported, tmp_path / "one.h5", "--out", tmp_path / "one", "--json")
    assert alone.code == 0 and alone.json["top1"] == done.json["top1"] and alone.json["left_out"] == {}


def test_what_a_release_does_not_do(raw: Path, converted: Path, imported: Path, tmp_path: Path) -> None:
    source = raw / f"{NAMES[0]}.skeleton"
    for words in (["--window", "1"], ["--stride", "1"], ["--mode", "each"]):
        assert "whole recordings" in refused(2, "predict", imported, source, *words)
    assert "looks at a recording once" in refused(2, "evaluate", imported, converted, "--views", "5")
    assert "not videos" in refused(3, "predict", imported, tmp_path / "some.mp4")
    with pytest.raises(ConfigError, match="for tests only"):
        ReleasedPipeline(release="stgcn")(SkeletonSet.open(converted), torch.arange(1), training=True)
    with pytest.raises(CheckpointError, match="unknown published model"):
        ReleasedPipeline(release="nothing")
    said = refused(2, "import-weights", "stgcn", "a.pth", "b", "--stream", "bone")
    assert "stream of the release 'stgcn' 'bone'; allowed: joint" in said


def test_checkpoints_of_older_imports(imported: Path, tmp_path: Path) -> None:
    state, card = load_checkpoint(imported)
    del card.pipeline["release"], card.pipeline["channels_in"]
    save_checkpoint(tmp_path / "old.safetensors", state, card)
    with pytest.raises(CheckpointError, match="import the weights again"):
        load_model(tmp_path / "old.safetensors")


def test_fused_releases_keep_their_input(raw: Path, converted: Path, imported: Path, tmp_path: Path) -> None:
    assert skelact("fuse", imported, imported, "--equal", "--out", tmp_path / "fused").code == 0
    data = SkeletonSet.open(converted)
    fused = Recogniser(tmp_path / "fused").ensemble
    alone = Recogniser(imported).ensemble.member_logits(data, torch.arange(3))[0]
    assert all(torch.equal(z, alone) for z in fused.member_logits(data, torch.arange(3)))


def test_views_are_averaged_as_probabilities(raw: Path, converted: Path, imported: Path) -> None:
    """A release of several clips (PYSKL): one decision from the mean of their probabilities."""
    recogniser = Recogniser(imported)
    member = recogniser.ensemble.members[0]
    member.pipeline = recogniser.pipeline = ReleasedPipeline(streams=["joint"], release="stgcnpp_pyskl")
    recogniser.card.config["views"] = 10
    found = recogniser.recognise(read_ntu(raw / f"{NAMES[0]}.skeleton"))
    clips = published_input("stgcnpp_pyskl", raw / f"{NAMES[0]}.skeleton", clips=10)
    x = torch.cat([packed(clip) for clip in clips])
    with torch.no_grad():
        logits = from_published("stgcn", released_stgcn())(x, torch.arange(10).repeat_interleave(2))
    assert np.allclose(found.probabilities[0][0], logits.softmax(1).mean(0), atol=1e-4)


def test_sets_of_kinetics_files(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frames = {t: [random.random((18, 3)) for _ in range(t % 4)] for t in range(3, 20)}
    write_kinetics_raw(tmp_path / "clip.json", frames)
    convert(tmp_path / "clip.json", tmp_path / "x.h5", workers=0)
    data = SkeletonSet.open(tmp_path / "x.h5")
    for name in ("stgcn", "msg3d"):
        batch = ReleasedPipeline(release=name)(data, torch.arange(1))
        assert torch.equal(batch.x, packed(published_input(name, tmp_path / "clip.json")))
    with pytest.raises(
        DataError, match=r"recording 'clip' comes from a file of format 'kinetics'.*reads ntu"
    ):
        ReleasedPipeline(release="ctrgcn")(data, torch.arange(1))


def test_the_score_is_a_channel(tmp_path: Path) -> None:
    """ST-GCN for Kinetics: x, y and score, from JSON over a set to the logits."""
    state = released_stgcn(5)
    state["A"] = torch.as_tensor(partition("openpose18", "spatial_released"), dtype=torch.float32)
    for key, value in state.items():
        if key.startswith("data_bn") and value.ndim:
            state[key] = value[:54]
        elif key.startswith("edge_importance"):
            state[key] = value[:, :18, :18]
    torch.save(state, tmp_path / "a.pth")
    assert skelact("import-weights", "stgcn", tmp_path / "a.pth", tmp_path / "a.st").code == 0
    frames = {t: [np.random.default_rng(t).random((18, 3))] for t in range(1, 20)}
    write_kinetics_raw(tmp_path / "clip.json", frames)
    done = skelact("predict", tmp_path / "a.st", tmp_path / "clip.json", "--out", tmp_path)
    assert done.code == 0, done.err
    (recording,) = json.loads((tmp_path / "clip.predictions.json").read_text())["recordings"]
    x = packed(published_input("stgcn", tmp_path / "clip.json"))
    with torch.no_grad():
        logits = from_published("stgcn", state)(x, torch.zeros(2, dtype=torch.int64))
    assert np.allclose(recording["windows"][0]["probabilities"][0], logits.softmax(1)[0], atol=2e-4)


@pytest.mark.slow
def test_posec3d_takes_volumes(tmp_path: Path) -> None:
    """From a pickle over a set to the network: the release's own volumes, each clip also in a mirror."""
    from models.test_posec3d import SlowOnly

    torch.manual_seed(0)
    usual = SlowOnly(17, 4).eval()
    state = {
        ("cls_head." if key.startswith("fc_cls") else "backbone.") + key: value
        for key, value in usual.state_dict().items()
    }
    torch.save(state, tmp_path / "a.pth")
    assert skelact("import-weights", "posec3d_pyskl", tmp_path / "a.pth", tmp_path / "a.st").code == 0
    random = np.random.default_rng(0)
    entries = [
        {
            "frame_dir": f"clip{k}", "label": k, "img_shape": (240, 320), "total_frames": 50,
            "keypoint": random.uniform(20, 200, (k + 1, 50, 17, 2)).astype(np.float16),
            "keypoint_score": random.random((k + 1, 50, 17)).astype(np.float16),
        }
        for k in range(2)
    ]  # fmt: skip
    (tmp_path / "p.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": entries}))
    convert(tmp_path / "p.pkl", tmp_path / "x.h5", workers=0, label_names=[f"class {k}" for k in range(4)])
    recogniser = Recogniser(tmp_path / "a.st")
    data = SkeletonSet.open(tmp_path / "x.h5")
    (logits,) = recogniser.ensemble.member_logits(data, torch.arange(2), 2, views=2)
    _, card, _ = load_model(tmp_path / "a.st")
    assert card.config["views"] == 20 and (card.dims, card.unit) == (2, "px")
    for k in range(2):
        volumes = torch.from_numpy(
            published_input("posec3d_pyskl", tmp_path / "p.pkl", clips=1, recording=f"clip{k}")
        )
        with torch.no_grad():
            expected = usual(volumes)
        assert torch.allclose(logits[k], expected, atol=1e-5)
    with pytest.raises(ConfigError, match="looks at each clip 2 times"):
        recogniser.ensemble.member_logits(data, torch.arange(2), 2, views=3)
    done = skelact("evaluate", tmp_path / "a.st", tmp_path / "x.h5", "--views", "2", "--out", tmp_path / "r")
    assert done.code == 0, done.err
