"""Minimal filtering (Winograd, 1980; Lavin and Gray, CVPR 2016): convolutions of kernel 3 with fewer multiplications.

``F(m, 3)`` makes m outputs of ``m + 2`` inputs d and a kernel g with ``m + 2`` multiplications instead of ``3 m``:
``y = Aᵀ [(G g) · (Bᵀ d)]``. In two dimensions the transforms apply to rows and columns, and F(2×2, 3×3) needs 16
multiplications instead of 36. Larger m needs fewer, and loses precision.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError, choices

# Bᵀ, G and Aᵀ by m.
TRANSFORMS = {
    2: (
        ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
        ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
        ((1, 1, 1, 0), (0, 1, -1, -1)),
    ),
    4: (
        (
            (4, 0, -5, 0, 1, 0),
            (0, -4, -4, 1, 1, 0),
            (0, 4, -4, -1, 1, 0),
            (0, -2, -1, 2, 1, 0),
            (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
        (
            (1 / 4, 0, 0),
            (-1 / 6, -1 / 6, -1 / 6),
            (-1 / 6, 1 / 6, -1 / 6),
            (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6),
            (0, 0, 1),
        ),
        ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
    ),
}


def transforms(m: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bᵀ ``[m+2, m+2]``, G ``[m+2, 3]`` and Aᵀ ``[m, m+2]`` in the type and on the device of a tensor.

    Raises:
        ConfigError: for an m other than 2 and 4.
    """
    if m not in TRANSFORMS:
        raise ConfigError(choices(m, TRANSFORMS, "number of outputs of minimal filtering"))
    back, kernel, out = (torch.tensor(rows, dtype=like.dtype, device=like.device) for rows in TRANSFORMS[m])
    return back, kernel, out


def winograd_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0, m: int = 2
) -> Tensor:
    """`torch.nn.functional.conv2d` of kernel 3×3 and stride 1, by F(m×m, 3×3).

    Args:
        x: ``[N, C, H, W]``.
        weight: ``[D, C, 3, 3]``.
        bias: ``[D]``.
        padding: zeros on all sides.
        m: 2 or 4.

    Raises:
        ConfigError: for another kernel or m.
    """
    back, kernel, out = transforms(m, x)
    if weight.shape[2:] != (3, 3):
        raise ConfigError(f"minimal filtering is for kernels of 3 x 3, got {list(weight.shape[2:])}")
    h, w = (size + 2 * padding - 2 for size in x.shape[2:])
    padded = functional.pad(x, (padding, padding + -w % m, padding, padding + -h % m))
    tiles = padded.unfold(2, m + 2, m).unfold(3, m + 2, m)  # [N, C, rows, columns, m+2, m+2]
    inputs = torch.einsum("ai,bj,ncrsij->abcnrs", back, back, tiles)
    kernels = torch.einsum("ai,bj,dcij->abdc", kernel, kernel, weight)
    products = torch.einsum("abdc,abcnrs->abndrs", kernels, inputs)  # all the multiplications
    y = torch.einsum("ia,jb,abndrs->ndrisj", out, out, products)
    y = y.flatten(4).flatten(2, 3)[..., :h, :w]
    return y if bias is None else y + bias[:, None, None]
