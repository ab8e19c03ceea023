"""State dicts of torchvision's networks give torchvision's numbers."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import CheckpointError, ConfigError
from skelact.models.video import from_torchvision


@pytest.mark.parametrize("name", ["r3d_18", "r2plus1d_18"])
def test_torchvisions_logits(name: str) -> None:
    published = pytest.importorskip("torchvision.models.video", reason="torchvision is not installed")
    torch.manual_seed(0)
    usual = getattr(published, name)(num_classes=5)
    with torch.no_grad():
        for value in usual.state_dict().values():
            if (
                value.is_floating_point() and value.ndim == 1
            ):  # statistics, scales and shifts that are not those of the start
                value.add_(torch.rand_like(value), alpha=0.5)
        x = torch.randn(1, 3, 5, 32, 24, dtype=torch.float64)
        model = from_torchvision(name, usual.state_dict())
        expected = usual.double().eval()(x)
        assert torch.allclose(model.double().eval()(x), expected, rtol=1e-9)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in usual.parameters())


def test_other_state_dicts_are_refused() -> None:
    with pytest.raises(ConfigError, match="allowed: r3d_18, r2plus1d_18"):
        from_torchvision("mc3_18", {})
    with pytest.raises(CheckpointError, match=r"no 'stem\.0\.weight'"):
        from_torchvision("r3d_18", {"fc.weight": torch.zeros(5, 512)})
    state = {
        "fc.weight": torch.zeros(5, 512),
        "stem.0.weight": torch.zeros(64, 3, 3, 7, 7),
        "odd": torch.ones(1),
    }
    with pytest.raises(CheckpointError, match=r"r3d_18; missing, unknown or of another size"):
        from_torchvision("r3d_18", state)
