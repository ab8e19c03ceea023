"""RAFT through torchvision, if that is installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skelact.errors import DependencyError


def make_raft(pretrained: bool = True) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function of two RGB pictures ``[H, W, 3]`` that gives the motion between them, ``[2, H, W]`` in pixels.

    Args:
        pretrained: with torchvision's weights, from its cache or the network.

    Source: Teed and Deng, RAFT, ECCV 2020; the small network, on a GPU if there is one.

    Raises:
        DependencyError: if torchvision is not installed, or its weights cannot be had.
    """
    try:
        from torchvision.models.optical_flow import Raft_Small_Weights, raft_small
    except (ImportError, RuntimeError) as error:
        raise DependencyError(
            "flow 'raft' needs torchvision; install it: pip install 'skelact[vision]', or take flow 'dis'"
        ) from error
    import torch
    from torch.nn import functional

    try:
        network = raft_small(weights=Raft_Small_Weights.DEFAULT if pretrained else None)
    except OSError as error:
        raise DependencyError(
            f"the weights of RAFT cannot be had from torchvision ({error}); check the network, or take flow 'dis'"
        ) from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()

    def between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        height, width = first.shape[:2]
        more = (max(128, -(-height // 8) * 8) - height, max(128, -(-width // 8) * 8) - width)
        both = torch.from_numpy(np.stack([first, second])).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        both = functional.pad(both, (0, more[1], 0, more[0]), mode="replicate")
        with torch.inference_mode():
            field = network(both[:1], both[1:])[-1][0, :, :height, :width]
        return field.cpu().numpy()

    return between
