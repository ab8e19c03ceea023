"""Networks of several streams in training: nothing waits for a device, and absent streams have gradients too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from test_fusion_net import batch as fusion_batch
from test_fusion_net import network as fusion
from test_patch_as_node import batch as patch_batch
from test_patch_as_node import network as patch
from test_rgbpose_conv3d import batch as rgbpose_batch
from test_rgbpose_conv3d import network as rgbpose
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode

from skelact.training.losses import training_loss
from skelact.transforms import device

WAITS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)
NETWORKS: dict[str, tuple[Callable, Callable]] = {
    "fusion": (fusion, fusion_batch),
    "patch_as_node": (patch, patch_batch),
    "rgbpose_conv3d": (rgbpose, rgbpose_batch),
}
KEEP: dict[str, dict] = {"fusion": {"drop": 0.0}, "patch_as_node": {"drop": 0.0}, "rgbpose_conv3d": {}}


class NoWaiting(TorchDispatchMode):
    """Refuses what makes the host wait for a GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in WAITS:
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


def given_of(name: str, there: tuple[bool, ...] | None) -> tuple:
    """The input of a network whose clips have pictures, or lack them; None: there are no pictures at all."""
    x, owner, score, n, pictures, *more = NETWORKS[name][1]()
    flags = {} if there is None else {"rgb": (there * n)[:n]}
    return x, owner, score, n, {} if there is None else pictures, flags, *more[1:]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("there", [(True,), (False, True), (False,), None])
def test_a_training_step_never_waits(
    name: str, there: tuple[bool, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "may_look", lambda _: False)
    net, given = NETWORKS[name][0](**KEEP[name]).train(), given_of(name, there)
    label = torch.arange(given[3])
    with NoWaiting():
        training_loss(net, net(*given), label, cross_entropy).backward()
    for key, value in net.named_parameters():
        assert value.grad is not None and value.grad.isfinite().all(), key
    own = [v.grad for k, v in net.named_parameters() if k.startswith(("encoders.rgb.", "slow."))]
    assert own and any(bool(grad.any()) for grad in own) == bool(there and any(there))


@pytest.mark.parametrize("name", NETWORKS)
def test_clips_without_a_stream_do_not_change_its_statistics(name: str) -> None:
    """What a missing clip holds, even NaN, changes neither answers nor statistics."""
    x, owner, score, n, pictures, *more = given_of(name, (True, False))
    found = []
    for filling in (0.0, 7.0, torch.nan):
        net = NETWORKS[name][0](**KEEP[name]).train()
        other = {key: value.clone() for key, value in pictures.items()}
        other["rgb"][1] = filling
        answer = net(x, owner, score, n, other, *more).detach()
        found.append({"answer": answer, **{k: v for k, v in net.named_buffers() if "running" in k}})
    for key, value in found[0].items():
        assert torch.equal(value, found[1][key]) and torch.equal(value, found[2][key]), key
    if name != "rgbpose_conv3d":  # and nothing else is seen instead of it
        net = NETWORKS[name][0](drop=0.0).train()
        encoder = net.encoders["rgb"]
        encoder(pictures["rgb"][[i for i, flag in enumerate(more[0]["rgb"]) if flag]])
        for key, value in encoder.named_buffers():
            if "running" in key:
                assert torch.allclose(value, found[0][f"encoders.rgb.{key}"], atol=1e-6), key


def test_modality_dropout_does_not_hide_a_clip_from_the_statistics() -> None:
    found = []
    for drop in (0.0, 0.9):
        net = patch(drop=drop).train()
        torch.manual_seed(1)
        net(*patch_batch())
        found.append({k: v for k, v in net.backbone.named_buffers() if "running" in k})
    assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())
