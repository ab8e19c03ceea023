"""Temporal modules frame by frame: convolutions with a ring buffer, attention with a ring of keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.continual.stage import Frame, Stage, State
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.temporal.attention import CausalAttention
from skelact.nn.temporal.conv import TemporalConv
from skelact.nn.temporal.multibranch import MultiBranchConv
from skelact.nn.temporal.split import SplitConv


class TemporalStage(Stage):
    """Base: the frames ``x [P, V, C]`` are prepared one by one, kept, and mixed over time.

    Args:
        name, reach, delay, stride: see `Stage`.
        channels: of what is kept.
        extra_joints: joints that `prepare` adds.
    """

    def __init__(
        self, name: str, reach: int, delay: int, stride: int, channels: int, extra_joints: int = 0
    ) -> None:
        super().__init__(name, reach, delay, stride)
        self.channels, self.extra_joints = channels, extra_joints

    def start(self, n_people: int, n_joints: int, like: Tensor) -> State:
        """The state of people who have not been seen yet."""
        return self.begin(n_people, n_joints + self.extra_joints, self.channels, like)

    def prepare(self, x: Tensor) -> Tensor:
        """What is kept of a frame ``[P, V, C]``."""
        return x

    def mix(self, rows: Tensor, newest: Tensor, state: State) -> Tensor:
        """The output ``[P, V, D]`` when the newest frame's number is ``newest [P]``."""
        raise NotImplementedError

    def step(self, frame: Frame, state: State) -> tuple[Frame, Tensor, Tensor]:
        """Take a frame; returns the output's, the indices within the frame of whom it is of, and their centres."""
        number = self.push(frame.having(self.prepare(frame.x)), state)
        who, centre, valid = self.due(number, frame, state)
        rows = frame.rows[who]
        if not len(who):
            return Frame(frame.x[:0], rows, valid), who, centre
        return Frame(self.mix(rows, number[who], state), rows, valid), who, centre


