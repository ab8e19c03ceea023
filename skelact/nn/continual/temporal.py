"""Temporal modules frame by frame: convolutions with a ring buffer, attention with a ring of keys and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.continual.affine import Affine, FoldedLinear
from skelact.nn.continual.stage import Frame, Stage, State, read_one
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.temporal.attention import CausalAttention
from skelact.nn.temporal.conv import TemporalConv
from skelact.nn.temporal.multibranch import MultiBranchConv
from skelact.nn.temporal.split import SplitConv


class TemporalStage(Stage):
    """Base: frames ``[P, V, C]`` are prepared one by one, kept, and mixed over time.

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

    def mix(self, out: Frame, state: State) -> Tensor:
        """The output ``[P, V, D]`` of those whom `due` names."""
        raise NotImplementedError

    def step(self, frame: Frame, state: State) -> Frame | None:
        """Take a frame; returns the output's, of those for whom there is one."""
        frame = frame.having(self.prepare(frame.x))
        self.push(frame, state)
        out = self.due(frame)
        return None if out is None else out.having(self.mix(out, state))


class ConvStage(TemporalStage):
    """`TemporalConv`, with the norm that follows folded into its weights."""

    def __init__(self, name: str, conv: TemporalConv, norm: ChannelNorm | None = None) -> None:
        kernel, dilation = conv.kernel_size[1], conv.dilation[1]
        reach = (kernel - 1) * dilation
        super().__init__(name, reach, 0 if conv.before else reach // 2, conv.stride[1], conv.in_channels)
        weight, bias = conv_matrix(conv)
        scale, shift = (v.detach() for v in scale_shift(norm, weight))
        self.register_buffer("weight", weight * scale)
        self.register_buffer("bias", bias * scale + shift)
        self.register_buffer("back", torch.arange(kernel - 1, -1, -1) * dilation)
        self.weight: Tensor
        self.bias: Tensor
        self.back: Tensor

    def mix(self, out: Frame, state: State) -> Tensor:
        return mix_taps(self.read(out, self.back, state), self.weight, self.bias)


class BranchesStage(TemporalStage):
    """Groups of channels, each convolved over other frames; the last ones are pooled or passed through.

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
        self.branches = Modules(_Branch(conv, back) for conv, back in zip(convs, backs, strict=True))
        self.slices: list[slice] = []
        first = 0
        for width in widths:
            self.slices.append(slice(first, first + width))
            first += width
        self.rest = slice(first, first + others)

    def centre(self, out: Frame, state: State, channels: slice) -> Tensor:
        """Some channels of the centre's frame, ``[P, V, C]``."""
        return read_one(state[self.name][..., channels], out, [n * self.stride for n in out.numbers])

    def convolve(self, out: Frame, state: State) -> list[Tensor]:
        """The convolved groups of channels, each ``[P, V, D]``."""
        found = []
        for branch, channels in zip(self.branches, self.slices, strict=True):
            found.append(mix_taps(self.read(out, branch.back, state, channels), branch.weight, branch.bias))
        return found


class _Branch(nn.Module):
    def __init__(self, conv: TemporalConv, back: Tensor) -> None:
        super().__init__()
        weight, bias = conv_matrix(conv)
        for name, value in (("weight", weight), ("bias", bias), ("back", back)):
            self.register_buffer(name, value.clone())
        self.weight: Tensor
        self.bias: Tensor
        self.back: Tensor


class SplitStage(BranchesStage):
    """`SplitConv` (SkelactNet)."""

    def __init__(self, name: str, module: SplitConv, norm: ChannelNorm | None = None) -> None:
        super().__init__(name, list(module.convs), module.widths[:-1], module.widths[-1], module.stride)
        self.first, self.norm = FoldedLinear(module.mix, module.norm), Affine(norm)

    def prepare(self, x: Tensor) -> Tensor:
        return self.first(x).relu_()

    def mix(self, out: Frame, state: State) -> Tensor:
        rest = self.centre(out, state, self.rest)
        return self.norm(torch.cat([*self.convolve(out, state), rest], -1))


class MultiBranchStage(BranchesStage):
    """`MultiBranchConv` (MS-G3D, CTR-GCN, ST-GCN++, DG-STGCN)."""

    def __init__(self, name: str, module: MultiBranchConv, norm: ChannelNorm | None = None) -> None:
        *narrow, passed = module.widths
        super().__init__(
            name, list(module.convs), narrow[:-1], narrow[-1] + passed, module.stride, least=1,
            extra_joints=0 if module.joint_mean is None else 1,
        )  # fmt: skip
        self.point, self.narrow, self.n_passed = FoldedLinear(module.point), Affine(module.norm), passed
        self.joint_mean = None if module.joint_mean is None else module.joint_mean.detach()
        self.transform = None
        if module.transform is not None and module.transform_norm is not None:
            self.transform = nn.Sequential(
                Affine(module.transform_norm), nn.ReLU(), FoldedLinear(module.transform)
            )
        self.norm = Affine(norm)
        self.peaks = slice(self.rest.start, self.rest.stop - passed)
        self.passed = slice(self.rest.stop - passed, self.rest.stop)
        self.register_buffer("around", self.delay + torch.tensor([1, 0, -1]))
        self.around: Tensor

    def prepare(self, x: Tensor) -> Tensor:
        if self.joint_mean is not None:
            x = torch.cat([x, x.mean(1, keepdim=True)], 1)
        mixed = self.point(x)
        narrow, passed = mixed.split([mixed.shape[-1] - self.n_passed, self.n_passed], -1)
        return torch.cat([self.narrow(narrow).relu(), passed], -1)

    def mix(self, out: Frame, state: State) -> Tensor:
        found = self.convolve(out, state)
        found.append(self.read(out, self.around, state, self.peaks).amax(1))
        found.append(self.centre(out, state, self.passed))
        x = torch.cat(found, -1)
        if self.joint_mean is not None:
            x = torch.addcmul(x[:, :-1], x[:, -1:], self.joint_mean.to(x)[:, None])
        return self.norm(x if self.transform is None else self.transform(x))


class AttentionStage(TemporalStage):
    """`CausalAttention`: keys and values of the last frames are kept, each frame asks them."""

    def __init__(self, name: str, module: CausalAttention, norm: ChannelNorm | None = None) -> None:
        super().__init__(name, module.window - 1, 0, module.stride, 3 * module.channels)
        self.module, self.norm = module, Affine(norm)
        self.register_buffer("back", torch.arange(module.window - 1, -1, -1))
        self.back: Tensor

    def prepare(self, x: Tensor) -> Tensor:
        return self.module.project(x)

    def mix(self, out: Frame, state: State) -> Tensor:
        query, key, value = self.read(out, self.back, state).transpose(1, 2).chunk(3, -1)  # [P, V, W, C]
        newest = torch.tensor([n * self.stride for n in out.numbers], device=self.back.device)
        known = (newest[:, None] >= self.back)[:, None, None, None, :]
        return self.norm(self.module.attend(query[:, :, -1:], key, value, known)[:, :, 0])


# Temporal modules that run frame by frame, made from (name, module, the norm that follows).
TEMPORAL: dict[type[nn.Module], Callable[..., TemporalStage]] = {
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
    return functional.linear(flat, weight.T, bias).view(p, v, -1)
