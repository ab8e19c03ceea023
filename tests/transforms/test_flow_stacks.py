"""Stacks of flow against the paper's equations, written plainly."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
from skelact.transforms.flow import invert_flow, remove_camera, stack_flow, trajectory_stack


def random_fields(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_stacked_order() -> None:
    fields = random_fields(2, 3, 2, 4, 5)
    channels = stack_flow(fields)
    assert channels.shape == (2, 6, 4, 5)
    for k in range(3):
        assert torch.equal(channels[:, 2 * k], fields[:, k, 0])
        assert torch.equal(channels[:, 2 * k + 1], fields[:, k, 1])


def read(field: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """A field ``[2, H, W]`` at a place between pixels, the edge beyond."""
    height, width = field.shape[1:]
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    x0, y0 = min(int(x), width - 2), min(int(y), height - 2)
    a, b = x - x0, y - y0
    upper = (1 - a) * field[:, y0, x0] + a * field[:, y0, x0 + 1]
    lower = (1 - a) * field[:, y0 + 1, x0] + a * field[:, y0 + 1, x0 + 1]
    return (1 - b) * upper + b * lower


def test_trajectories_as_the_equation() -> None:
    fields = 2 * random_fields(2, 4, 2, 6, 7)
    channels = stack_flow(fields, "trajectory")
    for n in range(2):
        for v in range(6):
            for u in range(7):
                x, y = float(u), float(v)  # p_1
                for k in range(4):
                    d = read(fields[n, k], x, y)
                    assert channels[n, 2 * k : 2 * k + 2, v, u] == pytest.approx(d, abs=1e-9)
                    x, y = x + float(d[0]), y + float(d[1])  # p_{k+1} = p_k + d(p_k)


def test_trajectories_are_not_plain_stacks_unless_motion_is_uniform() -> None:
    fields = random_fields(1, 3, 2, 6, 6)
    assert not torch.allclose(trajectory_stack(fields), stack_flow(fields))
    same = torch.tensor([1.5, -0.5]).view(1, 1, 2, 1, 1).expand(1, 3, 2, 6, 6).double()
    torch.testing.assert_close(trajectory_stack(same), stack_flow(same))


def test_flow_back_leads_to_where_it_came_from() -> None:
    shift = torch.tensor([1.5, -0.5]).view(1, 2, 1, 1).expand(1, 2, 6, 6).double()
    torch.testing.assert_close(invert_flow(shift), -shift)
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    out = (torch.stack([x, y])[None] - 4).double()  # from the middle
    torch.testing.assert_close(invert_flow(0.2 * out), -0.2 / 1.2 * out, atol=1e-4, rtol=0)
    wave = torch.stack([torch.sin(x / 2), torch.cos(y / 3)])[None].double()
    back = invert_flow(wave)
    for v, u in ((4, 4), (2, 5), (6, 3)):
        there = read(wave[0], u + float(back[0, 0, v, u]), v + float(back[0, 1, v, u]))
        assert (back[0, :, v, u] + there).abs().max() < 1e-3


def test_both_directions() -> None:
    fields = random_fields(2, 4, 2, 6, 7) / 4
    both = stack_flow(fields, "bidirectional")
    assert both.shape == (2, 8, 6, 7)
    assert torch.equal(both[:, :4], stack_flow(fields[:, 2:]))  # from the middle frame on
    assert torch.equal(both[:, 4:6], invert_flow(fields[:, 1]))  # from it back, and further back
    assert torch.equal(both[:, 6:], invert_flow(fields[:, 0]))
    with pytest.raises(ConfigError, match="even number of fields, got 3"):
        stack_flow(fields[:, :3], "bidirectional")


def test_the_cameras_motion_is_removed() -> None:
    fields = torch.zeros(1, 2, 2, 8, 8)
    fields[:, 0, 0], fields[:, 1, 1] = 3.0, -2.0
    fields[:, :, :, 2:4, 2:4] += 5.0  # somebody moves
    still = remove_camera(fields)
    assert (still[:, :, :, 2:4, 2:4] == 5).all() and still.sum() == 5 * 4 * 4
    torch.testing.assert_close(remove_camera(fields, "mean").mean((-1, -2)), torch.zeros(1, 2, 2))
    known = torch.ones(1, 2, 8, 8, dtype=torch.bool)
    known[:, :, :, 4:] = False
    part = remove_camera(torch.where(known.unsqueeze(2), fields, 0), known=known)
    assert (part[..., 4:] == 0).all() and (part[:, :, :, 2:4, 2:4] == 5).all()
    assert (part[:, :, :, 5:, :4] == 0).all()
    assert (remove_camera(fields * 0, known=~known & known) == 0).all()


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match="stacked, trajectory"):
        stack_flow(torch.zeros(1, 1, 2, 2, 2), "sideways")
    with pytest.raises(ConfigError, match="median, mean"):
        remove_camera(torch.zeros(1, 2, 2, 2), "mode")
