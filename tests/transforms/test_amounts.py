"""What a transform draws: within its amount, up to its amount, once for a clip or once for a person."""

from __future__ import annotations

import math

import pytest
import torch
from small_sets import hide_missing
from torch import Tensor

from skelact.layouts import LAYOUTS
from skelact.transforms import geometry, normalise
from skelact.transforms.streams import STREAMS, make_streams

NTU = LAYOUTS["ntu25"]
N = 400  # clips of two people each
OWNER = torch.arange(N).repeat_interleave(2)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def axes(dims: int) -> Tensor:
    """Joints at the unit vectors: what a matrix does to them are its columns."""
    return torch.eye(dims).expand(2 * N, 1, dims, dims)


def matrices(x: Tensor) -> Tensor:
    """The matrix of each clip, which its two people share: ``[N, C, C]``."""
    found = x[:, 0].transpose(1, 2)
    assert torch.equal(found[::2], found[1::2])
    return found[::2]


def fills(drawn: Tensor, low: float, high: float) -> None:
    """Uniform between two ends: never beyond, close to both, half of it on each side."""
    spread = high - low
    assert drawn.min() >= low - 1e-4 * spread and drawn.max() <= high + 1e-4 * spread
    assert drawn.min() < low + 0.05 * spread and drawn.max() > high - 0.05 * spread
    assert abs(float(drawn.mean()) - (low + high) / 2) < 0.1 * spread


def test_rotation_about_every_axis_up_to_the_angle() -> None:
    flat = matrices(geometry.rotate(axes(2), OWNER, N, 0.5, seeded()))
    fills(torch.atan2(flat[:, 1, 0], flat[:, 0, 0]), -0.5, 0.5)
    r = matrices(geometry.rotate(axes(3), OWNER, N, 0.5, seeded()))
    assert torch.allclose(torch.linalg.det(r), torch.ones(N), atol=1e-5)
    # z after y after x
    fills(torch.atan2(r[:, 2, 1], r[:, 2, 2]), -0.5, 0.5)
    fills(torch.asin(-r[:, 2, 0]), -0.5, 0.5)
    fills(torch.atan2(r[:, 1, 0], r[:, 0, 0]), -0.5, 0.5)


def test_a_rotation_goes_from_the_first_axis_to_the_second() -> None:
    quarter = math.pi / 2
    flat = geometry.rotation_matrices(torch.tensor([[quarter]]))[0]
    assert torch.allclose(flat @ torch.tensor([1.0, 0]), torch.tensor([0, 1.0]), atol=1e-6)
    for axis, (start, end) in enumerate(((1, 2), (2, 0), (0, 1))):
        angles = torch.zeros(1, 3)
        angles[0, axis] = quarter
        r = geometry.rotation_matrices(angles)[0]
        assert torch.allclose(r[:, start], torch.eye(3)[end], atol=1e-6)
    r = geometry.rotation_matrices(torch.tensor([[quarter, quarter, 0.0]]))[0]  # x first: y to z, then z to x
    assert torch.allclose(r[:, 1], torch.eye(3)[0], atol=1e-6)


def test_turn_is_about_the_vertical_up_to_the_angle() -> None:
    r = matrices(geometry.turn(axes(3), OWNER, N, 0.5, seeded()))
    fills(torch.atan2(r[:, 0, 2], r[:, 0, 0]), -0.5, 0.5)
    assert torch.equal(r[:, 1], torch.eye(3)[1].expand(N, 3))


def test_tilt_is_about_the_horizontal_up_to_the_angle() -> None:
    r = matrices(geometry.tilt(axes(3), OWNER, N, 0.5, seeded()))
    fills(torch.atan2(r[:, 2, 1], r[:, 1, 1]), -0.5, 0.5)
    assert torch.equal(r[:, 0], torch.eye(3)[0].expand(N, 3))


@pytest.mark.parametrize("dims", [2, 3])
def test_scale_and_shear_up_to_the_amount(dims: int) -> None:
    off = ~torch.eye(dims, dtype=torch.bool)
    scaled = matrices(geometry.scale(axes(dims), OWNER, N, 0.2, seeded()))
    assert (scaled[:, off] == 0).all()
    sheared = matrices(geometry.shear(axes(dims), OWNER, N, 0.2, seeded()))
    assert (sheared[:, ~off] == 1).all()
    for i in range(dims):
        fills(scaled[:, i, i], 0.8, 1.2)
        for j in range(dims):
            if i != j:
                fills(sheared[:, i, j], -0.2, 0.2)


