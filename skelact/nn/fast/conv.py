"""Convolutions for inference: the norm folded in, the weight laid out once as oneDNN reads it, sum and ReLU fused."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from skelact.nn.fast.gate import FULL_PRECISION
from skelact.nn.modules import Modules
from skelact.nn.winograd import transforms

CONVS = (nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
OUTPUTS = 4  # frames that minimal filtering makes at once
MINIMAL = (64, 256)  # channels for which it is faster: 1.2 times with 64, 1.3 with 128, 1.15 with 256
FEW = 16  # channels, below which half precision is not used on maps smaller than the kernel


def is_plain(module: nn.Module) -> TypeGuard[nn.Conv2d | nn.Conv3d]:
    """Whether a module is a 2D or 3D convolution padded by a number of zeros."""
    return type(module) in CONVS and not isinstance(module.padding, str) and module.padding_mode == "zeros"


class ConvForm(nn.Module):
    """A 2D or 3D convolution for inference, in channels-last memory, that may add a tensor and apply ReLU.

    On a CPU with oneDNN the weight is reordered once instead of in every call, and sum and ReLU run in the same pass
    over memory. oneDNN as of torch 2.14 gives wrong half-precision results where the kernel spans more than the map
    and there are few channels; there the convolution runs in float32.

    Args:
        conv: see `is_plain`; its weights are copied.
        relu: apply ReLU last.
        dtype: of the arithmetic.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, relu: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.relu, self.dtype, self.groups = relu, dtype, conv.groups
        self.stride, self.dilation = list(conv.stride), list(conv.dilation)
        self.padding = [int(amount) for amount in conv.padding]
        self.kernel = list(conv.kernel_size)
        self.unsafe = dtype not in FULL_PRECISION and is_unsafe(conv.in_channels, conv.out_channels)
        kept = torch.float32 if self.unsafe else dtype
        weight = conv.weight.detach().to(kept, copy=True)
        self.register_buffer("weight", weight.contiguous(memory_format=channels_last(weight)))
        bias = weight.new_zeros(len(weight)) if conv.bias is None else conv.bias.detach().to(kept, copy=True)
        self.register_buffer("bias", bias)
        self.reordered: dict[str, list[Tensor]] = {}  # in oneDNN's own layout, by where it is used

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """``relu(conv(x) + added)`` in the form's type."""
        dtype = self.dtype
        if self.unsafe and any(s < k for s, k in zip(x.shape[2:], self.kernel, strict=True)):
            dtype = torch.float32
        x = x.to(dtype).contiguous(memory_format=channels_last(x))
        if self._by_onednn(x):
            out = self._onednn(x, added, dtype)
        else:
            conv = functional.conv2d if x.ndim == 4 else functional.conv3d
            weight, bias = self.weight.to(dtype), self.bias.to(dtype)
            layout = (self.stride, self.padding, self.dilation, self.groups)
            with without_autocast(x) if self.unsafe else nullcontext():
                out = conv(x, weight, bias, *layout)
            out = out if added is None else out.add_(added)
            out = out.relu_() if self.relu else out
        return out.to(self.dtype)

    def _by_onednn(self, x: Tensor) -> bool:
        return (
            x.device.type == "cpu"
            and x.dtype in (torch.float32, torch.bfloat16)
            and not (x.requires_grad and torch.is_grad_enabled())
            and not torch.compiler.is_compiling()
            and not torch.jit.is_tracing()
            and has_onednn(x.dtype)
        )

    def _onednn(self, x: Tensor, added: Tensor | None, dtype: torch.dtype) -> Tensor:
        layout = (self.padding, self.stride, self.dilation, self.groups)
        weight, bias = self.weight, self.bias
        if weight.dtype != dtype:
            weight, bias = weight.to(dtype), bias.to(dtype)
        else:
            if "whole" not in self.reordered:
                reorder = torch.ops.mkldnn._reorder_convolution_weight
                self.reordered["whole"] = [reorder(weight, *layout, list(x.shape))]
            (weight,) = self.reordered["whole"]
        ops: Any = torch.ops.mkldnn
        relu = "relu" if self.relu else "none"
        if added is None:
            return ops._convolution_pointwise(x, weight, bias, *layout, relu, [], "")
        added = added.to(dtype).contiguous(memory_format=channels_last(x))
        unary = "relu" if self.relu else None
        return ops._convolution_pointwise.binary(
            x, added, weight, bias, *layout, "add", None, unary, [], None
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "reordered": {}}  # oneDNN's own layout is neither copied nor saved

    def _apply(self, fn: Any, recurse: bool = True) -> ConvForm:
        self.reordered = {}
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any) -> None:
        self.reordered = {}
        super()._load_from_state_dict(*args)

    def extra_repr(self) -> str:
        return f"{list(self.weight.shape)}, stride={self.stride}, relu={self.relu}, {self.dtype}"