class ConvStage(TemporalStage):
    """`TemporalConv`, with the norm that follows folded into its weights."""

    def __init__(self, name: str, conv: TemporalConv, norm: ChannelNorm | None = None) -> None:
        kernel, dilation = conv.kernel_size[1], conv.dilation[1]
        reach = (kernel - 1) * dilation
        super().__init__(name, reach, 0 if conv.before else reach // 2, conv.stride[1], conv.in_channels)
        weight, bias = conv_matrix(conv)
        scale, shift = scale_shift(norm, weight)
        self.weight = nn.Parameter(weight * scale, requires_grad=False)
        self.bias = nn.Parameter(bias * scale + shift, requires_grad=False)
        self.register_buffer("back", torch.arange(kernel - 1, -1, -1) * dilation, persistent=False)
        self.back: Tensor

    def mix(self, rows: Tensor, newest: Tensor, state: State) -> Tensor:
        taps = self.read(rows, newest[:, None] - self.back, state)
        return mix_taps(taps, self.weight, self.bias)


class Branch(NamedTuple):
    """A convolution of some channels of what is kept."""

    channels: slice
    back: Tensor  # [K] frames before the newest
    weight: Tensor
    bias: Tensor


class BranchesStage(TemporalStage):
    """Groups of channels, each convolved over other frames, the last ones pooled or passed through.

    Args:
        name: see `Stage`.
        convs, widths: the convolutions and the channels of each.
        others: channels that are not convolved.
        stride: of the clip module.
        least: frames that the other branches look ahead.
        extra_joints: see `TemporalStage`.
    """

    def __init__(
        self, name: str, convs: Sequence[TemporalConv], widths: Sequence[int], others: int, stride: int,
        least: int = 0, extra_joints: int = 0,
    ) -> None:  # fmt: skip
        reaches = [(conv.kernel_size[1] - 1) * conv.dilation[1] for conv in convs]
        aheads = [0 if conv.before else reach // 2 for conv, reach in zip(convs, reaches, strict=True)]
        delay = max([least, *aheads])
        backs = [
            delay - ahead + torch.arange(conv.kernel_size[1] - 1, -1, -1) * conv.dilation[1]
            for conv, ahead in zip(convs, aheads, strict=True)
        ]
        reach = max([delay + least, *(int(back.max()) for back in backs)])
        super().__init__(name, reach, delay, stride, sum(widths) + others, extra_joints)
        self.weights = nn.ParameterList()
        self.slices: list[slice] = []
        first = 0
        for i, (conv, width, back) in enumerate(zip(convs, widths, backs, strict=True)):
            weight, bias = conv_matrix(conv)
            self.weights += [
                nn.Parameter(weight, requires_grad=False),
                nn.Parameter(bias, requires_grad=False),
            ]
            self.register_buffer(f"back_{i}", back, persistent=False)
            self.slices.append(slice(first, first + width))
            first += width
        self.rest = slice(first, first + others)

    def branches(self, rows: Tensor, newest: Tensor, state: State) -> list[Tensor]:
        """The convolved groups of channels, each ``[P, V, D]``."""
        out = []
        for i, channels in enumerate(self.slices):
            taps = self.read(rows, newest[:, None] - getattr(self, f"back_{i}"), state, channels)
            out.append(mix_taps(taps, self.weights[2 * i], self.weights[2 * i + 1]))
        return out

    def centre_frame(self, rows: Tensor, newest: Tensor, state: State, channels: slice) -> Tensor:
        """Some channels of the centre's frame, ``[P, V, C]``."""
        return self.read(rows, newest[:, None] - self.delay, state, channels)[:, 0]


class SplitStage(BranchesStage):
    """`SplitConv` (SkelactNet)."""

    def __init__(self, name: str, module: SplitConv, norm: ChannelNorm | None = None) -> None:
        super().__init__(name, list(module.convs), module.widths[:-1], module.widths[-1], module.stride)
        self.first = folded_linear(module.mix, module.norm)
        self.norm = norm

    def prepare(self, x: Tensor) -> Tensor:
        return self.first(x).relu_()

    def mix(self, rows: Tensor, newest: Tensor, state: State) -> Tensor:
        rest = self.centre_frame(rows, newest, state, self.rest)
        return normalised(torch.cat([*self.branches(rows, newest, state), rest], -1), self.norm)


class MultiBranchStage(BranchesStage):
    """`MultiBranchConv` (MS-G3D, CTR-GCN, ST-GCN++, DG-STGCN)."""

    def __init__(self, name: str, module: MultiBranchConv, norm: ChannelNorm | None = None) -> None:
        *narrow, passed = module.widths
        super().__init__(
            name, list(module.convs), narrow[:-1], narrow[-1] + passed, module.stride, least=1,
            extra_joints=0 if module.joint_mean is None else 1,
        )  # fmt: skip
        self.module, self.norm, self.n_passed = module, norm, passed
        self.peaks = slice(self.rest.start, self.rest.stop - passed)
        self.passed = slice(self.rest.stop - passed, self.rest.stop)
        self.register_buffer("around", torch.tensor([-1, 0, 1]), persistent=False)
        self.around: Tensor

    def prepare(self, x: Tensor) -> Tensor:
        if self.module.joint_mean is not None:
            x = torch.cat([x, x.mean(1, keepdim=True)], 1)
        mixed = functional.linear(x, self.module.point.weight, self.module.point.bias)
        narrow, passed = mixed.split([mixed.shape[-1] - self.n_passed, self.n_passed], -1)
        return torch.cat([normalised(narrow, self.module.norm).relu(), passed], -1)

    def mix(self, rows: Tensor, newest: Tensor, state: State) -> Tensor:
        centre = newest[:, None] - self.delay
        out = self.branches(rows, newest, state)
        out.append(self.read(rows, centre + self.around, state, self.peaks).amax(1))
        out.append(self.centre_frame(rows, newest, state, self.passed))
        x = torch.cat(out, -1)
        module = self.module
        if module.joint_mean is not None:
            x = torch.addcmul(x[:, :-1], x[:, -1:], module.joint_mean.to(x.dtype)[:, None])
        if module.transform is not None and module.transform_norm is not None:
            x = module.transform(normalised(x, module.transform_norm).relu())
        return normalised(x, self.norm)


class AttentionStage(TemporalStage):
    """`CausalAttention`: keys and values of the last frames are kept, each frame asks them."""

    def __init__(self, name: str, module: CausalAttention, norm: ChannelNorm | None = None) -> None:
        super().__init__(name, module.window - 1, 0, module.stride, 3 * module.channels)
        self.module, self.norm = module, norm
        self.register_buffer("back", torch.arange(module.window - 1, -1, -1), persistent=False)
        self.back: Tensor

    def prepare(self, x: Tensor) -> Tensor:
        return self.module.project(x)

    def mix(self, rows: Tensor, newest: Tensor, state: State) -> Tensor:
        at = newest[:, None] - self.back
        query, key, value = self.read(rows, at, state).transpose(1, 2).chunk(3, -1)  # [P, V, W, C]
        known = (at >= 0)[:, None, None, None, :]
        return normalised(self.module.attend(query[:, :, -1:], key, value, known)[:, :, 0], self.norm)


# Temporal modules that run frame by frame, made from (name, module, the norm that follows).
TEMPORAL: dict[type[nn.Module], type[TemporalStage]] = {
    TemporalConv: ConvStage,
    SplitConv: SplitStage,
    MultiBranchConv: MultiBranchStage,
    CausalAttention: AttentionStage,
}


def conv_matrix(conv: TemporalConv) -> tuple[Tensor, Tensor]:
    """A convolution's weight as a matrix ``[K * C, D]``, oldest frame first, and its bias ``[D]``."""
    weight = conv.weight.detach()[:, :, 0].permute(2, 1, 0).flatten(0, 1)
    bias = weight.new_zeros(weight.shape[1]) if conv.bias is None else conv.bias.detach()
    return weight, bias


def mix_taps(taps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Frames ``[P, K, V, C]`` mixed by ``[K * C, D]``: ``[P, V, D]``."""
    p, k, v, c = taps.shape
    flat = taps.transpose(1, 2).reshape(p * v, k * c)
    return torch.addmm(bias, flat, weight).view(p, v, -1)


def folded_linear(linear: nn.Linear, norm: ChannelNorm) -> nn.Linear:
    """A 1×1 convolution with the norm that follows."""
    scale, shift = norm.scale_shift()
    folded = nn.Linear(linear.in_features, linear.out_features).to(linear.weight)
    folded.weight.data = linear.weight.detach() * scale.detach()[:, None]
    folded.bias.data = (linear.bias.detach() * scale + shift).detach()
    return folded.requires_grad_(False)


def normalised(x: Tensor, norm: ChannelNorm | None) -> Tensor:
    """A norm in evaluation mode over the last axis."""
    if norm is None:
        return x
    scale, shift = norm.scale_shift()
    return torch.addcmul(shift, x, scale)