def test_bones_are_stretched_up_to_the_amount() -> None:
    x = torch.randn(2 * N, 1, 25, 3, generator=seeded(1))
    stretched = geometry.stretch_bones(x, torch.ones(2 * N, 1, 25), NTU, 0.3, seeded())
    for child, parent in NTU.bones:
        before, after = (v[:, 0, child] - v[:, 0, parent] for v in (x, stretched))
        ratio = (after * before).sum(1) / before.square().sum(1)
        fills(ratio, 0.7, 1.3)
        assert torch.allclose(after, before * ratio[:, None], atol=1e-4)  # the direction stays


def test_noise_has_its_deviation_everywhere() -> None:
    x = torch.zeros(2 * N, 9, 5, 3)
    noise = geometry.jitter(x, 0.1, seeded())
    assert torch.allclose(noise.std((0, 1)), torch.tensor(0.1), rtol=0.1)
    assert abs(torch.corrcoef(torch.stack([noise[:, 0].flatten(), noise[:, 1].flatten()]))[0, 1]) < 0.05
    drift = geometry.wander(x, 0.1, seeded())
    for t in (0, -1):
        assert torch.allclose(drift[:, t].std(0), torch.tensor(0.1), rtol=0.15)
    ends = torch.corrcoef(torch.stack([drift[:, 0].flatten(), drift[:, -1].flatten()]))[0, 1]
    assert abs(ends) < 0.05  # it goes elsewhere within the clip
    for a, b in (
        (drift[0::2], drift[1::2]),
        (drift[:, :, 0], drift[:, :, 1]),
        (drift[..., 0], drift[..., 1]),
    ):
        assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 0.05
    bent = (
        geometry.wander(torch.zeros(1, 31, 1, 1), 1.0, seeded(), knots=4).diff(n=2, dim=1).abs()[0, :, 0, 0]
    )
    assert (bent > 1e-4).nonzero()[:, 0].tolist() == [9, 19]  # straight between four moments


def test_a_share_of_clips_is_mirrored() -> None:
    x = torch.randn(2 * N, 3, 25, 3, generator=seeded(1))
    score = torch.rand(2 * N, 3, 25, generator=seeded(2))
    whole, whole_score = geometry.mirror(x, score, OWNER, N, NTU)
    some, some_score = geometry.mirror(x, score, OWNER, N, NTU, 0.3, seeded())
    flipped = (some == whole).flatten(1).all(1)
    assert torch.equal(flipped[::2], flipped[1::2]) and abs(float(flipped.float().mean()) - 0.3) < 0.07
    assert torch.equal(some[~flipped], x[~flipped]) and torch.equal(some_score[~flipped], score[~flipped])
    assert torch.equal(some_score[flipped], whole_score[flipped])


@pytest.mark.parametrize("probability", [0.2, 0.6])
def test_so_many_joints_and_frames_are_dropped(probability: float) -> None:
    score = torch.rand(2 * N, 20, 25, generator=seeded(2)) + 0.1
    joints = geometry.drop_joints(score, OWNER, N, probability, seeded())
    frames = geometry.drop_frames(score, probability, seeded())
    for dropped in (joints, frames):
        gone = dropped == 0
        assert abs(float(gone.float().mean()) - probability) < 0.02
        assert torch.equal(dropped[~gone], score[~gone])
    gone = frames == 0
    assert (gone.all(2) == gone.any(2)).all()  # whole frames, of each person alone
    assert not torch.equal(gone[::2], gone[1::2]) and not torch.equal(gone[:, 0], gone[:, 1])
    assert not torch.equal((joints == 0)[0], (joints == 0)[2])  # each clip its own joints


def upright() -> tuple[Tensor, Tensor]:
    """Two clips of one person each, standing with the head straight above the feet, at T = 3 moments."""
    x = torch.randn(2, 3, 25, 3, generator=seeded(3)) * 0.1
    for name, height in (("head", 0.8), ("left_ankle", -0.8), ("right_ankle", -0.8)):
        x[:, :, NTU.index[name]] = torch.tensor([0.0, height, 0.0])
    return x, torch.ones(2, 3, 25)


@pytest.mark.parametrize("tilt", [(0.4, 0.0, 0.0), (0.0, 0.0, -0.5), (-0.7, 0.0, 0.6), (2.0, 0.0, 0.0)])
def test_level_takes_a_tilt_out(tilt: tuple[float, float, float]) -> None:
    x, score = upright()
    owner = torch.arange(2)
    assert torch.allclose(normalise.level(x, score, owner, 2, NTU), x, atol=1e-5)
    r = geometry.rotation_matrices(torch.tensor([tilt, (0.0, 0.0, 0.0)]))
    tilted = geometry.apply_matrices(x, owner, r)
    back = normalise.level(tilted, score, owner, 2, NTU)
    head, foot = back[:, :, NTU.index["head"]], back[:, :, NTU.index["left_ankle"]]
    assert torch.allclose(head - foot, torch.tensor([0.0, 1.6, 0.0]), atol=1e-4)
    assert torch.allclose(back[1], x[1], atol=1e-5)
    assert torch.allclose((back[0] - back[0, 0, 0]).norm(dim=-1), (x[0] - x[0, 0, 0]).norm(dim=-1), atol=1e-4)


