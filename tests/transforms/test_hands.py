"""Parts of a skeleton in their own frames, and the dominant hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from skelact.layouts import LAYOUTS
from skelact.layouts.parts import regions
from skelact.transforms.hands import (
    PALM,
    canonical_dominance,
    dominant_side,
    part_joint,
    part_place,
    wrist_of_palm,
)
from skelact.transforms.streams import make_streams

FULL = LAYOUTS["pose_hands75"]
LEFT, RIGHT, BODY = (regions(FULL)[name] for name in ("left_hand", "right_hand", "body"))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def person(layout=FULL, dims: int = 3, people: int = 2, frames: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(people, frames, len(layout), dims, generator=seeded(), dtype=torch.float64)
    return x, torch.ones(people, frames, len(layout))


def spots(x: torch.Tensor, *names: str) -> list[torch.Tensor]:
    return [x[:, :, v] for v in FULL.positions(*names)]


@pytest.mark.parametrize("dims", [2, 3])
def test_parts_are_what_they_say(dims: int) -> None:
    x, score = person(dims=dims)
    joint, place = part_joint(x, score, FULL), part_place(x, score, FULL)
    left, right = spots(x, "left_shoulder", "right_shoulder")
    middle = ((left + right) / 2).mean(1)[:, None]
    width = (left - right).norm(dim=-1).median(1).values[:, None, None]
    for v in BODY:
        assert torch.allclose(joint[:, :, v], (x[:, :, v] - middle) / width)
        assert not place[:, :, v].any()
    for side, rows in (("left", LEFT), ("right", RIGHT)):
        wrist, knuckle = spots(x, f"{side}_hand_wrist", f"{side}_middle_mcp")
        palm = (wrist - knuckle).norm(dim=-1).median(1).values[:, None, None]
        for v in rows:
            assert torch.allclose(joint[:, :, v], (x[:, :, v] - wrist) / palm)
            assert torch.allclose(place[:, :, v], (wrist - middle) / width)


def test_shape_does_not_change_with_place_and_size() -> None:
    x, score = person()
    moved = x.clone()
    moved[:, :, LEFT] = moved[:, :, LEFT] * 3 + torch.randn(2, 7, 1, 3, generator=seeded(1), dtype=x.dtype)
    assert torch.allclose(part_joint(moved, score, FULL), part_joint(x, score, FULL))
    assert not torch.allclose(part_place(moved, score, FULL), part_place(x, score, FULL))
    for stream in (part_joint, part_place):
        assert torch.allclose(stream(x * 5 - 2, score, FULL), stream(x, score, FULL))


def test_a_few_wrong_frames_change_no_size() -> None:
    x, score = person()
    x[:] = x[:, :1]
    wrong = x.clone()
    wrong[:, 2:4, FULL.index["left_middle_mcp"]] *= 100
    wrong[:, 2:4, FULL.index["left_shoulder"]] *= 100
    assert torch.allclose(part_joint(wrong, score, FULL)[:, 5, LEFT], part_joint(x, score, FULL)[:, 5, LEFT])


def test_missing_stays_missing() -> None:
    x, score = person()
    score[0, 2, LEFT] = 0  # a hand comes and goes
    score[1, :, RIGHT] = 0  # and is never there
    nowhere = FULL.positions("right_hand_wrist", "right_wrist", "right_thumb_cmc")
    score[0, 3, nowhere] = 0  # fingers without a wrist have no frame
    score[0, 4, FULL.index["left_shoulder"]] = 0
    score[1, :, FULL.positions("left_hip", "right_hip")] = 0
    x = torch.where(score[..., None] > 0, x, torch.full_like(x, 1e6))
    for stream in (part_joint, part_place):
        found = stream(x, score, FULL)
        assert not found[score == 0].any() and found.isfinite().all()
        assert not found[0, 3, RIGHT].any() and found.abs().max() < 1e3
    found = part_joint(x, score, FULL)
    there = (score[0, :, LEFT[1:]] > 0).all(1)
    assert found[0, there][:, LEFT[1:]].any(-1).all()
    assert found[0, 4, FULL.index["left_wrist"]].all()  # the clip's shoulders, not the frame's


def flat_palm(frames: int = 5) -> torch.Tensor:
    """``[1, frames, 6, 3]``: a wrist and the palm of `PALM`, seen from another side in every frame."""
    shape = torch.tensor([(0.0, 0.0), *PALM.values()], dtype=torch.float64)
    axes = torch.randn(frames, 2, 3, generator=seeded(5), dtype=torch.float64)
    return (shape @ axes + torch.randn(frames, 1, 3, generator=seeded(6), dtype=torch.float64))[None]


@pytest.mark.parametrize("missing", [(), (1,), (3,), (2, 4)])
def test_a_palm_tells_where_its_wrist_is(missing: tuple[int, ...]) -> None:
    hand = flat_palm()
    seen = torch.ones(1, 5, 5, dtype=torch.bool)
    seen[:, :, list(missing)] = False
    wrist, known = wrist_of_palm(torch.where(seen[..., None], hand[:, :, 1:], torch.tensor(1e6)), seen)
    assert known.all() and torch.allclose(wrist, hand[:, :, 0], atol=0.05)


@pytest.mark.parametrize("missing", [(0,), (1, 2, 3), (0, 1, 2, 3, 4)])
def test_too_little_of_a_palm_tells_nothing(missing: tuple[int, ...]) -> None:
    seen = torch.ones(1, 5, 5, dtype=torch.bool)
    seen[:, :, list(missing)] = False
    for kind in (torch.float64, torch.float16):
        wrist, known = wrist_of_palm(flat_palm()[:, :, 1:].to(kind), seen)
        assert not known.any() and wrist.isfinite().all() and wrist.dtype == kind


def test_a_hand_whose_wrist_is_missing_keeps_its_shape_and_place() -> None:
    x, score = person(people=1)
    hand = flat_palm(7)[0] / 10
    rows = FULL.positions("right_hand_wrist", *(f"right_{joint}" for joint in PALM))
    x[0, :, rows] = hand
    lost = score.clone()
    lost[:, :, [rows[0], FULL.index["right_wrist"]]] = 0
    without = torch.where(lost[..., None] > 0, x, torch.tensor(1e6, dtype=x.dtype))
    for stream in (part_joint, part_place):
        whole, found = stream(x, score, FULL), stream(without, lost, FULL)
        assert not found[:, :, rows[0]].any()
        spread = float(whole[:, :, RIGHT].abs().max())
        assert torch.allclose(found[:, :, RIGHT[1:]], whole[:, :, RIGHT[1:]], atol=0.02 * spread)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_bodys_wrist_stands_for_the_hands(dims: int) -> None:
    x, score = person(people=1, dims=dims)
    wrist, body = FULL.positions("right_hand_wrist", "right_wrist")
    knuckles = FULL.positions(*(f"right_{joint}" for joint in PALM))[1:]
    x[:, :, body, :2] = x[:, :, wrist, :2]
    x[:, :, body, 2:] += 50  # the body's depth is another
    x[:, :, wrist, 2:] = x[:, :, knuckles, 2:].mean(2)
    lost = score.clone()
    lost[:, :, [wrist, FULL.index["right_thumb_cmc"]]] = 0
    without = torch.where(lost[..., None] > 0, x, torch.tensor(1e6, dtype=x.dtype))
    some = [v for v in RIGHT if v not in (wrist, FULL.index["right_thumb_cmc"])]
    for stream in (part_joint, part_place):
        whole, found = stream(x, score, FULL), stream(without, lost, FULL)
        assert torch.allclose(found[:, :, some], whole[:, :, some])
    alone = lost.clone()
    alone[:, :, knuckles[1:]] = 0  # a single knuckle is no hand
    assert not part_joint(without, alone, FULL)[:, :, RIGHT].any()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_parts(layout: str) -> None:
    kind = LAYOUTS[layout]
    x, score = person(kind, people=3, frames=4)
    score[2] = 0
    for stream in ("part_joint", "part_place"):
        found = make_streams(x, score, kind, [stream])
        assert found.shape == x.shape and found.isfinite().all() and not found[2].any()
        assert torch.allclose(make_streams(x * 2 + 1, score, kind, [stream]), found)
    names = set(regions(kind)) - {"body"}
    assert bool(part_place(x, score, kind).any()) == bool(names)
    assert make_streams(x[:, :0], score[:, :0], kind, ["part_joint", "part_place"]).shape == (
        3,
        0,
        len(kind),
        6,
    )


def test_hands_alone_are_measured_by_palms() -> None:
    layout = LAYOUTS["hand21"]
    x, score = person(layout)
    wrist, knuckle = x[:, :, 0], x[:, :, layout.index["middle_mcp"]]
    palm = (wrist - knuckle).norm(dim=-1).median(1).values[:, None, None]
    expected = (wrist - wrist.mean(1, keepdim=True)) / (4 * palm)
    assert torch.allclose(part_place(x, score, layout), expected[:, :, None].expand_as(x))
    both = LAYOUTS["hands42"]
    x, score = person(both)
    score[:, :, 21:] = 0  # of two hands one is there
    x[:, :, 21:] = 0
    palm = (x[:, :, 0] - x[:, :, 9]).norm(dim=-1).median(1).values[:, None]
    place = part_place(x, score, both)[:, :, 0]
    assert torch.allclose((place[:, 1] - place[:, 0]) * 4 * palm, x[:, 1, 0] - x[:, 0, 0])


def moving(side: str, layout=FULL) -> tuple[torch.Tensor, torch.Tensor]:
    """One person who stands and waves with one hand."""
    x, score = person(layout, people=1)
    x[:] = x[:, :1]
    rows = [v for v, joint in enumerate(layout.joints) if joint.startswith(f"{side}_")]
    x[:, :, rows] += torch.linspace(0, 3, 7, dtype=x.dtype)[None, :, None, None]
    return x, score


@pytest.mark.parametrize("layout", ["pose_hands75", "natops8", "ntu25", "hands42", "sign27", "sign118"])
def test_dominant_is_the_side_that_moves(layout: str) -> None:
    kind = LAYOUTS[layout]
    both = [moving(side, kind) for side in ("left", "right")]
    x, score = (torch.cat(parts) for parts in zip(*both, strict=True))
    assert dominant_side(x, score, kind).tolist() == [0, 1]
    assert dominant_side(x[:, :1], score[:, :1], kind).tolist() == [1, 1]  # a tie is right
    hidden = score.clone()
    hidden[:, ::2] = 0  # nothing is seen in two frames that follow each other
    assert dominant_side(x, hidden, kind).tolist() == [1, 1]


def test_without_sides_all_are_right() -> None:
    layout = LAYOUTS["hand21"]
    x, score = person(layout)
    assert dominant_side(x, score, layout).tolist() == [1, 1]
    same, _ = canonical_dominance(x, score, torch.tensor([0, 1]), 2, layout)
    assert torch.equal(same, x)


def test_canonical_makes_left_right() -> None:
    (left, score), (right, _) = moving("left"), moving("right")
    score = score.clone()
    score[:, 3, LEFT] = 0
    x, score = torch.cat([left, right]), torch.cat([score, torch.ones_like(score)])
    owner = torch.tensor([0, 1])
    found, seen = canonical_dominance(x, score, owner, 2, FULL)
    assert dominant_side(found, seen, FULL).tolist() == [1, 1]
    assert torch.equal(found[1], x[1]) and torch.equal(seen[1], score[1])
    assert not seen[0, 3, RIGHT].any() and seen[0, 3, LEFT].all()  # what is missing changes sides, too
    again, _ = canonical_dominance(found, seen, owner, 2, FULL)
    assert torch.equal(again, found)
    # mirrored about the person's own middle
    shoulders = FULL.positions("left_shoulder", "right_shoulder")
    assert torch.allclose(found[0, :, shoulders, 0].mean(), x[0, :, shoulders, 0].mean())
    a, b = FULL.positions("left_index_tip", "right_index_tip")
    middle = x[0, :, shoulders, 0].mean()
    assert torch.allclose(found[0, :, b, 0], 2 * middle - x[0, :, a, 0])
    assert torch.equal(found[0, :, b, 1:], x[0, :, a, 1:])


def test_a_signer_and_their_mirror_image_become_the_same() -> None:
    x, score = moving("left")
    mirrored = x[:, :, list(FULL.mirror)] * torch.tensor([-1, 1, 1], dtype=x.dtype)
    both, _ = canonical_dominance(
        torch.cat([x, mirrored]), torch.cat([score, score]), torch.tensor([0, 1]), 2, FULL
    )
    one, other = (part_joint(part[None], score, FULL) for part in both)
    assert torch.allclose(one, other)


def test_people_of_a_clip_are_mirrored_together() -> None:
    (left, score), (right, _) = moving("left"), moving("right")
    x = torch.cat([left * 2, right])  # the left-handed one moves more
    owner = torch.tensor([0, 0])
    found, _ = canonical_dominance(x, torch.cat([score, score]), owner, 1, FULL)
    assert not torch.equal(found[0], x[0]) and not torch.equal(found[1], x[1])
    gap = (x[0, :, :, 0].mean() - x[1, :, :, 0].mean()).item()
    assert (found[0, :, :, 0].mean() - found[1, :, :, 0].mean()).item() == pytest.approx(-gap)


def test_real_signers(shared_data: Path) -> None:
    from skelact.io.mp_signs import iter_mp_signs

    clips = [c for c in iter_mp_signs(shared_data / "mp-signs" / "signer01.npz") if c.label == "hello"][:20]
    x = torch.stack([torch.from_numpy(c.xyz[0].copy()) for c in clips])
    score = torch.stack([torch.from_numpy(c.score[0].copy()) for c in clips])
    side = dominant_side(x, score, FULL)
    seen = torch.stack([(score[:, :, rows] > 0).any(2).float().mean(1) for rows in (LEFT, RIGHT)], 1)
    # whoever signs with one hand shows it: the dominant hand is the one that is seen more, where that is clear
    clear = (seen[:, 0] - seen[:, 1]).abs() > 0.5
    assert clear.sum() > 5 and (seen.argmax(1)[clear] == side[clear]).all()
    order = list(FULL.mirror)
    mirrored = x[:, :, order] * torch.tensor([-1.0, 1, 1])
    assert torch.equal(dominant_side(mirrored, score[:, :, order], FULL), 1 - side)
