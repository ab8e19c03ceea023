"""Recurrent networks over frames."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
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
