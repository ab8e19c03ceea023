"""Experiments and YAML: round trips, shipped recipes, refused keys."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from small_sets import random_set
from variants import slow_but

from skelact.config import Experiment, dump_config, load_config, with_defaults
from skelact.datasets.named import BENCHMARKS
from skelact.datasets.parts import DataSettings
from skelact.datasets.pictures import KINDS, PictureSet
from skelact.errors import ConfigError
from skelact.io.formats import FORMATS
from skelact.models import STGCNSettings
from skelact.settings import from_plain, to_plain
from skelact.training.resume import differences

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
STEPPED = [p for p in CONFIGS if not p.stem.endswith(("large", "fold2", "fold3", "fold4", "fold5"))]


def leaves(kind: object, path: str = "") -> set[str]:
    """Names of all settings, nested ones with dots."""
    from dataclasses import fields, is_dataclass

    names: set[str] = set()
    for field in fields(kind):  # type: ignore[arg-type]
        value, name = getattr(kind, field.name), f"{path}{field.name}"
        if isinstance(value, dict) and value:
            names = names.union(*(leaves(inner, f"{name}.{key}.") for key, inner in value.items()))
        else:
            names |= leaves(value, f"{name}.") if is_dataclass(value) else {name}
    return names


def written(values: dict, path: str = "") -> set[str]:
    """Names of all keys of a YAML file, nested ones with dots."""
    names: set[str] = set()
    for key, value in values.items():
        names |= written(value, f"{path}{key}.") if isinstance(value, dict) and value else {f"{path}{key}"}
    return names


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
def test_recipes_are_flat_and_lose_nothing_to_defaults(path: Path) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    experiment = load_config(path)
    assert written(values) < leaves(experiment)
    complete = yaml.safe_load(dump_config(experiment))
    assert written(complete) == leaves(experiment)
    assert from_plain(Experiment, complete, "the complete file") == experiment
    assert experiment.name == path.stem and path.read_text(encoding="utf-8").startswith("#")


def layouts_of(experiment: Experiment) -> tuple[str, int]:
    """Layout and dimensions of the data that a recipe is for, from the benchmark in its name."""
    fitting = [b for b in BENCHMARKS.values() if experiment.name.startswith(b.name)]
    if not fitting:
        return "pose33", 3
    kind = FORMATS[max(fitting, key=lambda b: len(b.name)).format]
    return kind.layout or {"uea": "natops8"}[kind.name], 3


@pytest.mark.parametrize(
    "path",
    slow_but(CONFIGS, *STEPPED),
    ids=lambda p: p.stem,
)
def test_recipes_take_a_training_step(path: Path) -> None:
    from torch.nn import functional

    from skelact.recognition.engine import call_model
    from skelact.training.optimise import make_optimiser

    experiment = load_config(path)
    layout, dims = layouts_of(experiment)
    data = random_set(layout, n=4, dims=dims)
    for name, seen in experiment.pipeline.pictures.items():
        frames = torch.randint(0, 256, (80, *seen.framing.size, KINDS[name].channels), dtype=torch.uint8)
        kept = PictureSet(name, frames, torch.full((4,), 20), seen.fps)
        data.pictures[seen.kept_as(name)] = kept
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
        ({"train": {"optimiser": "adam"}}, ["train.optimiser", "'sgd', 'adamw' or 'ridge'", "'adam'"]),
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


@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[1] / "configs" / "ntu").glob("*_ctrgcn.yaml")),
    ids=lambda p: p.stem,
)
def test_ctrgcn_has_its_authors_windows(path: Path) -> None:
    sampling = load_config(path).pipeline.sampling
    assert (sampling.crop, sampling.least, sampling.test_share) == ((0.5, 1.0), 64, 0.95)


def test_a_run_of_an_older_version_can_be_continued() -> None:
    """Its configuration has other names for some settings, and lacks others."""
    plain = to_plain(load_config(CONFIGS[0].parent / "natops_stgcn.yaml"))
    old = {
        **plain,
        "model": {("strided" if key == "stride_blocks" else key): v for key, v in plain["model"].items()},
        "pipeline": {**plain["pipeline"], "sampling": {"kind": "resize", "n_frames": 51, "crop": [0.9, 1.0]}},
    }
    assert old != plain and differences(with_defaults(old), with_defaults(plain)) == []
    changed = {**old, "model": {**old["model"], "strided": [1]}}
    assert len(differences(with_defaults(changed), with_defaults(plain))) == 1
