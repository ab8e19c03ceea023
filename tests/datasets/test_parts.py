"""Which clips train, validate and test: parts that keep subjects apart, folds, and what is left to the set."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_sets import random_set

from skelact.datasets.parts import (
    DataSettings,
    choose_parts,
    describe_parts,
    hold_out,
    keep_share,
    resolve_parts,
)
from skelact.errors import ConfigError, DataError


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


def test_a_share_of_every_class_trains_and_smaller_shares_lie_in_larger_ones() -> None:
    labels = np.repeat([2, 0, 1, -1, 3], [40, 20, 7, 9, 1])
    before = np.zeros(len(labels), bool)
    for share in (0.01, 0.1, 0.25, 0.5, 1.0):
        kept = keep_share(labels, share, seed=4)
        assert not (before & ~kept).any() and not kept[labels < 0].any()  # clips without a class are left out
        for label, n in ((2, 40), (0, 20), (1, 7), (3, 1)):
            assert kept[labels == label].sum() == max(1, round(share * n))
        before = kept
    assert before.sum() == 68
    assert np.array_equal(keep_share(labels, 0.5, 4), keep_share(labels, 0.5, 4))
    assert not np.array_equal(keep_share(labels, 0.5, 4), keep_share(labels, 0.5, 5))


def test_a_share_leaves_the_validation_clips_as_they_are() -> None:
    data = random_set("sbu15", n=24, splits={"xsub/train": range(20), "xsub/test": range(20, 24)})
    counts = lambda part: np.bincount(data.labels[part].numpy(), minlength=len(data.label_names))  # noqa: E731
    for val in (0.25, 0.0):
        whole, held = choose_parts(data, DataSettings(val=val, val_by="clip"))
        settings = DataSettings(val=val, val_by="clip", share=0.5)
        part, same = choose_parts(data, settings)
        assert (held is None) == (same is None) and (held is None or torch.equal(held, same))
        assert set(part.tolist()) < set(whole.tolist())
        expected = [max(1, round(n / 2)) if n else 0 for n in counts(whole)]
        assert counts(part).tolist() == expected
        text = describe_parts(settings, len(part), None if same is None else len(same))
        assert f"training on {len(part)} clips" in text and "50 % of each class" in text
    assert "% of each class" not in describe_parts(DataSettings(), 9, None)
    for share in (0.0, 1.5, -0.1):
        with pytest.raises(ConfigError, match=rf"data\.share must be above 0 and at most 1.*got {share}"):
            DataSettings(share=share)
