"""What every network that takes one frame at a time does first: check the frame, hide what is missing, normalise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.nn.continual.stage import State
from skelact.nn.norm import JointNorm


class FrameInput(nn.Module):
    """Base class of networks that take a frame of every person.

    Args:
        layout: of the joints.
        channels_in: C.
        norm: of the clip network's input, folded into a factor and a summand for each joint and channel.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, layout: SkeletonLayout, channels_in: int, norm: JointNorm) -> None:
        super().__init__()
        self.layout, self.channels_in = layout, channels_in
        scale, shift = norm.joint_affine(len(layout))
        self.register_buffer("scale", scale.detach().reshape(len(layout), -1).clone())
        self.register_buffer("shift", shift.detach().reshape(len(layout), -1).clone())

    def take_in(self, x: Tensor, state: State, score: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The normalised frame ``[P, V, C]``, 0 for who is not there, and who is there ``[P]``; None: all are.

        Args:
            x: ``[P, V, C]``.
            state: of these people.
            score: ``[P, V]``, 0 = missing; a person who is missing altogether is not there.

        Raises:
            ConfigError: if people, joints or channels are not those of the state or the network.
        """
        n_people = len(state["frames"])
        if x.shape != (n_people, len(self.layout), self.channels_in):
            raise ConfigError(
                f"this state and network take [{n_people} people, {len(self.layout)} joints ({self.layout.name}), "
                f"{self.channels_in} channels], got {list(x.shape)}"
            )
        if score is None:
            return torch.addcmul(self.shift, x, self.scale), None
        x = x * (score > 0)[..., None].to(x.dtype)
        present = (score > 0).any(1)
        return torch.addcmul(self.shift, x, self.scale) * present[:, None, None].to(x.dtype), present
