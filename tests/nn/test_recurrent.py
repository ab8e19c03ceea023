"""Recurrent networks over frames."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from skelact.errors import ConfigError
from skelact.nn import recurrent
from skelact.nn.recurrent import Recurrent, pool_frames, states_before


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_only_the_past_counts_unless_bidirectional(cell: str) -> None:
    x = torch.randn(2, 6, 3)
    changed = x.clone()
    changed[:, 4:] += 1
    forwards, both = Recurrent(cell, 3, 4, 2), Recurrent(cell, 3, 4, 2, bidirectional=True)
    assert torch.allclose(forwards(x)[:, :4], forwards(changed)[:, :4])
    assert not torch.allclose(both(x)[:, :4], both(changed)[:, :4])
    assert forwards.channels_out == 4 and both.channels_out == 8 and both(x).shape == (2, 6, 8)


def test_it_starts_orthogonal_with_open_gates() -> None:
    network = Recurrent("lstm", 3, 4).cell
    gates = network.weight_hh_l0.view(4, 4, 4)
    assert torch.allclose(gates @ gates.transpose(1, 2), torch.eye(4).expand(4, 4, 4), atol=1e-5)
    assert network.bias_ih_l0.tolist() == [0] * 4 + [1] * 4 + [0] * 8 and not network.bias_hh_l0.any()


def test_states_before_and_pooling() -> None:
    states = torch.arange(6.0).view(1, 3, 2)
    assert states_before(states).tolist() == [[[0, 0], [0, 1], [2, 3]]]
    assert states_before(states[:, :1]).tolist() == [[[0, 0]]]
    present = torch.tensor([[True, False, True]])
    assert pool_frames(states, present).tolist() == [[2, 3]] == pool_frames(states).tolist()
    assert pool_frames(states, torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[0, 0]]


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="lstm, gru"):
        Recurrent("rnn", 3, 4)
    with pytest.raises(ConfigError, match="at least 1, got 0 and 1"):
        Recurrent("gru", 3, 0)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_mixed_precision_falls_back_to_float32_where_the_processor_cannot(
    cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = Recurrent(cell, 3, 4, 2), torch.randn(2, 6, 3)
    exact = network(x)
    monkeypatch.setattr(recurrent, "_trains_in_bfloat16", lambda: False)
    with torch.autocast("cpu", torch.bfloat16):
        states = network(x)
    assert states.dtype == torch.bfloat16 and torch.equal(states, exact.to(torch.bfloat16))
    states.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in network.parameters())


@pytest.mark.slow
def test_processors_without_the_primitive_are_known() -> None:
    """oneDNN told to be an AVX2 processor has no bfloat16 LSTM that trains."""
    code = (
        "import torch; from skelact.nn.recurrent import Recurrent; x = torch.randn(2, 5, 3)\n"
        "with torch.autocast('cpu', torch.bfloat16): Recurrent('lstm', 3, 4)(x).float().sum().backward()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"})
