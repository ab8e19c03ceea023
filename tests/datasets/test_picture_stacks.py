"""Stacks of flow as a network's channels, against the transforms written plainly."""

from __future__ import annotations

import pytest
import torch

from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.pictures import PictureInput, PictureSet
from skelact.datasets.pipeline import Pipeline
from skelact.errors import ConfigError
from skelact.models import ModelSettings
from skelact.settings import from_plain
from skelact.transforms.flow import remove_camera, stack, stack_flow, trajectory_stack

L, T, SIDE = 3, 2, 12
WHOLE = torch.tensor([[0.0, 1.0]])


def fields(length: tuple[int, ...] = (9, 5), unit: float = 1.0) -> PictureSet:
    made = torch.Generator().manual_seed(0)
    frames = torch.randint(96, 160, (sum(length), SIDE, SIDE, 2), generator=made, dtype=torch.uint8)
    units = torch.full((len(length), 2), unit)
    return PictureSet("flow", frames, torch.tensor(length), 10.0, unit=units)


def seen(**settings) -> PictureInput:
    sampling = ClipSampling("segments", 1, segments=T)
    return PictureInput(sampling, Framing((SIDE, SIDE)), crop=SIDE, scales=(1.0,), **{"stack": L, **settings})


def plainly(kept: PictureSet, first: int, camera: str, stacking: str, unit: float) -> torch.Tensor:
    """``[2L, H, W]`` of the fields from row ``first`` on."""
    flow = (kept.frames[first : first + L].permute(0, 3, 1, 2).float() - 128) * (20 / 127)
    if camera == "median":
        flow = torch.stack([remove_camera(one) for one in flow])
    if stacking == "trajectory":
        return trajectory_stack(flow[None] * unit)[0] / unit / 2
    return stack(flow[None])[0] / 2


@pytest.mark.parametrize("camera", ["none", "median"])
@pytest.mark.parametrize(("stacking", "unit"), [("stacked", 1.0), ("trajectory", 1.0), ("trajectory", 0.5)])
def test_a_moment_is_a_stack_of_successive_fields(camera: str, stacking: str, unit: float) -> None:
    kept = fields(unit=unit)
    x, there = kept.sample(torch.tensor([0]), seen(camera=camera, stacking=stacking), WHOLE)
    assert x.shape == (1, 2 * L, T, SIDE, SIDE) and all(there)
    for t, first in enumerate((2, 6)):  # the middles of two parts of 0.8 s, ten fields a second
        expected = plainly(kept, first, camera, stacking, unit)
        assert torch.allclose(x[0, :, t], expected, atol=1e-5)


@pytest.mark.parametrize("unit", [1.0, 0.5])
def test_a_moment_in_the_middle_of_its_stack(unit: float) -> None:
    kept = fields(unit=unit)
    look = kept.look(torch.tensor([0]), seen(stack=4, stacking="bidirectional"), WHOLE)
    for t, first in enumerate((0, 4)):  # two before 0.2 s; two before 0.6 s
        flow = (kept.frames[first : first + 4].permute(0, 3, 1, 2).float() - 128) * (20 / 127)
        expected = stack_flow(flow[None] * unit, "bidirectional")[0] / unit / 2
        assert torch.allclose(look.x[0, :, t], expected, atol=1e-5)
    assert torch.allclose(look.share, torch.tensor([[2 / 8, 6 / 8]]))
    early = PictureInput(
        ClipSampling("dense", 1, stride=0.3), Framing((SIDE, SIDE)), crop=SIDE, stack=4, scales=(1.0,),
        stacking="bidirectional",
    )  # fmt: skip
    x, _ = kept.sample(torch.tensor([1]), early, torch.tensor([[0.0, 0.0]]))  # the second clip's first fields
    flow = (kept.frames[9:13].permute(0, 3, 1, 2).float() - 128) * (20 / 127)
    assert torch.allclose(x[0, :, 0], stack_flow(flow[None] * unit, "bidirectional")[0] / unit / 2, atol=1e-5)


def test_stacks_stay_in_their_clip() -> None:
    kept = fields()
    dense = PictureInput(
        ClipSampling("dense", 2, stride=0.3), Framing((SIDE, SIDE)), crop=SIDE, stack=L, scales=(1.0,)
    )
    x, _ = kept.sample(torch.tensor([1]), dense, torch.tensor([[1.0, 1.0]]))
    for t in range(2):  # at the end of the second clip, fields 11 to 13
        assert torch.allclose(x[0, :, t], plainly(kept, 11, "none", "stacked", 1.0), atol=1e-5)
    short = PictureSet("flow", kept.frames[:2], torch.tensor([2]), 10.0)
    x, _ = short.sample(torch.tensor([0]), seen(), WHOLE)
    assert torch.allclose(x[0, 2:4], x[0, 4:6]) and not torch.allclose(x[0, :2], x[0, 2:4])


def test_mirrored_stacks_turn_round_across() -> None:
    kept = fields()
    made = [torch.Generator().manual_seed(1) for _ in range(2)]
    one, other = (
        kept.sample(torch.tensor([0]), seen(flip=flip), WHOLE, training=True, generator=g)[0]
        for flip, g in zip((0.0, 1.0), made, strict=True)
    )
    assert torch.allclose(other[:, ::2], -one[:, ::2].flip(-1), atol=1e-5)
    assert torch.allclose(other[:, 1::2], one[:, 1::2].flip(-1), atol=1e-5)


@pytest.mark.parametrize("name", ["two_stream", "tsn"])
def test_networks_get_the_channels_of_a_stack(name: str) -> None:
    pipeline = Pipeline(pictures={"flow": seen()})
    assert pipeline.picture_channels() == {"flow": 2 * L}
    plain = {"name": "fusion", "streams": {"flow": {"name": name, "width": 0.0625}}}
    net = from_plain(ModelSettings, plain, "model").build("ntu25", 4, 3, pipeline.picture_channels()).eval()
    first = next(p for p in net.encoders["flow"].parameters() if p.ndim >= 4)
    assert first.shape[1] == 2 * L
    x = torch.randn(2, 25, 5, 3).transpose(1, 2)
    logits = net(x, torch.arange(2), torch.ones(2, 5, 25), 2, {"flow": torch.randn(2, 2 * L, T, 64, 64)})
    assert logits.shape == (2, 4)
    usual = from_plain(ModelSettings, plain, "model").build("ntu25", 4, 3)
    assert usual.encoders["flow"].channels_in == 2


def test_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="'rgb' is none"):
        Pipeline(pictures={"rgb": PictureInput(stack=2)})
    with pytest.raises(ConfigError, match="stack must be at least 1"):
        PictureInput(stack=0)
    with pytest.raises(ConfigError, match=r"framing\.region: whole"):
        PictureInput(framing=Framing((32, 32), region="person"), crop=32, stack=2, stacking="trajectory")
    with pytest.raises(ConfigError, match=r"bidirectional follows motion .* framing\.region: whole"):
        PictureInput(framing=Framing((32, 32), region="person"), crop=32, stack=2, stacking="bidirectional")
    with pytest.raises(ConfigError, match="stack must be even, got 3"):
        PictureInput(stack=3, stacking="bidirectional")
    assert PictureInput(stack=2).kept_as("flow") == PictureInput(stack=5, fps=3).kept_as("flow")
    assert PictureInput(stack=2).kept_as("flow") != PictureInput().kept_as("flow")
