"""The Triton kernel of the graph product: right under the interpreter, compiled for a GPU that is not here."""

from __future__ import annotations

import pytest
import torch
from triton_scripts import run

from skelact.errors import ConfigError
from skelact.layouts import partition
from skelact.nn.fast.triton_graph import is_available
from skelact.nn.graph import SkeletonGraph
from skelact.nn.propagate import propagate

pytest.importorskip("triton")

INTERPRETED = """
import torch
from skelact.layouts import partition
from skelact.nn.graph import SkeletonGraph
from skelact.nn.propagate import propagate
torch.manual_seed(0)
graph = SkeletonGraph(partition("ntu25", "spatial"))
x = torch.randn(25, 2, 29, 11, requires_grad=True)  # 638 columns: the last program is not full
weight = torch.randn_like(graph.value).requires_grad_()
results = []
for backend in ("fused", "dense"):
    out = propagate(x, graph, weight, backend)
    grads = torch.autograd.grad((out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum(), (x, weight))
    results.append([out, *grads])
for ours, expected in zip(*results):
    assert torch.allclose(ours, expected, atol=2e-5), (ours - expected).abs().max()
for leaf, other in ((x, weight.detach()), (weight, x.detach())):  # one gradient alone
    out = [propagate(*((leaf, graph, other) if leaf is x else (other, graph, leaf)), b) for b in ("fused", "dense")]
    ours, expected = (torch.autograd.grad(one.square().sum(), leaf)[0] for one in out)
    assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-4), (ours - expected).abs().max()
"""

COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from skelact.nn.fast.triton_graph import BLOCK_BYTES, kernels
aggregate, gradients = kernels()
for kind, size in (("fp32", 4), ("bf16", 2), ("fp16", 2)):
    values = dict.fromkeys(("x", "weight", "out", "grad", "grad_x"), f"*{kind}") | {"parts": "*fp32"}
    lists = dict.fromkeys(("row_begin", "col", "col_begin", "row", "edge"), "*i32")
    for kernel, constants in (
        (aggregate, {"block": BLOCK_BYTES // size}),
        (gradients, {"needs_x": True, "needs_weight": True, "block": BLOCK_BYTES // size}),
    ):
        types = {n: (values | lists | dict.fromkeys(constants, "constexpr")).get(n, "i32") for n in kernel.arg_names}
        places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
        made = compile(ASTSource(kernel, types, places), target=GPUTarget("cuda", 90, 32))
        assert len(made.asm["cubin"]) > 1000
"""


@pytest.mark.slow
def test_equal_to_the_dense_product_with_gradients() -> None:
    run(INTERPRETED, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_compiles_for_a_gpu() -> None:
    run(COMPILED)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_it_is_refused_where_there_is_none() -> None:
    x = torch.randn(25, 4)
    assert not is_available(x)
    with pytest.raises(ConfigError, match="'fused' does not run on cpu"):
        propagate(x, SkeletonGraph(partition("ntu25")), backend="fused")
