"""The Triton kernel of the graph convolution: right under the interpreter, compiled for a GPU that is not here."""

from __future__ import annotations

import pytest
from triton_scripts import run

pytest.importorskip("triton")

INTERPRETED = """
import torch
from skelact.layouts import partition
from skelact.nn.fast.triton_spatial import spatial_product
torch.manual_seed(0)
for layout, kind, n, c, d in (("ntu25", "spatial", 7, 3, 17), ("natops8", "uniform", 5, 40, 70)):
    matrix = torch.as_tensor(partition(layout, kind)).float().transpose(1, 2).contiguous()
    (k, v, _) = matrix.shape  # columns, channels in and channels out do not fill the last program
    tensors = [torch.randn(v, n, c), torch.randn_like(matrix), torch.randn(k, c, d), torch.randn(v, d)]
    for tensor in tensors:
        tensor.requires_grad_()
    x, matrix, weight, bias = tensors
    plain = torch.einsum("kuv,vnc,kcd->und", matrix, x, weight) + bias[:, None]
    ours = spatial_product(*tensors)
    push = torch.randn_like(plain)
    results = [[out, *torch.autograd.grad((out * push).sum(), tensors)] for out in (ours, plain)]
    for what, one, expected in zip(("out", "x", "matrix", "weight", "bias"), *results):
        error = (one - expected).abs().max() / expected.abs().max()
        assert error < 1e-5, (layout, what, error)
"""

FORMS = """
import copy, torch
from skelact.layouts import partition
from skelact.nn import measure
from skelact.nn.fast import for_training, spatial
from skelact.nn.fast.graph_conv import FixedGraphConvForm
from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.fixed import FixedGraphConv
torch.manual_seed(0)
conv = FixedGraphConv(3, 5, SkeletonGraph(partition("natops8", "spatial")))
with torch.no_grad():
    for value in conv.parameters():
        value.add_(torch.randn_like(value), alpha=0.3)
norm = ChannelNorm(5)
x = torch.randn(8, 2, 3, 3)
norm(torch.randn(8, 2, 3, 5))
fast = for_training(copy.deepcopy(conv)).train()
spatial.DEVICES = ("cpu",)
taken = []
measure.time_way = lambda name, *_: taken.append(name) or (0.1 if name == "fused" else 1.0)
results = []
for module in (fast, conv):
    inputs = x.clone().requires_grad_()
    out = module(inputs)
    out.square().sum().backward()
    results.append([out, inputs.grad, *(p.grad for p in module.parameters())])
assert taken == ["apart", "fused"], taken
for ours, expected in zip(*results):
    assert torch.allclose(ours, expected, atol=1e-5), (ours - expected).abs().max()
form = FixedGraphConvForm(conv, norm.eval(), torch.float32)
with torch.inference_mode():
    assert torch.allclose(form(x), norm(conv(x)), atol=1e-5)
assert len(taken) == 4 and len(measure.chosen_backends()) == 2
"""

COMPILED = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from skelact.nn.fast.triton_spatial import WARPS, blocks, kernel
names = ("x", "matrix", "weight", "bias", "out", "n_columns", "n_joints", "n_in", "n_out")
names += ("n_partitions", "has_bias", "padded", "columns", "block_in", "block_out", "precision")
for kind, n_in, precision in (("fp32", 64, "ieee"), ("fp32", 64, "tf32"), ("bf16", 64, "ieee"), ("fp16", 3, "ieee")):
    target, options = GPUTarget("cuda", 90, 32), {"num_warps": WARPS}
    types = [f"*{kind}"] * 3 + ["*fp32", f"*{kind}"] + ["i32"] * 4 + ["constexpr"] * 7
    values = (3, True, *blocks(25, n_in, 64, int(kind[2:]) // 8), precision)
    constants = {(9 + i,): value for i, value in enumerate(values)}
    made = compile(ASTSource(kernel(), dict(zip(names, types)), constants), target=target, options=options)
    assert len(made.asm["cubin"]) > 1000
    assert made.metadata.shared <= 99 * 1024, made.metadata.shared
"""


def test_equal_to_the_einsum_with_gradients() -> None:
    run(INTERPRETED, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_the_forms_take_it_where_it_is_faster() -> None:
    run(FORMS, TRITON_INTERPRET="1")


@pytest.mark.slow
def test_compiles_for_a_gpu() -> None:
    run(COMPILED)
