"""I3D: what an inflated network sees in a still video."""

from __future__ import annotations

import pytest
import torch
from small_video_models import build_video
from torch import Tensor
from torch.nn import functional

from skelact.errors import CheckpointError
from skelact.models.video import inflate_kernel
from skelact.models.video.i3d import I3D, MODULES


def inception_2d(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """Inception-v1 with batch norm on pictures, features before the classifier, TensorFlow's padding."""

    def pad(x: Tensor, k: int, s: int) -> Tensor:
        rows, columns = (max(0, (-(-n // s) - 1) * s + k - n) for n in x.shape[2:])
        return functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))

    def conv(x: Tensor, name: str, s: int = 1) -> Tensor:
        weight, norm = state[f"{name}.conv.0.weight"], f"{name}.conv.1"
        x = functional.conv2d(pad(x, weight.shape[-1], s), weight, stride=s)
        mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        x = (x - mean[:, None, None]) / (var[:, None, None] + 1e-3).sqrt()
        return (x * state[f"{norm}.weight"][:, None, None] + state[f"{norm}.bias"][:, None, None]).relu()

    def pool(x: Tensor, k: int, s: int) -> Tensor:
        return functional.max_pool2d(pad(x, k, s), k, s)

    x = pool(conv(x, "stem.0", 2), 3, 2)
    x = conv(conv(x, "stem.2"), "stem.3")
    for i, modules in enumerate(MODULES):
        x = pool(x, 2 if i == 2 else 3, 2)
        for j in range(len(modules)):
            name = f"rows.{i}.{j + 1}.branches"
            x = torch.cat(
                [
                    conv(x, f"{name}.0"),
                    conv(conv(x, f"{name}.1.0"), f"{name}.1.1"),
                    conv(conv(x, f"{name}.2.0"), f"{name}.2.1"),
                    conv(pool(x, 3, 1), f"{name}.3.1"),
                ],
                1,
            )
    return x.mean((2, 3))


def state_2d(model: I3D) -> dict[str, Tensor]:
    """Weights of a 2D network of the same widths, with statistics that are not those of the start."""
    generator = torch.Generator().manual_seed(5)
    state = {}
    for key, value in model.state_dict().items():
        if value.ndim == 5:
            fan = value[0, :, 0].numel()
            drawn = torch.randn(value[:, :, 0].shape, generator=generator, dtype=value.dtype)
            state[key] = drawn * (2 / fan) ** 0.5
        elif value.is_floating_point():
            state[key] = 0.5 + torch.rand(value.shape, generator=generator, dtype=value.dtype)
    return state


@pytest.mark.parametrize("frames", [1, 9])
def test_inflated_network_sees_in_a_still_video_what_the_2d_network_sees(frames: int) -> None:
    model = build_video("i3d", repeat_frames=True).double().eval()
    assert isinstance(model, I3D)
    state = state_2d(model)
    model.inflate(state)
    picture = torch.randn(2, 3, 50, 41, dtype=torch.float64)
    with torch.no_grad():
        expected = inception_2d(state, picture)
        features = model.forward_features(picture[:, :, None].expand(-1, -1, frames, -1, -1))
    assert torch.allclose(features, expected, rtol=1e-9, atol=1e-12) and expected.std() > 0.01
    assert torch.equal(model.head.weight, state["head.weight"])
    zeros = build_video("i3d").double().eval()
    assert isinstance(zeros, I3D)
    zeros.inflate(state)
    moving = zeros.forward_features(picture[:, :, None].expand(-1, -1, 9, -1, -1))
    assert not torch.allclose(moving, expected, rtol=1e-2)


def test_inflation_divides_by_the_number_of_frames_and_checks_names() -> None:
    kernel = torch.randn(4, 3, 5, 5)
    made = inflate_kernel(kernel, 7)
    assert made.shape == (4, 3, 7, 5, 5)
    for t in range(7):
        assert torch.allclose(made[:, :, t], kernel / 7)
    model = build_video("i3d")
    assert isinstance(model, I3D)
    state = state_2d(model)
    head = model.head.weight.clone()
    model.inflate({key: value for key, value in state.items() if not key.startswith("head")})
    model.inflate({**state, "head.weight": torch.zeros(7, 64), "head.bias": torch.zeros(7)})
    assert torch.equal(model.head.weight, head)
    with pytest.raises(CheckpointError, match=r"features\.0\.weight"):
        model.inflate({**state, "features.0.weight": kernel})
    with pytest.raises(CheckpointError, match=r"stem\.0\.conv\.0\.weight.*3 input channels"):
        model.inflate({**state, "stem.0.conv.0.weight": torch.zeros(4, 1, 7, 7)})
