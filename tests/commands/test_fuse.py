"""``skelact fuse``: members that agree become one checkpoint; what disagrees is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_helpers import skelact

from skelact.commands.fuse import network_key
from skelact.config import Experiment, dump_config
from skelact.datasets.gather import Sampling
from skelact.datasets.parts import DataSettings, choose_parts
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.synthetic import make_set
from skelact.io.store import StoreWriter
from skelact.models import STGCNSettings
from skelact.recognition import Recogniser, load_ensemble, load_model
from skelact.recognition.checkpoint import load_checkpoint, save_checkpoint
from skelact.settings import from_plain
from skelact.skeleton import Skeleton
from skelact.training.settings import TrainSettings


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A joint and a bone network, trained for a moment on one synthetic set."""
    folder = tmp_path_factory.mktemp("fuse")
    with StoreWriter(folder / "set.h5", layout="ntu25") as writer:
        for clip in make_set(48, subjects=range(1, 5), seed=0):
            writer.append(clip)
    for stream in ("joint", "bone"):
        experiment = Experiment(
            name=stream,
            pipeline=Pipeline(Sampling(n_frames=16), streams=[stream]),
            model=STGCNSettings(channels=(8, 16), stride_blocks=(1,)),
            train=TrainSettings(epochs=2, batch_size=16),
            out=str(folder),
        )
        (folder / f"{stream}.yaml").write_text(dump_config(experiment))
        done = skelact("train", folder / f"{stream}.yaml", "--data", folder / "set.h5", "--quiet")
        assert done.code == 0, done.err
    return folder


def test_svm_fusion_is_kept_in_the_checkpoint(runs: Path) -> None:
    out = runs / "svm"
    done = skelact("fuse", runs / "joint", runs / "bone", "--out", out, "--mode", "svm", "--json")
    assert done.code == 0, done.err
    assert done.json["mode"] == "svm" and 0 <= done.json["fused"] <= 1
    ensemble = load_ensemble(out)
    assert ensemble.svm is not None
    logits = [torch.randn(5, len(ensemble.card.label_names)) for _ in range(2)]
    assert torch.equal(ensemble.combine(logits), ensemble.svm(torch.stack(logits)))
    assert ensemble.combine(logits).abs().max() > 0
    refused = skelact("fuse", runs / "joint", runs / "bone", "--out", out, "--mode", "svm", "--equal")
    assert refused.code == 2 and "leave one out" in refused.err


def test_a_fused_checkpoint_answers_for_both(runs: Path) -> None:
    out = runs / "fused"
    done = skelact("fuse", runs / "joint", runs / "bone", "--out", out, "--json")
    assert done.code == 0, done.err
    weights = done.json["weights"]
    assert len(weights) == 2 and min(weights) > 0 and len(done.json["alone"]) == 2
    ensemble = load_ensemble(out)
    assert ensemble.streams == "joint | bone" and ensemble.weights == weights

    from skelact.datasets.skeleton_set import SkeletonSet

    data = SkeletonSet.open(str(runs / "set.h5"))
    clips = torch.arange(5)
    each = ensemble.member_logits(data, clips)
    for stream, logits in zip(("joint", "bone"), each, strict=True):
        assert torch.equal(load_ensemble(runs / stream).member_logits(data, clips)[0], logits)
    expected = sum(w * z.log_softmax(-1) for w, z in zip(weights, each, strict=True))
    assert torch.allclose(ensemble.combine(each), expected)


@pytest.mark.slow
def test_evaluate_and_predict_take_it(runs: Path) -> None:
    out = runs / "fused_equal"
    assert skelact("fuse", runs / "joint", runs / "bone", "--out", out, "--equal").code == 0
    done = skelact("evaluate", out, runs / "set.h5", "--json")
    assert done.code == 0, done.err
    assert [m["streams"] for m in done.json["members"]] == ["joint", "bone"]
    assert all(m["weight"] == 0.5 for m in done.json["members"])
    recogniser = Recogniser(out)
    layout = recogniser.card.skeleton_layout
    clip = Skeleton(np.random.default_rng(0).normal(size=(1, 30, len(layout), 3)), None, layout, 30.0, "m")
    found = recogniser.recognise(clip)
    assert np.allclose(found.probabilities[0].sum(1), 1, atol=1e-5)


