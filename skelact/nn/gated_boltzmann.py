"""Convolutional gated restricted Boltzmann machine (Taylor, Fergus, LeCun and Bregler, ECCV 2010)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from skelact.errors import ConfigError, choices

VISIBLE = ("gaussian", "binary")
AT_ONCE, AT_ONCE_ON_GPU = 2**18, 2**26  # values of ``g(x)``


class ConvGRBM(nn.Module):
    """Hidden maps z that tell how a frame x becomes the next frame y.

    With r, s, u, v running over a window, and one weight ``w^k_rsuv`` for every pair of its places::

        E(x, y, z) = - sum_kmnrs z^k_mn g(x)^k_rsmn y_(m+r)(n+s) - sum_kmn b_k z^k_mn + V(y)
        g(x)^k_rsmn = sum_uv w^k_rsuv x_(m+u)(n+v)
        p(z^k_mn = 1 | x, y) = sigmoid(sum_rs g(x)^k_rsmn y_(m+r)(n+s) + b_k)

    For Gaussian y (variance 1) V is ``sum (y - c)² / 2`` and the mean of y given x and z is ``c + sum z g``; for
    binary y V is ``- sum c y`` and the probability of y the sigmoid of the same sum. With several channels, r, s (and
    u, v) run over the channels too.

    Args:
        channels: C of x and y.
        n_maps: K, hidden maps.
        kernel: side of the window [pixels].
        visible: ``gaussian`` or ``binary``.

    Raises:
        ConfigError: for an unknown kind of y.
    """

    def __init__(self, channels: int, n_maps: int = 32, kernel: int = 16, visible: str = "gaussian") -> None:
        super().__init__()
        if visible not in VISIBLE:
            raise ConfigError(choices(visible, VISIBLE, "kind of visible units"))
        self.channels, self.n_maps, self.kernel, self.visible = channels, n_maps, kernel, visible
        places = channels * kernel**2
        self.weight = nn.Parameter(torch.randn(n_maps, places, places) / places)  # [K, (C r s), (C u v)]
        self.hidden_bias = nn.Parameter(torch.zeros(n_maps))
        self.visible_bias = nn.Parameter(torch.zeros(channels))

    def windows(self, frames: Tensor) -> Tensor:
        """The windows ``[C·kernel², N·places]`` of ``frames [N, C, H, W]``, one for each place of the hidden maps."""
        return functional.unfold(frames, self.kernel).transpose(0, 1).flatten(1)

    def hidden_input(self, x: Tensor, y: Tensor) -> Tensor:
        """What the hidden units add up, ``[N, K, H', W']`` with ``H' = H - kernel + 1``.

        ``g(x)`` is made map by map and for few places at a time, which stay in a processor's cache, and is not kept: of
        all maps it takes 100 MB for two frames. Only a gradient of y would need it, and has it made once more.
        """
        from_x, from_y = self.windows(x), self.windows(y)
        compiling = torch.compiler.is_compiling()
        most = AT_ONCE_ON_GPU if x.is_cuda else AT_ONCE
        columns = from_x.shape[1] if compiling else max(1, most // len(from_x))

        def one_map(weight: Tensor, some_x: Tensor, some_y: Tensor) -> Tensor:
            if some_y.requires_grad and not compiling:
                return cast(Tensor, checkpoint(_one_map, weight, some_x, some_y, use_reentrant=False))
            return _one_map(weight, some_x, some_y)

        total = torch.cat(
            [
                torch.stack([one_map(weight, *some) for weight in self.weight])
                for some in zip(from_x.split(columns, 1), from_y.split(columns, 1), strict=True)
            ],
            1,
        )
        total = (total + self.hidden_bias[:, None]).unflatten(1, (len(y), -1)).transpose(0, 1)
        return total.unflatten(2, (y.shape[2] - self.kernel + 1, -1))

    def hidden_probability(self, x: Tensor, y: Tensor) -> Tensor:
        """``p(z = 1 | x, y) [N, K, H', W']``."""
        return self.hidden_input(x, y).sigmoid()

    def visible_input(self, x: Tensor, z: Tensor) -> Tensor:
        """``c + sum z g(x)``, ``[N, C, H, W]``: the mean of Gaussian y given x and ``z [N, K, H', W']``."""
        from_x = self.windows(x)
        windows = torch.zeros_like(from_x)
        for weight, states in zip(self.weight, z.transpose(0, 1).flatten(1), strict=True):
            windows = windows + (weight @ from_x) * states
        windows = windows.unflatten(1, (len(x), -1)).transpose(0, 1)
        summed = functional.fold(windows, x.shape[2:], self.kernel)
        return summed + self.visible_bias[:, None, None]

    def visible_mean(self, x: Tensor, z: Tensor) -> Tensor:
        """The mean of y given x and z."""
        total = self.visible_input(x, z)
        return total if self.visible == "gaussian" else total.sigmoid()

    def _visible_energy(self, y: Tensor) -> Tensor:
        c = self.visible_bias[:, None, None]
        each = (y - c).square() / 2 if self.visible == "gaussian" else -c * y
        return each.flatten(1).sum(1)

    def energy(self, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        """``E(x, y, z) [N]``."""
        return self._visible_energy(y) - (z * self.hidden_input(x, y)).flatten(1).sum(1)

    def free_energy(self, x: Tensor, y: Tensor) -> Tensor:
        """``- log sum_z exp(-E(x, y, z))``, ``[N]``."""
        return self._visible_energy(y) - functional.softplus(self.hidden_input(x, y)).flatten(1).sum(1)

    def contrastive_divergence(
        self, x: Tensor, y: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step of contrastive divergence (CD-1).

        Args:
            x, y: ``[N, C, H, W]`` successive frames.
            generator: of the samples, on the device of ``x``.

        Returns:
            a loss whose gradient is CD-1's (mean over the pairs), and the mean squared error of y's reconstruction.
        """
        with torch.no_grad():
            z = self.hidden_probability(x, y)
            sample = torch.bernoulli(z, generator=generator)
            mean = self.visible_mean(x, sample)
            if self.visible == "gaussian":
                noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
                other = mean + noise
            else:
                other = torch.bernoulli(mean, generator=generator)
            z_other = self.hidden_probability(x, other)
            error = (mean - y).square().mean()
        return (self.energy(x, y, z) - self.energy(x, other, z_other)).mean(), error


