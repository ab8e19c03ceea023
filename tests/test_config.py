"""Experiments and YAML: round trips, shipped recipes, refused keys, parts that keep subjects apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from skelact.commands.train import describe_parts
from skelact.config import (
    DataSettings,
    Experiment,
    choose_parts,
    dump_config,
    from_plain,
    hold_out,
    load_config,
    resolve_parts,
    to_plain,
)
from skelact.datasets.named import BENCHMARKS
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.formats import FORMATS
from skelact.layouts import LAYOUTS
from skelact.models import STGCNSettings
from skelact.skeleton import Skeleton

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))


def leaves(kind: object, path: str = "") -> set[str]:
    """Names of all settings, nested ones with dots."""
    from dataclasses import fields, is_dataclass

    names: set[str] = set()
    for field in fields(kind):  # type: ignore[arg-type]
        value, name = getattr(kind, field.name), f"{path}{field.name}"
        names |= leaves(value, f"{name}.") if is_dataclass(value) else {name}
    return names


def written(values: dict, path: str = "") -> set[str]:
    """Names of all keys of a YAML file, nested ones with dots."""
    names: set[str] = set()
    for key, value in values.items():
        names |= written(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}"}
    return names


def random_set(
    layout: str, n: int = 8, dims: int = 3, n_classes: int = 3, subjects: int = 4, splits: dict | None = None
) -> SkeletonSet:
    rng = np.random.default_rng(0)
    clips = [
        Skeleton(
            rng.normal(size=(1 + i % 2, 20, len(LAYOUTS[layout]), dims)), None, layout, 30.0, "m",
            label=f"class {i % n_classes}", id=f"clip {i}", info={"subject": f"s{i % subjects}"} if subjects else {},
        )
        for i in range(n)
    ]  # fmt: skip
    data = SkeletonSet.from_skeletons(clips)
    data.splits = {name: np.array(ids) for name, ids in (splits or {}).items()}
    return data


def test_round_trip(tmp_path: Path) -> None:
    experiment = Experiment(
        name="ü", data=DataSettings("a.h5", "x/train", 0.25), model=STGCNSettings(channels=(8,))
    )
    (tmp_path / "a.yaml").write_text(dump_config(experiment), encoding="utf-8")
    assert load_config(tmp_path / "a.yaml") == experiment
    assert from_plain(Experiment, to_plain(experiment), "here") == experiment
    assert from_plain(Experiment, {}, "here") == Experiment()


def test_there_are_recipes() -> None:
    names = {p.stem for p in CONFIGS}
    assert {"default_small", "natops_stgcn", "nw_ucla_stgcn", "utd_mhad_stgcn"} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_recipes_are_flat_and_complete(path: Path) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    experiment = load_config(path)
    assert written(values) == leaves(experiment)
    assert yaml.safe_load(dump_config(experiment)) == values
    assert experiment.name == path.stem and path.read_text(encoding="utf-8").startswith("#")


def layouts_of(experiment: Experiment) -> tuple[str, int]:
    """Layout and dimensions of the data that a recipe is for, from the benchmark in its name."""
    fitting = [b for b in BENCHMARKS.values() if experiment.name.startswith(b.name)]
    if not fitting:
        return "pose33", 3
    kind = FORMATS[max(fitting, key=lambda b: len(b.name)).format]
    return kind.layout or {"uea": "natops8"}[kind.name], 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_recipes_take_a_training_step(path: Path) -> None:
    from torch.nn import functional

    from skelact.training.optimise import make_optimiser
    from skelact.training.predict import call_model

    experiment = load_config(path)
    layout, dims = layouts_of(experiment)
    data = random_set(layout, n=4, dims=dims)
    torch.manual_seed(0)
    model = experiment.model.build(layout, 3, experiment.pipeline.channels(dims))
    optimiser = make_optimiser(model, experiment.train)
    batch = experiment.pipeline(
        data, torch.arange(4), training=True, generator=torch.Generator().manual_seed(0)
    )
    before = [p.detach().clone() for p in model.parameters()]
    loss = functional.cross_entropy(call_model(model, batch), batch.label)
    loss.backward()
    assert torch.isfinite(loss) and all(
        p.grad is not None and p.grad.isfinite().all() for p in model.parameters()
    )
    optimiser.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert sum(moved) > 0.9 * len(moved)


@pytest.mark.parametrize(
    ("values", "hints"),
    [
        ({"nmae": "x"}, ["unknown key 'nmae'", "allowed here: name, data, pipeline, model", "'name'?"]),
        ({"train": {"rate": 1}}, ["unknown key 'train.rate'", "allowed here: epochs, repeat, batch_size"]),
        ({"pipeline": {"sampling": {"frames": 1}}}, ["'pipeline.sampling.frames'", "allowed here: kind, n_frames"]),
        ({"pipeline": {"augment": {"rotat": 1}}}, ["'pipeline.augment.rotat'", "Did you mean 'rotate'?"]),
        ({"model": {"chanels": [3]}}, ["'model.chanels'", "Did you mean 'channels'?"]),
        ({"data": {"split": "a"}}, ["'data.split'", "allowed here: path, train, val, val_by, test"]),
        ({"train": {"epochs": "many"}, "views": "two"}, ["train.epochs", "'many'", "views", "'two'"]),
        ({"train": {"optimiser": "adam"}}, ["train.optimiser", "'sgd' or 'adamw'", "'adam'"]),
        ({"train": 3}, ["train", "got 3"]),
        ({"model": {"name": "ctrgnc"}}, ["model.name", "'ctrgnc'", "stgcn", "Did you mean 'ctrgcn'"]),
        ({"model": {"name": "agcn", "dropuot": 0}}, ["'model.dropuot'", "Did you mean 'dropout'"]),
        ({"views": 0}, ["views must be at least 1"]),
        ({"train": {"ema": 1.0}}, ["train.ema must lie in 0..1"]),
        ({"pipeline": {"streams": []}}, ["name at least one stream", "bone motion"]),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(values: dict, hints: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        from_plain(Experiment, values, "mine.yaml")
    text = str(caught.value).replace("_", " ") if "bone motion" in hints else str(caught.value)
    assert text.startswith("mine.yaml") and all(hint in text for hint in hints), text


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        from_plain(Experiment, {"a": 1, "train": {"b": 2}, "model": {"kernel": "x"}}, "mine.yaml")
    assert all(word in str(caught.value) for word in ("'a'", "'train.b'", "model.kernel"))


def test_hold_out_keeps_groups_together_and_repeats() -> None:
    groups = [f"s{i % 7}" for i in range(70)]
    held = hold_out(groups, 0.3, seed=1)
    outside = {g for g, h in zip(groups, held, strict=True) if not h}
    inside = {g for g, h in zip(groups, held, strict=True) if h}
    assert inside and outside and not inside & outside
    assert held.mean() == pytest.approx(0.3, abs=0.08)
    assert np.array_equal(held, hold_out(groups, 0.3, seed=1))
    assert any(not np.array_equal(held, hold_out(groups, 0.3, seed=s)) for s in range(2, 8))
    assert hold_out(["a", "b"], 0.99, 0).sum() == 1  # somebody stays
    with pytest.raises(ConfigError, match=r"only one group.*val_by: clip"):
        hold_out(["a"] * 5, 0.2, 0)


def test_choose_parts() -> None:
    data = random_set(
        "sbu15", n=24, splits={"xsub/train": range(16), "xsub/val": range(16, 20), "xsub/test": range(20, 24)}
    )
    train, val = choose_parts(data, DataSettings(train="all", val=0.25, val_seed=3))
    of = lambda part: {data.infos[i]["subject"] for i in part.tolist()}  # noqa: E731
    assert val is not None and len(val) == 6 and not of(train) & of(val)
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(24))
    again = choose_parts(data, DataSettings(train="all", val=0.25, val_seed=3))
    assert torch.equal(val, again[1])
    train, val = choose_parts(data, DataSettings(train="xsub/train", val="xsub/val"))
    assert val is not None and train.tolist() == list(range(16)) and val.tolist() == [16, 17, 18, 19]
    assert choose_parts(data, DataSettings(train="xsub/train", val=0))[1] is None
    assert choose_parts(data, DataSettings(train="xsub/train", val="0.25"))[1] is not None
    settings = DataSettings(train="all", val="0.25", val_by="clip")
    held = choose_parts(data, settings)[1]
    assert held is not None and len(held) == 6 and settings.val == "0.25"  # the settings stay as given
    with pytest.raises(ConfigError, match=r"some clips do not say their camera.*val_by: clip"):
        choose_parts(data, DataSettings(train="all", val=0.2, val_by="camera"))
    with pytest.raises(ConfigError, match=r"a share in 0\.\.1, got 1\.5"):
        choose_parts(data, DataSettings(train="all", val=1.5))
    with pytest.raises(DataError, match=r"Did you mean 'xsub/train'"):
        choose_parts(data, DataSettings(train="xsub/trian"))


def test_parts_that_are_left_to_the_set() -> None:
    parts = {"subjects/train": range(16), "subjects/val": range(16, 20), "subjects/test": range(20, 24)}
    found = resolve_parts(random_set("sbu15", n=24, splits=parts), DataSettings("a.h5"))
    assert found == DataSettings("a.h5", "subjects/train", "subjects/val", "subject", "subjects/test")
    del parts["subjects/val"]
    data = random_set("sbu15", n=24, splits=parts)
    assert resolve_parts(data, DataSettings()) == DataSettings(
        "", "subjects/train", 0.1, "clip", "subjects/test"
    )
    assert resolve_parts(data, DataSettings(val=0.0)).val == 0.0  # what is said stays
    assert resolve_parts(data, DataSettings(train="all")) == DataSettings("", "all", 0.15, "subject", "")
    assert resolve_parts(data, resolve_parts(data, DataSettings())) == resolve_parts(data, DataSettings())
    nameless = random_set("sbu15", n=24, subjects=0)
    assert resolve_parts(nameless, DataSettings()) == DataSettings("", "all", 0.15, "clip", "")
    assert resolve_parts(random_set("sbu15", n=5), DataSettings()).val == 0.0  # too few to spare one
    two = random_set("sbu15", n=24, splits={"xsub/train": range(12), "xview/train": range(6)})
    with pytest.raises(
        ConfigError, match=r"several training parts: xsub/train, xview/train; choose one with --data"
    ):
        resolve_parts(two, DataSettings())
    assert resolve_parts(two, DataSettings(train="xview/train", val=0.0)).test == ""


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["train", "test"], ("train", "test")),
        (["train", "val", "test"], ("train", "test")),
        (["train1", "test1"], ("train1", "test1")),
        (["a/train", "a/test"], ("a/train", "a/test")),
        (["fold/train_2", "fold/test_2"], ("fold/train_2", "fold/test_2")),
        (["train"], ("train", "")),
        (["training", "latest"], ("all", "")),  # other words are no parts
    ],
)
def test_parts_are_known_by_their_names(names: list[str], found: tuple[str, str]) -> None:
    data = random_set("sbu15", n=24, splits={name: range(12 + i) for i, name in enumerate(names)})
    settings = resolve_parts(data, DataSettings())
    assert (settings.train, settings.test) == found
    assert (settings.val == "val") == ("val" in names)


def test_nothing_trains_on_a_test_part_without_being_told() -> None:
    for name in ("test", "test1", "x/test"):
        data = random_set("sbu15", n=24, splits={name: range(6)})
        with pytest.raises(
            ConfigError, match=rf"test part \({name}\) and no training part.*--data\.train all"
        ):
            resolve_parts(data, DataSettings())
        assert resolve_parts(data, DataSettings(train="all")).train == "all"
    many = random_set("sbu15", n=24, splits={"train1": range(6), "train2": range(6), "test1": range(6)})
    with pytest.raises(ConfigError, match=r"several training parts: train1, train2"):
        resolve_parts(many, DataSettings())


def test_validation_is_by_subject_where_enough_are_known() -> None:
    parts = {"train": range(40), "test": range(40, 48)}
    for subjects, by in ((8, "subject"), (7, "clip"), (0, "clip")):
        settings = resolve_parts(random_set("sbu15", n=48, subjects=subjects, splits=parts), DataSettings())
        assert (settings.val, settings.val_by) == (0.1, by)
    data = random_set("sbu15", n=48, subjects=8, splits=parts)
    train, val = choose_parts(data, DataSettings())
    who = data.column("subject")
    assert not {who[i] for i in train.tolist()} & {who[i] for i in val.tolist()}
    assert "people are in training too" in describe_parts(DataSettings(val=0.1, val_by="clip"), 9, 1)
    assert "people are in training too" not in describe_parts(DataSettings(val=0.1), 9, 1)


def test_folds_leave_out_every_clip_once() -> None:
    data = random_set("sbu15", n=40, subjects=5)
    who = data.column("subject")
    held = []
    for i in (1, 2, 3):
        settings = resolve_parts(data, DataSettings(train="all", fold=f"{i}/3"))
        train, val = choose_parts(data, settings)
        assert sorted(train.tolist() + val.tolist()) == list(range(40))
        assert not {who[i] for i in train.tolist()} & {who[i] for i in val.tolist()}
        held += val.tolist()
        assert f"fold {i}/3 by subject" in describe_parts(settings, len(train), len(val))
    assert sorted(held) == list(range(40))
    sizes = [
        len(choose_parts(data, DataSettings(train="all", fold=f"{i}/4", val_by="clip"))[1])
        for i in (1, 2, 3, 4)
    ]
    assert sizes == [10] * 4
    for wrong in ("0/3", "4/3", "1/1", "a"):
        with pytest.raises(ConfigError, match=r"data\.fold must be i/k"):
            DataSettings(fold=wrong)
    with pytest.raises(ConfigError, match="5 groups cannot be dealt to 6 folds"):
        choose_parts(data, DataSettings(train="all", fold="1/6"))


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[1] / "configs" / "ntu").glob("*_ctrgcn.yaml")),
    ids=lambda p: p.stem,
)
def test_ctrgcn_has_its_authors_windows(path: Path) -> None:
    sampling = load_config(path).pipeline.sampling
    assert (sampling.crop, sampling.least, sampling.test_share) == ((0.5, 1.0), 64, 0.95)