def without_autocast(x: Tensor) -> torch.autocast:
    """A context in which ``x`` keeps its type."""
    return torch.autocast(x.device.type, enabled=False)


def channels_last(x: Tensor) -> torch.memory_format:
    """Channels-last memory for maps ``[N, C, H, W]`` or ``[N, C, T, H, W]``."""
    return torch.channels_last if x.ndim == 4 else torch.channels_last_3d


def is_unsafe(channels_in: int, channels_out: int) -> bool:
    """Whether half precision is not to be used on maps smaller than the kernel; see `ConvForm`."""
    return min(channels_in, channels_out) < FEW or channels_in % 8 != 0 or channels_out % 8 != 0


def has_onednn(dtype: torch.dtype = torch.float32) -> bool:
    """Whether torch has oneDNN's convolution with a reordered weight and fused sum and ReLU, for this processor."""
    ops: Any = torch.ops.mkldnn
    names = ("_reorder_convolution_weight", "_convolution_pointwise")
    there = torch.backends.mkldnn.is_available() and all(hasattr(ops, name) for name in names)
    if (
        there and dtype == torch.bfloat16
    ):  # refused where the processor has no AVX-512, which others emulate it by
        return not hasattr(ops, "_is_mkldnn_bf16_supported") or bool(ops._is_mkldnn_bf16_supported())
    return there


class MinimalConvForm(ConvForm):
    """A 3×3×3 convolution in float32 on the CPU by minimal filtering along time, F(4, 3); see `skelact.nn.winograd`.

    Four frames of output are six 3×3 convolutions instead of twelve, on weighted sums of six frames. Tiles are computed
    one after the other, so that they stay in the caches. Errors are about three times those of oneDNN's convolution.
    """

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        x = x.to(self.dtype).contiguous(memory_format=channels_last(x))
        if x.shape[2] < OUTPUTS or not self._by_onednn(x):
            return super().forward(x, added)
        (n, c, t, h, w), d = x.shape, len(self.weight)
        back, _, out_map = transforms(OUTPUTS, x)
        filters, layout = self._filters([1, c, h, w]), ([1, 1], [1, 1], [1, 1], 1)
        out = x.new_empty(n, t, h * w * d)
        inputs, products = x.new_empty(OUTPUTS + 2, h * w * c), x.new_empty(OUTPUTS + 2, h * w * d)
        kept = None if added is None else added.to(x.dtype).permute(0, 2, 3, 4, 1).reshape(n, t, -1)
        for k, clip in enumerate(x.permute(0, 2, 3, 4, 1).flatten(2)):
            for start in range(0, t, OUTPUTS):
                first, end = max(start - 1, 0), min(start + OUTPUTS + 1, t)  # beyond them there are zeros
                torch.mm(
                    back[:, first - start + 1 : end - start + 1].contiguous(), clip[first:end], out=inputs
                )
                for i, kernel in enumerate(filters):
                    bias = self.bias if i == 1 else None  # the second product is in every output once
                    frame = inputs[i].view(1, h, w, c).permute(0, 3, 1, 2)
                    made = torch.ops.mkldnn._convolution_pointwise(
                        frame, kernel, bias, *layout, "none", [], ""
                    )
                    products[i] = made.permute(0, 2, 3, 1).flatten()
                part = out[k, start : start + OUTPUTS]
                torch.mm(out_map[: len(part)], products, out=part)
                if kept is not None:
                    part += kept[k, start : start + OUTPUTS]
                if self.relu:
                    part.relu_()
        return out.view(n, t, h, w, d).permute(0, 4, 1, 2, 3)

    def _filters(self, shape: list[int]) -> list[Tensor]:
        """The transformed kernels, in oneDNN's layout."""
        if "filters" not in self.reordered:
            kernel = transforms(OUTPUTS, self.weight)[1]
            parts = torch.einsum("ak,dckij->adcij", kernel, self.weight)
            reorder = torch.ops.mkldnn._reorder_convolution_weight
            self.reordered["filters"] = [
                reorder(part.contiguous(memory_format=torch.channels_last), [1, 1], [1, 1], [1, 1], 1, shape)
                for part in parts
            ]
        return self.reordered["filters"]