def test_level_goes_by_the_frames_in_which_people_stand() -> None:
    x, score = upright()
    x[:, 1, NTU.index["head"]] = torch.tensor([0.5, -0.7, 0.0])  # bent down in one
    back = normalise.level(x, score, torch.arange(2), 2, NTU)
    assert torch.allclose(back, x, atol=0.02)
    score[:, :, NTU.index["head"]] = 0  # never seen: left as it is
    turned = geometry.rotate(x, torch.arange(2), 2, 1.0, seeded())
    assert torch.equal(normalise.level(turned, score, torch.arange(2), 2, NTU), turned)


@pytest.mark.parametrize("left_out", [["left_ankle"], ["head", "neck", "mid_shoulder", "nose"]])
def test_level_leaves_layouts_without_head_or_feet_alone(left_out: list[str]) -> None:
    layout = NTU.subset([name for name in NTU.joints if name not in left_out], "part")
    x = torch.randn(2, 3, len(layout), 3, generator=seeded())
    assert torch.equal(normalise.level(x, torch.ones(x.shape[:3]), torch.arange(2), 2, layout), x)


def test_clips_together_face_the_camera_as_each_does_alone() -> None:
    x, owner = (
        torch.randn(6, 5, 25, 3, generator=seeded()) * torch.arange(1, 7).view(6, 1, 1, 1),
        torch.arange(6),
    )
    score = torch.ones(x.shape[:3])
    together = normalise.align_view(x, score, owner, 6, NTU)
    for i in range(6):
        alone = normalise.align_view(x[i : i + 1], score[:1], owner[:1], 1, NTU)
        assert torch.allclose(together[i], alone[0], atol=1e-5)


def test_clips_together_are_levelled_and_scaled_as_each_is_alone() -> None:
    x, score, owner = (
        torch.randn(6, 5, 25, 3, generator=seeded()).double(),
        torch.ones(6, 5, 25),
        torch.arange(6),
    )
    x = x * torch.arange(1, 7).view(6, 1, 1, 1)
    for change in (normalise.level, normalise.scale_to_body):
        together = change(x, score, owner, 6, NTU)
        assert together.dtype == x.dtype
        for i in range(6):
            alone = change(x[i : i + 1], score[:1], owner[:1], 1, NTU)
            assert torch.allclose(together[i], alone[0], atol=1e-10)


