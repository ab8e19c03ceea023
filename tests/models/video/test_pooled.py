"""Pooled maps of an image network, and of how they change."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from skelact.errors import ConfigError
from skelact.models.video import create_video_model, start_from_published
from skelact.models.video.pooled import PooledNet


def small(**settings) -> PooledNet:
    torch.manual_seed(0)
    model = create_video_model("pooled", 3, width=0.25, dropout=0.0, **settings)
    assert isinstance(model, PooledNet)
    return model.eval()


@pytest.mark.parametrize("space", ["mean", "max"])
def test_changes_are_those_of_each_place_from_frame_to_frame(space: str) -> None:
    model = small(sees="changes", space=space, rows=(2, 4))
    x = torch.randn(2, 3, 4, 64, 64)
    expected = []
    for clip in x:
        rows: dict[int, list[torch.Tensor]] = {2: [], 4: []}
        for t in range(4):
            y = model.tower.stem(clip[None, :, t])  # type: ignore[operator]
            for i, row in enumerate(list(model.tower.rows)[:5]):
                y = row(y)
                if i in rows:
                    rows[i].append(y[0])
        joined = []
        for maps in rows.values():
            changes = [(b - a).abs().flatten(1) for a, b in pairwise(maps)]
            pooled = [c.max(1).values if space == "max" else c.mean(1) for c in changes]
            joined.append(torch.stack(pooled).mean(0))
        expected.append(torch.cat(joined))
    norm = torch.stack(expected) / (1 + model.norm.eps) ** 0.5
    assert torch.allclose(model.forward_features(x), norm, atol=1e-5)
    assert model.n_features == norm.shape[1]


def test_a_scene_that_stands_still_does_not_show_in_changes() -> None:
    still = torch.randn(1, 3, 1, 64, 64).expand(-1, -1, 5, -1, -1)
    assert small(sees="changes").forward_features(still).abs().max() == 0
    assert small(sees="maps").forward_features(still).abs().max() > 0


def test_the_last_map_is_the_default_and_several_poolings_are_joined() -> None:
    model = small(pools=("mean", "max"))
    x = torch.randn(2, 3, 3, 64, 64)
    frames = torch.stack([model.tower(x[:, :, t]) for t in range(3)], 1)
    expected = torch.cat([frames.mean(1), frames.amax(1)], 1) / (1 + model.norm.eps) ** 0.5
    assert torch.allclose(model.forward_features(x), expected, atol=1e-5)
    assert small(pools=("correlation",), channels=6)(x).shape == (2, 3)


def test_it_begins_with_the_weights_in_a_package_also_with_fewer_rows() -> None:
    whole, part = (create_video_model("pooled", 3, rows=rows) for rows in ((), (2, 4)))
    for model in (whole, part):
        start_from_published(model, "mobilenet_v2")
    known, taken = whole.state_dict(), part.state_dict()
    towers = [key for key in taken if key.startswith("tower.")]
    assert {
        key for key in known if key.startswith("tower.rows.5")
    } and "tower.rows.5.0.layers.0.weight" not in taken
    assert all(torch.equal(taken[key], known[key]) for key in towers)
    assert float(known["tower.rows.3.0.layers.1.running_var"].std()) > 0  # trained


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rows": (9,)}, "rows of mobilenet_v2 are 0..7"),
        ({"pools": ()}, "needs pools"),
        ({"pools": ("median",)}, "allowed: mean"),
        ({"sees": "flow"}, "'maps' or 'changes'"),
        ({"pools": ("correlation",)}, "project the features"),
    ],
)
def test_wrong_settings_are_named(settings: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        small(**settings)
    if settings.get("rows"):
        with pytest.raises(ConfigError, match="at least 1 clip of 2 frames"):
            small(sees="changes")(torch.zeros(1, 3, 1, 64, 64))
