"""Two processes that train networks of several streams, one of which never sees pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_processes import run_two

MODELS = Path(__file__).parents[1] / "models"

STEPS = """
import os, sys, torch
sys.path[:0] = [{here!r}]
import test_stream_networks as t
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
found = {{}}
for name, (make, _) in t.NETWORKS.items():
    net = make().train()
    own = torch.nn.parallel.DistributedDataParallel(net)
    optimiser = torch.optim.SGD(net.parameters(), 0.01)
    for there in ((True,), None, (False,)):
        given = t.given_of(name, None if rank else there)
        label = torch.arange(given[3])
        optimiser.zero_grad()
        t.training_loss(net, own(*given), label, t.cross_entropy).backward()
        optimiser.step()
    found[name] = dict(net.named_parameters())
torch.save(found, f"{out}/{{rank}}.pt")
torch.distributed.barrier()
torch.distributed.destroy_process_group()
os._exit(0)  # gloo's threads sometimes abort an interpreter that is ending; what is tested is written
"""


@pytest.mark.slow
def test_a_process_without_pictures_does_not_hold_the_others_up(tmp_path: Path) -> None:
    run_two(STEPS.format(here=str(MODELS), out=str(tmp_path)), tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, weights in first.items():
        for key, value in weights.items():
            assert torch.equal(value, second[name][key]), f"{name}: {key}"