def make_form(conv: nn.Conv2d | nn.Conv3d, relu: bool, dtype: torch.dtype) -> ConvForm:
    """The form of a convolution: `MinimalConvForm` where that was measured faster, otherwise `ConvForm`."""
    one = (1, 1, 1)
    minimal = (
        dtype == torch.float32
        and (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3, 3), one, one, one)
        and conv.groups == 1
        and all(MINIMAL[0] <= c <= MINIMAL[1] for c in (conv.in_channels, conv.out_channels))
    )
    return (MinimalConvForm if minimal else ConvForm)(conv, relu, dtype)


def fold_convs(modules: nn.Sequential, dtype: torch.dtype) -> nn.Sequential:
    """A sequence in evaluation mode, every convolution joined with the norm and the ReLU that directly follow it.

    Sequences inside it become part of it.
    """
    parts, result, i = flatten(modules), [], 0
    while i < len(parts):
        part = parts[i]
        i += 1
        if not is_plain(part):
            result.append(part)
            continue
        assert isinstance(part, nn.Conv2d | nn.Conv3d)
        following = parts[i] if i < len(parts) else None
        if isinstance(following, nn.BatchNorm2d | nn.BatchNorm3d):
            part = fuse_conv_bn_eval(part, following)
            i += 1
        relu = i < len(parts) and type(parts[i]) is nn.ReLU
        i += relu
        result.append(make_form(part, relu, dtype))
    return nn.Sequential(*result)


def flatten(modules: nn.Sequential) -> list[nn.Module]:
    """The modules of a sequence and of the sequences in it, in order."""
    parts: list[nn.Module] = []
    for part in modules:
        parts += flatten(part) if is_sequence(part) else [part]
    return parts


def is_sequence(module: nn.Module) -> TypeGuard[nn.Sequential]:
    """Whether a module runs its children one after the other, and nothing else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


class ResidualForm(nn.Module):
    """``relu(path(x) + shortcut(x))`` for inference; sum and ReLU are part of the path's last convolution.

    Args:
        path: modules one after the other; the last is a `ConvForm` without ReLU, or any other module.
        shortcut: a module; None: the identity.
    """

    def __init__(self, path: list[nn.Module], shortcut: nn.Module | None) -> None:
        super().__init__()
        self.path, self.shortcut = Modules(path), shortcut
        last = path[-1]
        self.fused = isinstance(last, ConvForm) and not last.relu
        if isinstance(last, ConvForm) and self.fused:
            last.relu = True

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.shortcut is None else self.shortcut(x)
        for part in self.path[:-1]:
            x = part(x)
        last = self.path[-1]
        return last(x, kept) if self.fused else last(x).add(kept).relu_()
