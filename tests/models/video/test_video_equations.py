"""What the papers say of their networks: sampling, joining, inflation, consensus, attention."""

from __future__ import annotations

import pytest
import torch
from small_video_models import build_video
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import CheckpointError, ConfigError
from skelact.models.video import adapt_first_conv, inflate_kernel
from skelact.models.video.base import middle_frames, scale
from skelact.models.video.convgrbm import ConvGRBMNet
from skelact.models.video.gru_rcn import GRURCN, LevelHeads
from skelact.models.video.i3d import I3D, MODULES
from skelact.models.video.karpathy import KarpathyNet
from skelact.models.video.lrcn import LRCN
from skelact.models.video.slowfast import SlowFast
from skelact.models.video.tsn import TSN
from skelact.models.video.two_stream import TwoStreamTower
from skelact.models.video.videolstm import VideoLSTM


def numbered(t: int, size: int = 40, channels: int = 3) -> Tensor:
    """A clip whose frames and channels can be told apart: the value is 10·frame + channel."""
    value = 10.0 * torch.arange(t)[None, :] + torch.arange(channels)[:, None]
    return value[None, :, :, None, None].expand(1, -1, -1, size, size).contiguous()


def caught(module: nn.Module) -> list[Tensor]:
    """The inputs that a module gets from now on."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    return seen


def sure(model: nn.Module) -> None:
    """Make the answers of an untrained network differ."""
    with torch.no_grad():
        for value in model.get_submodule("head").parameters():
            value.copy_(5 * torch.randn_like(value))


def test_scale_and_middle_frames() -> None:
    assert [scale(c, 1.0) for c in (45, 64)] == [45, 64]
    assert [scale(c, 0.25) for c in (45, 64, 4)] == [12, 16, 4]
    assert middle_frames(numbered(11), 3)[0, 0, :, 0, 0].tolist() == [40, 50, 60]
    assert middle_frames(numbered(2), 4)[0, 0, :, 0, 0].tolist() == [0, 10, 10, 10]


# --- A1 and A2


@pytest.mark.parametrize(
    ("name", "t", "frames"),
    [
        ("single_frame", 7, [3]),
        ("early_fusion", 14, list(range(2, 12))),
        ("slow_fusion", 10, list(range(10))),
        ("late_fusion", 16, [0, 15]),
        ("late_fusion", 30, [7, 22]),
        ("late_fusion", 5, [0, 4]),
        ("late_fusion", 1, [0, 0]),
    ],
)
def test_frames_of_karpathys_networks(name: str, t: int, frames: list[int]) -> None:
    model = build_video(name).eval()
    seen = caught(model.get_submodule("towers.whole"))
    model(numbered(t))
    assert (seen[0][0, 0, :, 0, 0] / 10).tolist() == frames


def test_slow_fusion_joins_four_then_two_then_two_frames() -> None:
    model = build_video("slow_fusion").eval()
    lengths = []
    for part in model.get_submodule("towers.whole").children():
        if isinstance(part, nn.Conv3d):
            part.register_forward_hook(lambda *a: lengths.append(a[2].shape[2]))
    model(numbered(10))
    assert lengths == [4, 2, 1, 1, 1]


@pytest.mark.parametrize(("multires", "size"), [(False, 170), (True, 178)])
def test_maps_at_the_papers_size_are_7_by_7(multires: bool, size: int) -> None:
    with torch.device("meta"):
        model = build_video("single_frame", multires=multires)
        x = torch.zeros(1, 3, 1, size, size)
        assert isinstance(model, KarpathyNet)
        for name, view in model.views(x).items():
            assert view.shape[3:] == ((89, 89) if multires else (170, 170))
            assert model.towers[name](view).shape[2:] == (1, 7, 7)


def test_fovea_is_the_middle_and_context_the_whole() -> None:
    model = build_video("single_frame", multires=True)
    assert isinstance(model, KarpathyNet)
    x = torch.rand(1, 3, 1, 64, 48)
    views = model.views(x)
    assert torch.equal(views["fovea"], x[..., 16:48, 12:36])
    assert torch.allclose(views["context"][..., 3, 5], x[..., 6:8, 10:12].mean((-1, -2)))


def test_late_fusion_shares_its_tower_and_joins_in_the_first_full_layer() -> None:
    model = build_video("late_fusion").eval()
    assert isinstance(model, KarpathyNet)
    x = torch.randn(1, 3, 16, 40, 40)
    tower = model.towers["whole"]
    maps = [functional.adaptive_avg_pool2d(tower(x[:, :, [t]])[:, :, 0], 7) for t in (0, 15)]
    joined = torch.stack(maps, 2).flatten(1)
    expected = model.head(model.fc7(model.fc6(joined).relu()).relu())
    assert torch.allclose(model(x), expected, atol=1e-6)


def test_two_stream_stacks_flow_and_knows_which_stream_it_is() -> None:
    flow, colour = build_video("two_stream", channels_in=2).eval(), build_video("two_stream").eval()
    assert isinstance(flow, TwoStreamTower) and isinstance(colour, TwoStreamTower)
    assert (flow.n_frames, colour.n_frames) == (10, 1)
    seen = caught(flow.tower)
    flow(numbered(12, channels=2))
    assert seen[0][0, :, 0, 0].tolist() == [
        10 * t + c for t in range(1, 11) for c in range(2)
    ]  # dx, dy, dx, ...
    norms = [sum(isinstance(m, nn.LocalResponseNorm) for m in model.modules()) for model in (flow, colour)]
    assert norms == [1, 2]
    with torch.device("meta"):
        assert build_video("two_stream").get_submodule("tower.maps")(torch.zeros(1, 3, 224, 224)).shape[
            2:
        ] == (6, 6)


# --- A3


@pytest.mark.parametrize(
    ("t", "k", "length", "frames"),
    [
        (3, 3, 1, [[0], [1], [2]]),
        (9, 3, 1, [[1], [4], [7]]),
        (10, 2, 5, [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]),
        (20, 2, 5, [[2, 3, 4, 5, 6], [12, 13, 14, 15, 16]]),
        (2, 3, 2, [[0, 1], [0, 1], [1, 1]]),
    ],
)
def test_tsn_snippets(t: int, k: int, length: int, frames: list[list[int]]) -> None:
    model = build_video("tsn", channels_in=2, n_segments=k, snippet_frames=length)
    assert isinstance(model, TSN)
    snippets = model.snippets(numbered(t, channels=2))
    assert snippets.shape == (1, k, 2 * length, 40, 40)
    assert (snippets[0, :, ::2, 0, 0] / 10).tolist() == frames
    assert torch.equal(snippets[:, :, 1::2], snippets[:, :, ::2] + 1)


@pytest.mark.parametrize("consensus", ["mean", "max"])
def test_tsn_joins_the_scores_of_segments(consensus: str) -> None:
    model = build_video("tsn", consensus=consensus).eval()
    assert isinstance(model, TSN)
    x = torch.randn(2, 3, 3, 40, 40)
    scores = torch.stack([model.head(model.tower(x[:, :, k])) for k in range(3)], 1)
    expected = scores.mean(1) if consensus == "mean" else scores.amax(1)
    assert torch.allclose(model(x), expected, atol=1e-5)
    assert torch.allclose(model.step_logits(x), scores, atol=1e-5)


def test_partial_norm_keeps_all_statistics_but_the_first() -> None:
    for partial in (False, True):
        model = build_video("tsn", partial_norm=partial).train()
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        before = [m.running_mean.clone() for m in norms if m.running_mean is not None]
        model.eval().train()(torch.randn(2, 3, 3, 40, 40))
        moved = [not torch.equal(m.running_mean, old) for m, old in zip(norms, before, strict=True)]
        assert moved == [True] + [not partial] * (len(norms) - 1)


def test_cross_modality_start() -> None:
    weight = torch.randn(8, 3, 7, 7)
    made = adapt_first_conv(weight, 10)
    assert made.shape == (8, 10, 7, 7)
    for c in range(10):
        assert torch.allclose(made[:, c], (weight[:, 0] + weight[:, 1] + weight[:, 2]) / 3, atol=1e-6)
    assert adapt_first_conv(torch.randn(8, 3, 3, 7, 7), 2).shape == (8, 2, 3, 7, 7)


# --- A5


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


# --- A8


@pytest.mark.parametrize(
    ("alpha", "tau", "slow", "fast"), [(8, 8, 8, 1), (4, 4, 4, 1), (8, 16, 16, 2), (2, 8, 8, 4)]
)
def test_slowfast_pathways_take_their_frames(alpha: int, tau: int, slow: int, fast: int) -> None:
    model = build_video("slowfast", alpha=alpha, tau=tau).eval()
    assert isinstance(model, SlowFast)
    seen_slow, seen_fast = caught(model.slow.stem), caught(model.fast.stem)
    x = numbered(37)
    model(x)
    assert torch.equal(seen_slow[0], x[:, :, ::slow]) and torch.equal(seen_fast[0], x[:, :, ::fast])


def test_slowfast_channels_and_laterals() -> None:
    with torch.device("meta"):
        model = build_video("slowfast", width=1.0)
    assert isinstance(model, SlowFast)
    assert model.n_features == 2048 + 256
    inputs = [stage.get_parameter("0.reduce.0.weight").shape[1] for stage in model.slow.rows]
    assert inputs == [64 + 16, 256 + 64, 512 + 128, 1024 + 256]  # C + 2 beta C
    laterals = [tuple(part.get_parameter("0.weight").shape) for part in model.lateral]
    assert laterals == [(2 * c, c, 5, 1, 1) for c in (8, 32, 64, 128)]
    kernels = [stage.get_parameter("1.reduce.0.weight").shape[2] for stage in model.slow.rows]
    assert kernels == [1, 1, 3, 3]
    assert {stage.get_parameter("1.reduce.0.weight").shape[2] for stage in model.fast.rows} == {3}


def test_fast_pathway_reaches_the_slow_one() -> None:
    model = build_video("slowfast").double().eval()
    assert isinstance(model, SlowFast)
    x = torch.randn(1, 3, 16, 32, 32, dtype=torch.float64)
    other = x.clone()
    other[:, :, 3] += 1  # the slow pathway takes frames 0 and 8
    slow_features = 32 * 4  # of the stem's 4 channels
    assert model.forward_features(x).shape == (1, 32 * (4 + 2))
    difference = (model.forward_features(x) - model.forward_features(other)).abs()[:, :slow_features]
    assert difference.max() > 1e-6


# --- A10 to A12


@pytest.mark.parametrize("name", ["lrcn", "convlstm", "videolstm"])
def test_probabilities_are_the_mean_over_steps(name: str) -> None:
    model = build_video(name).eval()
    sure(model)
    x = torch.randn(2, 3, 5, 40, 40)
    steps = model.step_logits(x)
    assert steps.shape == (2, 5, 4)
    assert torch.allclose(model(x).softmax(-1), steps.softmax(-1).mean(1), atol=1e-6)


def test_lrcn_does_not_see_later_frames() -> None:
    model = build_video("lrcn").eval()
    assert isinstance(model, LRCN)
    x = torch.randn(1, 3, 6, 40, 40)
    other = torch.cat([x[:, :, :4], torch.randn(1, 3, 2, 40, 40)], 2)
    a, b = model.step_logits(x), model.step_logits(other)
    assert torch.allclose(a[:, :4], b[:, :4], atol=1e-6) and not torch.allclose(a[:, 4:], b[:, 4:], atol=1e-6)


def test_gru_rcn_levels() -> None:
    model = build_video("gru_rcn", bidirectional=True).eval()
    assert isinstance(model, GRURCN) and isinstance(model.head, LevelHeads)
    sure(model)
    x = torch.randn(2, 3, 4, 64, 64)
    levels = model.head.level_logits(model.forward_features(x))
    assert levels.shape == (2, 5, 4)
    assert torch.allclose(model(x).softmax(-1), levels.softmax(-1).mean(1), atol=1e-6)
    # a clip played backwards swaps the two directions
    assert model.backwards is not None
    model.backwards.load_state_dict(model.forwards.state_dict())
    parts, other = (model.forward_features(clip).split(model.sizes, 1) for clip in (x, x.flip(2)))
    for part, back in zip(parts, other, strict=True):
        assert torch.allclose(part, torch.cat(back.chunk(2, 1)[::-1], 1), atol=1e-6)


def test_stacked_gru_rcn_passes_states_up() -> None:
    model = build_video("gru_rcn", stacked=True).eval()
    assert isinstance(model, GRURCN)
    x = torch.randn(1, 3, 3, 64, 64)
    cells = model.forwards
    below = [cell.below for cell in cells]
    assert below[0] is None and all(part is not None for part in below[1:])
    seen: list[Tensor] = []
    cells[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    out: list[Tensor] = []
    cells[0].register_forward_hook(lambda *a: out.append(a[2]))
    model(x)
    assert torch.equal(seen[0][:, 2], functional.max_pool2d(out[0][:, 2], 2))


@pytest.mark.parametrize("moving", [False, True])
def test_videolstm_is_its_equations(moving: bool) -> None:
    model = build_video("videolstm", motion_channels=2 if moving else 0).double().eval()
    assert isinstance(model, VideoLSTM)
    x = torch.randn(1, 3, 3, 96, 64, dtype=torch.float64)
    motion = torch.randn(1, 2, 3, 96, 64, dtype=torch.float64) if moving else None
    logits = model(x, motion)
    h = c = hm = cm = torch.zeros(1, 32, 3, 2, dtype=torch.float64)
    steps = []
    for t in range(3):
        maps, guide = model.tower(x[:, :, t])[-1], h
        if motion is not None and model.motion_cell is not None and model.motion_tower is not None:
            hm, cm = model.motion_cell(model.motion_tower(motion[:, :, t])[-1], (hm, cm), h)
            guide = hm
        weights = model.attention(maps, guide)
        h, c = model.cell(weights * maps, (h, c))
        steps.append(model.head(h.mean((2, 3))).softmax(-1))
        assert model.attention_map is not None
        assert torch.allclose(model.attention_map[:, t], weights[:, 0], atol=1e-12)
    assert torch.allclose(logits.softmax(-1), sum(steps) / 3, atol=1e-12)
    assert model.attention_map is not None and not model.attention_map.requires_grad
    assert torch.allclose(model.attention_map.sum((2, 3)), torch.ones(1, 3, dtype=torch.float64))


def test_videolstm_wants_motion_as_it_was_made_for() -> None:
    x, motion = torch.randn(1, 3, 3, 32, 32), torch.randn(1, 2, 3, 32, 32)
    model = build_video("videolstm", motion_channels=2).eval()
    for parameter in model.parameters():
        parameter.grad = None
    model(x, motion).square().sum().backward()
    motion_weights = model.get_parameter("motion_tower.rows.0.0.weight").grad
    assert motion_weights is not None
    with pytest.raises(ConfigError, match="takes motion of 2 channels; got none"):
        model(x)
    with pytest.raises(ConfigError, match=r"motion must be \[1, 2, 3, 32, 32\].*got \[1, 2, 4, 32, 32\]"):
        model(x, torch.randn(1, 2, 4, 32, 32))
    with pytest.raises(ConfigError, match="takes no motion input"):
        build_video("videolstm")(x, motion)


# --- A13


def test_convgrbm_pairs_maps_and_pretraining() -> None:
    model = build_video("convgrbm", channels_in=1)
    assert isinstance(model, ConvGRBMNet)
    x = torch.randn(2, 1, 5, 14, 16)
    maps = model.hidden_maps(x)
    assert maps.shape == (2, 4, 4, 5, 6)
    total = model.grbm.hidden_input(x[1:, :, 2], x[1:, :, 3])[0]
    block = total[3, 2:4, 4:6].exp().sum()  # unit (1, 2) of map 3
    assert torch.isclose(maps[1, 3, 2, 1, 2], block / (1 + block), atol=1e-5)
    loss, error = model.pretraining_loss(x, torch.Generator().manual_seed(0))
    loss.backward()
    assert error > 0
    for name, value in model.named_parameters():
        assert (value.grad is not None and value.grad.any()) == name.startswith("grbm."), name
