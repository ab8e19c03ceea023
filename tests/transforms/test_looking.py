"""Whether values may be read on the host: on a CPU, unless somebody forbids it."""

from __future__ import annotations

import torch

from skelact.transforms.device import may_look, without_looking


def test_a_cpu_is_looked_at_but_where_it_is_forbidden() -> None:
    assert may_look(torch.device("cpu")) and not may_look(torch.device("meta"))
    with without_looking():
        assert not may_look(torch.device("cpu"))
    assert may_look(torch.device("cpu"))