def change(source: Path, target: Path, **changes) -> Path:
    state, card = load_checkpoint(source)
    for key, value in changes.items():
        setattr(card, key, value)
    target.mkdir(exist_ok=True)
    save_checkpoint(target / "best.safetensors", state, card)
    return target


def test_members_that_disagree_are_refused(runs: Path) -> None:
    _, card = load_checkpoint(runs / "bone")
    names = list(card.label_names)
    cases = [
        ({"label_names": [*names[1:], names[0]]}, "in another order"),
        ({"label_names": ["unheard", *names[1:]]}, "unheard"),
        ({"unit": "px"}, "in 'px' against 3 in 'm'"),
    ]
    for i, (changes, hint) in enumerate(cases):
        other = change(runs / "bone", runs / f"other{i}", **changes)
        done = skelact("fuse", runs / "joint", other, "--out", runs / "no")
        assert done.code == 3 and hint in done.err, done.err
    assert not (runs / "no").exists()


def test_without_common_validation_clips(runs: Path) -> None:
    _, card = load_checkpoint(runs / "bone")
    config = {**card.config, "data": {**card.config["data"], "val": 0.0}}
    other = change(runs / "bone", runs / "noval", config=config)
    done = skelact("fuse", runs / "joint", other, "--out", runs / "no")
    assert done.code == 2 and "without validation clips" in done.err and "--equal" in done.err
    assert skelact("fuse", runs / "joint").code == 2


def test_a_fused_checkpoint_is_no_single_network(runs: Path) -> None:
    from skelact.errors import CheckpointError

    skelact("fuse", runs / "joint", runs / "bone", "--out", runs / "two", "--equal")
    with pytest.raises(CheckpointError, match="several networks"):
        load_model(runs / "two")


@pytest.mark.slow
def test_without_a_configuration_the_size_decides(runs: Path) -> None:
    done = skelact(
        "train",
        "--data",
        runs / "set.h5",
        "--out",
        runs / "default",
        "--train.epochs",
        1,
        "--train.repeat",
        1,
    )
    assert done.code == 0, done.err
    assert "configs/default_small.yaml is used" in done.out + done.err
    assert (runs / "default" / "set_default_small" / "best.safetensors").is_file()
    assert skelact("train").code == 2


