"""Graph convolutions over several hop distances, in a frame and over windows of frames."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from skelact.layouts import get_layout, hop_scales
from skelact.nn.fast import for_training, plain_form
from skelact.nn.fast.table import fold
from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.multiscale import MultiScaleGraphConv
from skelact.nn.spatial.window import WindowGraphConv, Windows


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("layout", ["ntu25", "natops8"])
def test_scales_are_the_powers_of_the_adjacency(layout: str, window: int) -> None:
    """The published definition: reachable in k steps and not in k - 1, over a graph joined across frames."""
    n = len(get_layout(layout))
    near = np.eye(n)
    for a, b in get_layout(layout).edges:
        near[a, b] = near[b, a] = 1
    near = np.tile(near, (window, window))
    own = np.eye(n * window)
    for k, ours in enumerate(hop_scales(layout, 6, window)):
        joined = own
        if k:
            within = [np.linalg.matrix_power(near + own, steps) > 0 for steps in (k, k - 1)]
            within[1] = own > 0 if k == 1 else within[1]
            joined = within[0].astype(float) - within[1] + own
        degree = joined.sum(1)
        assert np.allclose(ours, joined / np.sqrt(degree[:, None] * degree), atol=1e-6)


def test_multiscale_convolution_is_the_sum_over_scales() -> None:
    torch.manual_seed(0)
    scales = hop_scales("natops8", 3)
    conv = MultiScaleGraphConv(3, 5, SkeletonGraph(scales)).double()
    torch.nn.init.normal_(conv.learned)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(8, 2, 4, 3, dtype=torch.float64)
    adjacency = torch.as_tensor(scales) + conv.learned.view(3, 8, 8)  # target, source
    expected = torch.einsum("kwv,vptc,kcd->wptd", adjacency, x, conv.weight) + conv.bias
    assert torch.allclose(conv(x), expected, atol=1e-12)
    assert torch.allclose(fold(conv, None, torch.float64)(x), expected, atol=1e-12)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_windows_are_those_of_unfold(stride: int, dilation: int, n_frames: int) -> None:
    x = torch.randn(4, 2, n_frames, 3)
    pad = 2 * dilation // 2
    usual = functional.unfold(x.permute(1, 3, 2, 0), (3, 1), (dilation, 1), (pad, 0), (stride, 1))
    usual = usual.view(2, 3, 3, -1, 4).permute(2, 4, 0, 3, 1)  # window, joint, person, frame, channel
    assert torch.equal(Windows(3, stride, dilation).unfold(x), usual.flatten(0, 1))


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("width", [4, 12])  # both orders of mixing and aggregating
@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_window_convolution_is_its_parts(stride: int, dilation: int, width: int, n_frames: int) -> None:
    torch.manual_seed(0)
    channels = 3
    graph = SkeletonGraph(hop_scales("natops8", 3, 3))
    conv = WindowGraphConv(channels, 5, graph, Windows(3, stride, dilation), width).double()
    closing = ChannelNorm(5).double()
    for value in conv.parameters():
        value.data += 0.3 * torch.randn_like(value)
    x = torch.randn(8, 3, n_frames, channels, dtype=torch.float64, requires_grad=True)
    results = []
    for plain in (False, True):
        conv.zero_grad()
        x.grad = None
        if plain:
            windows = Windows(3, stride, dilation).unfold(x)
            adjacency = conv.conv.adjacency().view(3, 24, 24)
            mixed = torch.einsum("kwv,vptc,kcd->wptd", adjacency, windows, conv.conv.weight) + conv.conv.bias
            seen = conv.norm(mixed).relu().view(3, 8, *mixed.shape[1:])
            out = torch.einsum("nvpte,ned->vptd", seen, conv.collapse_weight) + conv.collapse_bias
        else:
            out = for_training(conv)(x)
        (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)).sum().backward()
        results.append([out.detach(), x.grad, *(p.grad for p in conv.parameters())])
    for ours, plain_one in zip(*results, strict=True):
        assert torch.allclose(ours, plain_one, atol=1e-9)
    closing(conv(x))
    plain_form(conv).eval()
    closing.eval()
    form = fold(conv, closing, torch.float64)
    for _ in range(2):  # the second time as on a GPU
        assert torch.allclose(form(x.detach()), closing(conv(x)), atol=1e-10)
        form.mixes_first = False
