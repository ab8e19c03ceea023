"""Yardsticks: networks in the field's usual form, with the weights of ours, kept only to be measured against."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from skelact.benchmark.yardsticks.agcn import usual_agcn
from skelact.benchmark.yardsticks.ctrgcn import usual_ctrgcn
from skelact.benchmark.yardsticks.dgstgcn import usual_dgstgcn
from skelact.benchmark.yardsticks.msg3d import usual_msg3d
from skelact.benchmark.yardsticks.protogcn import usual_protogcn
from skelact.benchmark.yardsticks.shiftgcn import usual_shiftgcn
from skelact.benchmark.yardsticks.stgcn import usual_stgcn
from skelact.benchmark.yardsticks.stgcnpp import usual_stgcnpp

# Name in `skelact.models.MODELS`: makes, of the network, one that takes [N, C, T, V, M].
YARDSTICKS: dict[str, Callable[..., nn.Module]] = {
    "stgcn": usual_stgcn,
    "stgcnpp": usual_stgcnpp,
    "ctrgcn": usual_ctrgcn,
    "dgstgcn": usual_dgstgcn,
    "protogcn": usual_protogcn,
    "agcn": usual_agcn,
    "aagcn": usual_agcn,
    "msg3d": usual_msg3d,
    "shiftgcn": usual_shiftgcn,
}
