"""A small network that turns a gesture into a vector: gestures of one kind lie near each other, of any kind.

Depthwise temporal convolutions, as in the networks that win isolated-sign competitions. Beside them linear
discriminants (Fisher, 1936) of the slow movement, in closed form.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skelact.models.gesture_features import (
    N_FEATURES,
    N_SHAPE,
    N_SLOW,
    N_TIPS,
    gesture_features,
    held_shapes,
    length,
    pointed_hands,
    slow_movement,
)
from skelact.transforms.gesture_form import N_JOINTS, N_STEPS

SHRINKAGE = 0.1  # of the covariance within classes, as a share of its mean variance


def discriminants(vectors: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Linear discriminant analysis: the directions in which classes differ most, compared with their own spread.

    Args:
        vectors: ``[examples, classes, D]``.
        n: how many directions.

    Returns:
        directions ``[D, n]`` in which the spread within classes is 1, and the mean of all vectors ``[D]``.
    """
    vectors = vectors.double()
    classes = vectors.mean(0)
    middle = classes.mean(0)
    own, apart = (vectors - classes).flatten(0, 1), classes - middle
    within = own.T @ own / ((len(vectors) - 1) * len(classes))
    within = within + SHRINKAGE * within.diagonal().mean() * torch.eye(len(within), dtype=within.dtype)
    size, axes = torch.linalg.eigh(within)
    white = axes / size.sqrt()
    among = torch.linalg.eigh(white.T @ (apart.T @ apart / len(classes)) @ white).eigenvectors
    return (white @ among.flip(1)[:, :n]).float(), middle.float()


class _Block(nn.Module):
    """A depthwise temporal convolution and a pointwise network, each with a residual."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.time = nn.Conv1d(
            channels, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=channels
        )
        self.mix = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(2 * channels, channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.time(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mix(x)


class GestureEncoder(nn.Module):
    """Gestures to unit vectors: what a network has learned, the shape in which hands are held, and linear
    discriminants of the slow movement, joined.

    Args:
        channels: of every block.
        dims: of the network's vector.
        n_blocks: temporal blocks.
        dropout: inside of the blocks.
        shape: weight of the hands' shapes beside the network's vector, whose weight is 1.
        slow: weight of the discriminants.
        n_slow: how many discriminants.
    """

    shape_middle: Tensor
    slow_axes: Tensor
    slow_middle: Tensor

    def __init__(
        self,
        channels: int = 96,
        dims: int = 128,
        n_blocks: int = 4,
        dropout: float = 0.05,
        shape: float = 0.6,
        slow: float = 0.7,
        n_slow: int = 48,
    ) -> None:
        super().__init__()
        self.settings = {
            "channels": channels, "dims": dims, "n_blocks": n_blocks, "shape": shape, "slow": slow, "n_slow": n_slow,
        }  # fmt: skip
        self.shape, self.slow, self.dims = shape, slow, dims + 2 * (N_SHAPE + N_TIPS) + n_slow
        self.register_buffer("shape_middle", torch.zeros(N_SHAPE))
        self.register_buffer("slow_axes", torch.zeros(N_SLOW, n_slow))
        self.register_buffer("slow_middle", torch.zeros(n_slow))
        self.stem = nn.Linear(N_FEATURES, channels)
        self.blocks = nn.ModuleList(
            _Block(channels, 5, dilation, dropout) for dilation in ([1, 2, 3, 1] * n_blocks)[:n_blocks]
        )
        self.norm = nn.LayerNorm(channels)
        self.look = nn.Linear(channels, 4)
        self.head = nn.Linear(6 * channels, dims)

    def forward(self, xyz: Tensor, present: Tensor) -> Tensor:
        """Encode gestures.

        Args:
            xyz: ``[B, T, V, 3]`` joints of `skelact.transforms.gesture_form.GESTURE_LAYOUT`, T = `N_STEPS`.
            present: ``[B, T, V]``.

        Returns:
            ``[B, D]`` of length 1.
        """
        features = gesture_features(xyz, present)
        shapes, seen = held_shapes(features)
        shape = ((shapes - self.shape_middle) * seen).flatten(1)
        shape = torch.cat([shape, pointed_hands(features).flatten(1)], 1)
        slow = slow_movement(features) @ self.slow_axes - self.slow_middle
        parts = [self.learned(features), self.shape * _unit(shape), self.slow * _unit(slow)]
        return F.normalize(torch.cat(parts, 1), dim=1)

    def learned(self, features: Tensor) -> Tensor:
        """The network's part, ``[B, dims]`` of length 1, of features ``[B, T, N_FEATURES]``."""
        x = self.stem(features)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        weight = self.look(x).softmax(1)
        seen = (weight.transpose(1, 2) @ x).flatten(1)
        return F.normalize(self.head(torch.cat([seen, x.mean(1), x.amax(1)], 1)), dim=1)

    def set_shape_middle(self, xyz: Tensor, present: Tensor) -> None:
        """Take what is subtracted from hands' shapes, their mean, from gestures ``[B, T, V, 3]``."""
        shapes, seen = held_shapes(gesture_features(xyz, present))
        self.shape_middle.copy_((shapes * seen).sum((0, 1)) / seen.sum((0, 1)).clamp(min=1))

    def set_slow(self, features: Tensor) -> None:
        """Fit the discriminants to classes.

        Args:
            features: ``[examples, classes, T, N_FEATURES]`` of `gesture_features`.
        """
        vectors = slow_movement(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        axes, middle = discriminants(vectors, self.settings["n_slow"])
        self.slow_axes.copy_(axes)
        self.slow_middle.copy_(middle @ axes)

    def narrowed(self, features: Tensor, dims: int) -> GestureEncoder:
        """The same network with a vector of fewer numbers: the principal axes of the vectors that it gives.

        Args:
            features: ``[B, T, N_FEATURES]`` to find the axes by.
            dims: of the vector.
        """
        vectors = self.learned(features).double()
        axes = torch.linalg.eigh(vectors.T @ vectors).eigenvectors.flip(1)[:, :dims].float()
        made = GestureEncoder(**{**self.settings, "dims": dims})
        state = self.state_dict()
        state["head.weight"], state["head.bias"] = axes.T @ self.head.weight, axes.T @ self.head.bias
        made.load_state_dict(state)
        return made


def _unit(x: Tensor) -> Tensor:
    """Vectors ``[B, D]`` of length 1; 0 stays 0."""
    return x / length(x)[:, None].clamp(min=1e-4)


def example_input(n: int = 1) -> tuple[Tensor, Tensor]:
    """Input of the right shape, for export."""
    return torch.zeros(n, N_STEPS, N_JOINTS, 3), torch.ones(n, N_STEPS, N_JOINTS)
