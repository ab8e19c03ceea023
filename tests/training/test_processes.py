"""Two processes: norms, statistics and memories over all of them, and training of every kind of network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from skelact.nn.norm import ChannelNorm, JointNorm, synchronise
from skelact.nn.spatial.prototype import ClassContrast

HERE = Path(__file__).parent


def norm_step(norm: torch.nn.Module, x: torch.Tensor, *more: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output, gradients and statistics of a norm whose loss weighs every value differently."""
    x = x.clone().requires_grad_()
    out = norm(x, *more)
    (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
    grads = {name: p.grad for name, p in norm.named_parameters()}
    return {"out": out.detach(), "x": x.grad, **grads, **dict(norm.named_buffers())}  # type: ignore[dict-item]


def norms() -> tuple[ChannelNorm, JointNorm]:
    torch.manual_seed(0)
    both = ChannelNorm(4), JointNorm(5, 3)
    for norm in both:
        torch.nn.init.normal_(norm.weight)
    return both


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = 3 + torch.randn(5, 6, 7, 4, generator=generator)
    people = 2 + torch.randn(6, 7, 5, 3, generator=generator)
    return x, people, torch.rand(6, 7, generator=generator) > 0.3


def contrast_inputs() -> tuple[ClassContrast, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(2)
    contrast = ClassContrast(6, 3, n_hidden=8)
    label = torch.tensor([0, 1, 0, 2, 1, 0])
    return contrast, torch.randn(6, 6), label, torch.nn.functional.one_hot(label, 3).float()


NORMS = """
import os, sys, torch
sys.path[:0] = [{here!r}]
import test_processes as t
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
channel, joint = t.norms()
x, people, present = t.inputs()
for norm in (channel, joint):
    t.synchronise(norm, {sync})
mine = slice(3 * rank, 3 * rank + 3)
found = {{"channel": t.norm_step(channel, x[:, mine]), "joint": t.norm_step(joint, people[mine], present[mine])}}
contrast, features, label, logits = t.contrast_inputs()
own = slice(2, 6) if rank else slice(0, 2)  # not the same number of clips
contrast(features[own], label[own], logits[own]).backward()
found["memory"] = contrast.memory
torch.save(found, f"{out}/{{rank}}.pt")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
os._exit(0)  # gloo's threads sometimes abort an interpreter that is ending; what is tested is written
"""

TRAIN = """
import os, sys, torch
sys.path[:0] = [{here!r}]
from pathlib import Path
import test_training as t
from skelact.models import MODELS
made = t.make_set(actions=("wave", "kick"), subjects=(1, 2), repetitions=(1,), cameras=(2,))
data = t.SkeletonSet.from_skeletons(list(made))
order, rank = torch.arange(len(data)), os.environ["RANK"]
data.labels[-1] = -1  # validation may have clips that nobody labelled
for contrast in (0.0, 0.2):
    torch.manual_seed(0)
    small = dict(channels=(8, 8), stride_blocks=(), n_prototypes=3, contrast=contrast)
    model = MODELS["protogcn"](**small).build(data.layout, 2, 3)
    folder = Path({out!r}, str(contrast))
    settings = t.TrainSettings(epochs=2, batch_size=2, device="cpu", sync_norm=contrast == 0.0, ema=0.0)
    result = t.fit(model, data, order[:-1], order, t.PIPELINE, settings, folder, t.card(data))
    torch.save((model.state_dict(), [r["val_loss"] for r in result.history]), folder / f"state{{rank}}.pt")
"""


def run_two(script: str, folder: Path) -> None:
    path = folder / "script.py"
    path.write_text(script)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(path),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("sync", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_norms_over_two_processes_are_those_of_the_whole_batch(sync: bool, tmp_path: Path) -> None:
    run_two(NORMS.format(here=str(HERE), out=str(tmp_path), sync=sync), tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    channel, joint = norms()
    x, people, present = inputs()
    channel.train()
    out = {"channel": channel(x), "joint": joint(people, present)}
    together = {
        "channel": torch.cat([first["channel"]["out"], second["channel"]["out"]], 1),
        "joint": torch.cat([first["joint"]["out"], second["joint"]["out"]]),
    }
    for name, norm in (("channel", channel), ("joint", joint)):
        same = torch.allclose(together[name], out[name], atol=1e-5)
        assert same == sync
        for what in ("running_mean", "running_var"):
            value = dict(norm.named_buffers())[what]
            assert torch.allclose(first[name][what], value, atol=1e-5) == sync
    # the memory follows the clips of both processes, whatever the norms do
    contrast, features, label, logits = contrast_inputs()
    contrast(features, label, logits)
    for part in (first, second):
        assert torch.allclose(part["memory"], contrast.memory, atol=1e-5)


@pytest.mark.slow
def test_gradients_of_synchronised_norms(tmp_path: Path) -> None:
    """The gradient of a person's features counts what they do to everybody's statistics."""
    run_two(NORMS.format(here=str(HERE), out=str(tmp_path), sync=True), tmp_path)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    channel, joint = norms()
    x, people, present = inputs()
    x.requires_grad_()
    people.requires_grad_()
    outs = [[channel(x)], [joint(people, present)]]
    loss = x.new_zeros(())
    for out, axis in ((outs[0][0], 1), (outs[1][0], 0)):
        for half in out.split(3, axis):
            loss = loss + (half * torch.linspace(-1, 1, half.numel()).view(half.shape)).sum()
    loss.backward()
    assert x.grad is not None and people.grad is not None
    assert torch.allclose(torch.cat([p["channel"]["x"] for p in parts], 1), x.grad, atol=1e-4)
    assert torch.allclose(torch.cat([p["joint"]["x"] for p in parts]), people.grad, atol=1e-4)


def test_without_processes_synchronising_changes_nothing() -> None:
    x, people, present = inputs()
    for norm, arguments in zip(norms(), ((x,), (people, present)), strict=True):
        expected = norm_step(norm, *arguments)
        other = norms()[0 if isinstance(norm, ChannelNorm) else 1]
        synchronise(other)
        for what, value in norm_step(other, *arguments).items():
            assert torch.allclose(value.float(), expected[what].float(), atol=1e-5), what


@pytest.mark.slow
def test_training_with_and_without_contrast(tmp_path: Path) -> None:
    run_two(TRAIN.format(here=str(HERE), out=str(tmp_path)), tmp_path)
    for contrast in (0.0, 0.2):
        (one, told), (two, told_too) = (
            torch.load(tmp_path / str(contrast) / f"state{rank}.pt", weights_only=True) for rank in range(2)
        )
        assert told == told_too and len(told) == 2
        for name, value in one.items():  # weights, running statistics and the contrast's memory
            assert torch.allclose(value.float(), two[name].float(), atol=1e-6), name