@pytest.mark.parametrize(("when", "alone", "both"), [("mean", 6.0, 10.0), ("first_frame", 4.0, 7.0)])
def test_the_first_frame_and_the_mean_are_not_the_same(when: str, alone: float, both: float) -> None:
    x = torch.zeros(3, 4, 25, 3)
    x[..., 0] = torch.tensor([2.0, 4, 6, 8])[None, :, None]
    x[1, ..., 0] += 10
    score, owner = torch.ones(3, 4, 25), torch.tensor([0, 0, 1])
    score[2, 0] = 0  # this person comes in the second frame
    moved = normalise.centre(x, score, owner, 2, NTU, when)
    expected = x.clone()
    expected[:2, ..., 0] -= both
    expected[2, ..., 0] -= alone
    assert torch.allclose(moved, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("dims", [2, 3])
def test_the_type_stays(dims: int, dtype: torch.dtype) -> None:
    x = torch.randn(3, 6, 25, dims, generator=seeded()).to(dtype)
    score, owner = torch.ones(3, 6, 25, dtype=dtype), torch.tensor([0, 0, 1])
    score[0, 2, 3] = 0
    changed = {
        "rotate": geometry.rotate(x, owner, 2, 0.2, seeded()),
        "scale": geometry.scale(x, owner, 2, 0.2, seeded()),
        "shear": geometry.shear(x, owner, 2, 0.2, seeded()),
        "mirror": geometry.mirror(x, score, owner, 2, NTU, 1.0, seeded())[0],
        "bones": geometry.stretch_bones(x, score, NTU, 0.2, seeded()),
        "wander": geometry.wander(x, 0.2, seeded()),
        "jitter": geometry.jitter(x, 0.2, seeded()),
        "drop_joints": geometry.drop_joints(score, owner, 2, 0.5, seeded()),
        "drop_frames": geometry.drop_frames(score, 0.5, seeded()),
        "mean": normalise.centre(x, score, owner, 2, NTU),
        "first_frame": normalise.centre(x, score, owner, 2, NTU, "first_frame"),
        "body": normalise.scale_to_body(x, score, owner, 2, NTU),
        "hide": hide_missing(x, score),
        **{name: make_streams(x, score, NTU, [name], owner, 2) for name in STREAMS},
    }
    if dims == 3:
        changed["turn"] = geometry.turn(x, owner, 2, 0.2, seeded())
        changed["level"] = normalise.level(x, score, owner, 2, NTU)
        changed["align_view"] = normalise.align_view(x, score, owner, 2, NTU)
    assert {name: value.dtype for name, value in changed.items() if value.dtype != dtype} == {}


def test_all_three_angles_are_the_cosines_they_say() -> None:
    x = torch.randn(2, 3, 25, 3, generator=seeded())
    found = make_streams(x, torch.ones(2, 3, 25), NTU, ["angles"])
    own = {v: x[:, :, v] - x[:, :, p] for v, p in enumerate(NTU.parents) if p >= 0}
    trunk = own[next(v for v, p in enumerate(NTU.parents) if p == NTU.root)]
    for v, p in enumerate(NTU.parents):
        child = next((w for w, q in enumerate(NTU.parents) if q == v), None)
        partners = [own.get(child), own.get(p), trunk] if v in own else [None] * 3
        for i, other in enumerate(partners):
            expected = torch.zeros(2, 3) if other is None else torch.cosine_similarity(own[v], other, -1)
            assert torch.allclose(found[:, :, v, i], expected, atol=1e-5), (NTU.joints[v], i)


def test_motion_needs_both_moments() -> None:
    x = torch.randn(1, 4, 25, 3, generator=seeded())
    score = torch.ones(1, 4, 25)
    wrist, hand = NTU.positions("left_wrist", "left_hand")
    score[0, 1, wrist] = 0
    joint = make_streams(x, score, NTU, ["joint_motion"])[0]
    assert (joint[[0, 1], wrist] == 0).all() and torch.equal(joint[2, wrist], x[0, 3, wrist] - x[0, 2, wrist])
    bone = make_streams(x, score, NTU, ["bone_motion"])[0]
    assert (bone[[0, 1], hand] == 0).all() and (bone[2, hand] != 0).all()
    assert torch.equal(make_streams(x, score, NTU, ["confidence"])[..., 0], score)


def test_motion_over_two_frames() -> None:
    x = torch.randn(1, 5, 25, 3, generator=seeded())
    score = torch.ones(1, 5, 25)
    wrist = NTU.index["left_wrist"]
    score[0, 2, wrist] = 0
    found = make_streams(x, score, NTU, ["joint_motion_2"])[0]
    assert torch.equal(found[1], x[0, 3] - x[0, 1]) and not found[3:].any()
    assert not found[[0, 2], wrist].any() and found[1, wrist].all()
    assert not make_streams(x[:, :2], score[:, :2], NTU, ["joint_motion_2"]).any()


def test_hands_are_dropped_each_for_itself_and_for_the_whole_clip() -> None:
    layout = LAYOUTS["pose_hands75"]
    score = torch.ones(N, 3, 75)
    found = geometry.drop_hands(score, layout, 0.3, seeded()) > 0
    assert found[..., :33].all()
    left, right = found[..., 33:54], found[..., 54:]
    for hand in (left, right):
        assert (hand.flatten(1).all(1) | ~hand.flatten(1).any(1)).all()
        assert abs(float(hand[:, 0, 0].float().mean()) - 0.7) < 0.06
    both = (~left[:, 0, 0] & ~right[:, 0, 0]).float().mean()
    assert abs(float(both) - 0.09) < 0.04
    lone = geometry.drop_hands(torch.ones(N, 3, 21), LAYOUTS["hand21"], 0.9, seeded())
    assert lone.all()  # nothing else is there
    assert geometry.drop_hands(torch.ones(2, 3, 25), NTU, 0.9, seeded()).all()


def test_align_view_turns_and_does_not_stretch() -> None:
    x = torch.randn(3, 4, 25, 3, generator=seeded())
    owner = torch.tensor([0, 0, 1])
    aligned = normalise.align_view(x, torch.ones(3, 4, 25), owner, 2, NTU)
    assert torch.allclose(aligned.norm(dim=-1), x.norm(dim=-1), atol=1e-5)
    assert torch.equal(aligned[..., 1], x[..., 1]) and not torch.allclose(aligned, x, atol=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_has_the_type_of_the_positions(dtype: torch.dtype) -> None:
    x = torch.zeros(2, 20, 25, 3, dtype=dtype)
    drifts, shakes = geometry.wander(x, 0.1, seeded()), geometry.jitter(x, 0.1, seeded())
    assert drifts.dtype == shakes.dtype == dtype
    if dtype == torch.float64:  # drawn in that type, not widened afterwards
        assert not torch.equal(shakes, shakes.float().double())
