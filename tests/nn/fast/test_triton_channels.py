"""The Triton kernels of aggregation by channel: right under the interpreter, compiled for a GPU that is not here."""

from __future__ import annotations

import pytest
from triton_scripts import run

pytest.importorskip("triton")

INTERPRETED = """
import torch
from skelact.nn.fast.triton_channels import can_aggregate, channel_product
torch.manual_seed(0)
for k, d, p, v, t in ((3, 20, 2, 25, 19), (1, 16, 1, 8, 3)):  # channels, joints and frames do not fill the programs
    topology = torch.randn(k, d, p, v, v).requires_grad_()
    values = torch.randn(v, p, t, k * d).requires_grad_()
    assert can_aggregate(values, topology)
    ours = channel_product(topology, values)
    plain = torch.einsum("kdpwu,uptkd->wptd", topology, values.view(v, p, t, k, d))
    push = torch.randn_like(plain)
    results = [[out, *torch.autograd.grad((out * push).sum(), (topology, values))] for out in (ours, plain)]
    for what, one, expected in zip(("out", "topology", "values"), *results):
        error = (one - expected).abs().max() / expected.abs().max()
        assert error < 1e-5, (k, what, error)
assert not can_aggregate(torch.randn(40, 1, 2, 3), topology)
"""

MODULES = """
import copy, torch
from skelact.layouts import partition
from skelact.nn import measure
from skelact.nn.fast import for_training, gate, refinement
from skelact.nn.spatial.channelwise import ChannelwiseGraphConv
from skelact.nn.spatial.dynamic import DynamicGraphConv
torch.manual_seed(0)
refinement.DEVICES = ("cpu",)
gate.applies = refinement.applies = lambda x: False  # as on a GPU
for conv in (ChannelwiseGraphConv(3, 5, partition("natops8", "spatial")), DynamicGraphConv(3, 16, 8)):
    with torch.no_grad():
        for value in conv.parameters():
            value.add_(torch.randn_like(value), alpha=0.3)
    x, taken, results = torch.randn(8, 2, 3, 3), [], []
    measure.time_way = lambda name, *_: taken.append(name) or (0.1 if name == "fused" else 1.0)
    for module in (for_training(copy.deepcopy(conv)).train(), conv.train()):
        inputs = x.clone().requires_grad_()
        out = module(inputs)
        out.square().sum().backward()
        results.append([out, inputs.grad, *(p.grad for p in module.parameters())])
    assert taken == ["apart", "fused"], taken
    for ours, expected in zip(*results):
        assert (ours - expected).abs().max() < 1e-5 * expected.abs().max() + 1e-3
"""

COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from skelact.nn.fast.triton_channels import CHANNELS, FRAMES, WARPS, kernels
for kind, precision in (("bf16", "ieee"), ("fp16", "ieee"), ("fp32", "tf32")):
    for kernel in kernels():
        names = kernel.arg_names
        types = dict.fromkeys(names[:3], f"*{kind}") | dict.fromkeys(names[3:7], "i32")
        types |= dict.fromkeys(names[7:], "constexpr")
        values = dict(zip(names[7:], (3, 32, CHANNELS, FRAMES, precision)))
        source = ASTSource(kernel, types, {(names.index(n),): v for n, v in values.items()})
        made = compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": WARPS, "num_stages": 1})
        assert len(made.asm["cubin"]) > 1000 and made.metadata.shared <= 200_000
"""


@pytest.mark.slow
def test_equal_to_an_einsum_with_gradients() -> None:
    run(INTERPRETED, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_the_modules_take_it_where_it_is_measured_faster() -> None:
    run(MODULES, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_compiles_for_a_gpu() -> None:
    run(COMPILED)
