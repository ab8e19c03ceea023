"""The network that ships with the package: what it is, what it knows, and how it is used and started from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from skelact.cli import run
from skelact.commands.ui import UI
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_clip
from skelact.datasets.synthetic.everyday import EVERYDAY_CLASSES, make_everyday
from skelact.recognition import Recogniser, fit_input
from skelact.recognition.checkpoint import find_checkpoint, load_checkpoint
from skelact.recognition.engine import predict_logits
from skelact.recognition.everyday import SHIPPED, everyday_for
from skelact.skeleton import Skeleton

UNSEEN = 5_000_000  # numbers of clips that no training and no held-out part had


def test_they_are_small_and_say_what_they_are() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.values()) <= 3e6
    for name, dims in (("everyday", 3), ("everyday-2d", 2)):
        assert everyday_for(dims) == name
        state, card = load_checkpoint(name)
        assert card.label_names == list(EVERYDAY_CLASSES) and card.dims == dims
        assert card.model["name"] == "skelactnet" and card.model["causal"] is True
        assert card.trained["on"] == "synthetic people" and card.origin == "camera"
        assert all(v.dtype == torch.float16 for v in state.values() if v.is_floating_point())


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_checkpoint("everyday") == SHIPPED["everyday"]
    monkeypatch.chdir(tmp_path)
    Path("everyday").mkdir()
    Path("everyday/best.safetensors").write_bytes(b"")
    assert find_checkpoint("everyday") == Path("everyday/best.safetensors")


@pytest.mark.parametrize("form", ["3d", "2d"])
def test_they_know_synthetic_people_whom_they_never_saw(form: str) -> None:
    recogniser = Recogniser(everyday_for(int(form[0])))
    data = SkeletonSet.from_skeletons(list(make_everyday(4, form=form, first=UNSEEN)), list(EVERYDAY_CLASSES))  # type: ignore[arg-type]
    network = recogniser.ensemble.members[0].network
    logits = predict_logits(network, data, torch.arange(len(data)), recogniser.pipeline)[:, 0]
    assert (logits.argmax(1) == data.labels).float().mean() > 0.7


def test_a_kinect_walk_and_wave_are_named() -> None:
    recogniser = Recogniser("everyday")
    said = []
    for action in ("walk", "wave", "clap", "sit_down", "stand_up", "kick"):
        clip, _ = fit_input(make_clip(action, subject=3), recogniser.card, recogniser.pipeline)
        said.append(best(recogniser, clip) == action)
    assert np.mean(said) >= 4 / 6


def best(recogniser: Recogniser, clip) -> str:
    found = recogniser.recognise(clip)
    return found.label_names[int(found.probabilities[0].mean(0).argmax())]


def test_predict_needs_no_checkpoint(tmp_path: Path) -> None:
    from skelact.commands.predict import Options, predict
    from skelact.io.ntu import write_ntu

    source = tmp_path / "S001C002P003R001A010.skeleton"
    write_ntu(make_clip("wave", subject=3), source)
    done = predict(Options(source=str(source), out=str(tmp_path / "out")), UI(quiet=True, silent=True))
    assert done["segments"] and {row["label"] for row in done["segments"]} <= set(EVERYDAY_CLASSES)


def test_the_form_follows_the_recording() -> None:
    from skelact.commands.predict import Options, choose_everyday

    flat = next(iter(make_everyday(1, form="2d")))
    name, rest = choose_everyday(Options(), False, iter([flat]))
    assert name == "everyday-2d" and [clip.id for clip in rest] == [flat.id]
    assert choose_everyday(Options(), False, iter([make_clip("wave", subject=1)]))[0] == "everyday"
    for estimator, form in (("auto", "everyday"), ("mediapipe", "everyday"), ("movenet", "everyday-2d")):
        assert choose_everyday(Options(estimator=estimator), True, [])[0] == form


def test_what_is_asked_of_the_estimator_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.commands.predict import Options, pose_of_video
    from skelact.layouts import get_layout

    asked = {}

    def extract(source: str, **options: object) -> None:
        asked.update(options, source=source)
        raise InterruptedError

    monkeypatch.setattr("skelact.pose.extract.extract_video", extract)
    options = Options(
        source="a.mp4",
        estimator="m.onnx",
        pose_layout="coco17",
        quality="heavy",
        min_score=0.4,
        fov=70.0,
        people="one",
    )
    for form, coordinates in (("everyday-2d", "image"), ("everyday", "camera")):
        with pytest.raises(InterruptedError):
            pose_of_video(options, Recogniser(form), UI(quiet=True, silent=True))
        assert asked["coordinates"] == coordinates and asked["estimator"] == "m.onnx"
        assert (asked["quality"], asked["min_score"], asked["fov"], asked["people"]) == (
            "heavy",
            0.4,
            70.0,
            "one",
        )
        assert asked["pose_layout"] == get_layout("coco17")


def test_a_training_starts_from_it_in_its_size(tmp_path: Path) -> None:
    from skelact.commands.train import read_experiment, train
    from skelact.io.store import StoreWriter

    clips = [make_clip(action, subject=s) for action in ("wave", "kick") for s in range(1, 7)]
    file = tmp_path / "few.h5"
    with StoreWriter(file, layout=clips[0].layout) as store:
        for clip in clips:
            store.append(clip)
    words = ["--data", str(file), "--train.epochs", "1", "--out", str(tmp_path), "--train.repeat", "1"]
    ui = UI(quiet=True, silent=True)
    plain, _ = read_experiment([*words], ui)
    experiment, _ = read_experiment([*words, "--init-from", "everyday"], ui)
    card = load_checkpoint("everyday")[1]
    assert experiment.train.init_from == "everyday" and plain.train.init_from == ""
    assert list(experiment.model.channels) == list(card.model["channels"]) != list(plain.model.channels)
    train(experiment, ui)
    state, _ = load_checkpoint(tmp_path / experiment.name)
    shipped, _ = load_checkpoint("everyday")
    same = [
        k
        for k in shipped
        if k in state and shipped[k].shape == state[k].shape and k.endswith("convs.0.weight")
    ]
    near = [
        torch.nn.functional.cosine_similarity(state[k].float().flatten(), shipped[k].float().flatten(), 0)
        for k in same
    ]
    assert same and min(near) > 0.5  # one short epoch has not carried them away


@pytest.mark.slow
def test_whom_nobody_can_read_in_metres_is_looked_at_in_the_picture(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A surveillance camera of 144 lines; a network that is named is not replaced."""
    from skelact.pose import extract as extraction
    from skelact.pose.estimators import available_estimator

    if available_estimator("auto") != "auto":
        pytest.skip("MoveNet cannot be had here")
    video, look = shared_data / "fight-surv" / "fi001.mp4", extraction.extract_video

    def blind_in_metres(source: str, **options: Any) -> Skeleton:
        metres = options["coordinates"] != "image"
        return look(source, **options | ({"people": "none"} if metres else {}))

    monkeypatch.setattr(extraction, "extract_video", blind_in_metres)
    assert run(["predict", str(video), "--out", str(tmp_path)]) == 0
    assert "in the picture alone: MoveNet, everyday-2d" in " ".join(capsys.readouterr().out.split())
    assert json.loads((tmp_path / "fi001.predictions.json").read_text())
    assert run(["predict", "everyday", str(video), "--out", str(tmp_path / "other")]) == 3
    assert not (tmp_path / "other").exists()