@pytest.mark.slow
def test_weights_from_predictions_out_of_fold(runs: Path) -> None:
    names = []
    for stream in ("joint", "bone"):
        for fold in ("1/2", "2/2"):
            name = f"{stream}{fold[0]}"
            words = (
                "train",
                runs / f"{stream}.yaml",
                "--data",
                runs / "set.h5",
                "--name",
                name,
                "--data.fold",
                fold,
            )
            done = skelact(*words)
            assert done.code == 0 and f"fold {fold} by subject" in done.err + done.out, done.err
            names.append(runs / name)
    out = runs / "folds"
    done = skelact("fuse", runs / "bone", *names[::-1], runs / "joint", "--out", out, "--json")
    assert done.code == 0, done.err
    assert (done.json["clips"], done.json["folds"]) == (48, 2)  # every clip, each by who had not seen it
    ensemble = load_ensemble(out)
    assert ensemble.streams == "bone | joint" and ensemble.weights == done.json["weights"]
    for stream, member in zip(("bone", "joint"), ensemble.members, strict=True):  # the whole networks answer
        own = load_checkpoint(runs / stream)[0]
        assert all(torch.equal(own[k], v) for k, v in member.model.state_dict().items())

    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.fusion import fit_fusion_weights

    data, logits = SkeletonSet.open(str(runs / "set.h5")), []
    for stream in ("bone", "joint"):
        outputs = torch.zeros(48, len(data.label_names))
        for fold in "12":
            path = runs / f"{stream}{fold}"
            settings = from_plain(DataSettings, load_checkpoint(path)[1].config["data"], "")
            _, val = choose_parts(data, settings)
            outputs[val] = load_ensemble(path).member_logits(data, val)[0][:, 0]
        logits.append(outputs.numpy())
    weights = fit_fusion_weights(np.stack(logits), data.labels.numpy())
    assert done.json["weights"] == pytest.approx(weights, abs=1e-3)

    done = skelact("fuse", *names, "--out", runs / "bagged", "--json")  # no whole network: all folds answer
    assert done.code == 0 and len(done.json["weights"]) == 4, done.err
    assert done.json["weights"][0] == done.json["weights"][1] == pytest.approx(weights[1] / 2, abs=1e-3)
    done = skelact("fuse", *names[:3], runs / "bone", "--out", runs / "no")
    assert done.code == 2 and "lacks folds 2/2" in done.err and "--data.fold 2/2" in done.err
    assert skelact("fuse", names[0], names[0], names[1], "--out", runs / "no").code == 2


@pytest.mark.slow
def test_map_does_not_depend_on_how_many_views_are_joined(runs: Path) -> None:
    """With one share for both ends all views are the same, so no figure may move."""
    words = ("train", runs / "joint.yaml", "--data", runs / "set.h5", "--name", "still", "--train.epochs", 1)
    assert skelact(*words, "--pipeline.sampling.crop", 1, 1).code == 0
    figures = [
        skelact("evaluate", runs / "still", "--out", runs / f"views{views}", "--views", views, "--json").json
        for views in (1, 3)
    ]
    for name in ("mean_average_precision", "top1", "ece"):
        assert figures[0][name] == pytest.approx(figures[1][name], abs=1e-9)

    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.metrics import average_precision

    data = SkeletonSet.open(str(runs / "set.h5"))
    logits = load_ensemble(runs / "still").member_logits(data, torch.arange(len(data)))[0][:, 0]
    labels = data.labels.numpy()
    by = [
        float(np.mean([average_precision(s[:, k], labels == k) for k in np.unique(labels)]))
        for s in (logits.softmax(-1).numpy(), logits.numpy())
    ]
    assert figures[0]["mean_average_precision"] == pytest.approx(by[0], abs=1e-6) and by[0] != pytest.approx(
        by[1]
    )


def test_networks_of_older_cards_are_the_same_network(runs: Path) -> None:
    """Settings had other names, and new ones were not there; the channels are what they are."""
    card = load_checkpoint(runs / "joint")[1]
    old = replace(
        card,
        model={("strided" if key == "stride_blocks" else key): value for key, value in card.model.items()},
        pipeline={
            **card.pipeline,
            "sampling": {
                k: v for k, v in card.pipeline["sampling"].items() if k not in ("rates", "test_share")
            },
        },
    )
    assert network_key(old) == network_key(card)
    assert network_key(replace(card, model={**card.model, "dropout": 0.3})) != network_key(card)
    assert network_key(replace(card, pipeline={**card.pipeline, "streams": ["bone"]})) != network_key(card)


def test_a_fused_report_has_the_fused_name(runs: Path, tmp_path: Path) -> None:
    out = runs / "called_this"
    assert skelact("fuse", runs / "joint", runs / "bone", "--out", out, "--equal").code == 0
    done = skelact(
        "evaluate", out, runs / "set.h5", "--split", "all", "--out", tmp_path / "e", "--mistakes", 0
    )
    assert done.code == 0, done.err
    assert "<h1>called_this</h1>" in (tmp_path / "e" / "report.html").read_text()