def _one_map(weight: Tensor, from_x: Tensor, from_y: Tensor) -> Tensor:
    """``sum_rs g(x)_rs y_rs`` at every place: ``[places]`` for windows of x and y and a map's weights."""
    return ((weight @ from_x) * from_y).sum(0)


def probabilistic_max_pool(total: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Probabilistic maximum pooling (Lee et al., ICML 2009): at most one unit of every block is on.

    Args:
        total: ``[N, K, H, W]`` what each unit adds up.
        size: side of the blocks; rows and columns that fill no block are left out.

    Returns:
        ``exp(E_i) / (1 + sum_j exp(E_j))`` of every unit, ``[N, K, h·size, w·size]``, and the probability that any
        unit of a block is on, ``[N, K, h, w]``.
    """
    h, w = total.shape[2] // size, total.shape[3] // size
    blocks = total[..., : h * size, : w * size].unflatten(3, (w, size)).unflatten(2, (h, size))
    flat = blocks.transpose(3, 4).flatten(4)  # [N, K, h, w, size²]
    off = torch.zeros_like(flat[..., :1])
    probability = torch.softmax(torch.cat([flat, off], -1), -1)
    units = probability[..., :-1].unflatten(4, (size, size)).transpose(3, 4)
    return units.flatten(4).flatten(2, 3), 1 - probability[..., -1]
