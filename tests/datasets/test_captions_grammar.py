"""The grammar of captions, its held-out combinations, and the recordings of its scenes."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.datasets.synthetic.caption_actions import ACTIONS, MANNERS
from skelact.datasets.synthetic.captions import (
    PEOPLE,
    Act,
    Scene,
    all_acts,
    draw_scene,
    held_out_combinations,
    is_held_out,
    make_caption_clip,
    say,
    slots_right,
    understand,
)
from skelact.datasets.synthetic.everyday.generate import BODY15
from skelact.errors import ConfigError

J = BODY15.index
WAVE = Scene("child", (Act("wave", "left", "slowly"), Act("sit_down", "", "quickly")))


def test_sentences() -> None:
    assert say(WAVE) == "a child waves with the left hand slowly, then sits down quickly."
    assert say(Scene("adult", (Act("stand"),))) == "an adult stands still."


def test_every_sentence_is_understood() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        scene = draw_scene(rng)
        assert understand(say(scene)) == scene
    for other in (
        "",
        "a child.",
        "a dog waves with the left hand slowly.",
        "a child waves slowly.",
        "an adult claps, then.",
    ):
        assert understand(other) is None


def test_slots_are_counted_in_their_places() -> None:
    assert slots_right(WAVE, WAVE) == (6, 6)  # person; action, hand, manner; action, manner
    assert slots_right(WAVE, None) == (0, 6)
    assert slots_right(
        WAVE, Scene("child", (Act("wave", "right", "slowly"), Act("sit_down", "", "slowly")))
    ) == (4, 6)
    assert slots_right(WAVE, Scene("child", WAVE.acts[:1])) == (4, 6)
    assert slots_right(WAVE, Scene("child", WAVE.acts[::-1])) == (1, 7)  # a hand too many in the second act
    assert slots_right(Scene("child", WAVE.acts[:1]), WAVE) == (4, 5)


def test_held_out_combinations_leave_every_value_in_training() -> None:
    held = held_out_combinations()
    assert held == held_out_combinations() != held_out_combinations(1)
    n_acts, n_orders = len(all_acts()), sum((len(ACTIONS) - 1) * (not a.ends) for a in ACTIONS.values())
    assert 0.12 * 2 * n_acts < len(held[0]) <= 0.2 * 2 * n_acts + 1
    assert len(held[1]) == round(0.2 * n_orders)
    for act in all_acts():
        assert any((who, act) not in held[0] for who in PEOPLE)
    rng = np.random.default_rng(0)
    kept = [s for s in (draw_scene(rng) for _ in range(6000)) if not is_held_out(s, held)]
    assert {a for s in kept for a in s.acts} == set(all_acts()) and {s.who for s in kept} == set(PEOPLE)
    for k in (0, 1):  # every action first and second
        assert {s.acts[k].action for s in kept if len(s.acts) == 2} >= {
            n for n, a in ACTIONS.items() if not (a.ends and k == 0)
        }


def test_a_scene_is_held_out_by_any_of_its_combinations() -> None:
    held = ({("child", WAVE.acts[0])}, {("kick", "clap")})
    assert is_held_out(WAVE, held) and not is_held_out(Scene("adult", WAVE.acts), held)
    assert is_held_out(Scene("adult", (Act("kick", "left", "slowly"), Act("clap", "", "slowly"))), held)
    assert not is_held_out(Scene("adult", (Act("clap", "", "slowly"), Act("kick", "left", "slowly"))), held)


def clip(who: str, *acts: Act, number: int = 3):
    return make_caption_clip(Scene(who, acts), number, exact=True)


def test_manner_is_speed() -> None:
    for name, action in ACTIONS.items():
        if action.manners:
            limb = action.limbs[0] if action.limbs else ""
            slow, quick = (clip("adult", Act(name, limb, manner)).n_frames for manner in MANNERS)
            assert slow > 2.0 * quick, name


@pytest.mark.parametrize("name", [n for n, a in ACTIONS.items() if a.limbs])
def test_the_limb_that_is_named_moves(name: str) -> None:
    end = "ankle" if name == "kick" else "wrist"
    for limb, other in (("left", "right"), ("right", "left")):
        for number in range(3):
            s = clip("adult", Act(name, limb, "slowly"), number=number)
            hips = s.xyz[0, :, J["mid_hip"]]
            way = {
                side: np.ptp(s.xyz[0, :, J[f"{side}_{end}"]] - hips, axis=0).max() for side in (limb, other)
            }
            assert way[limb] > 1.5 * way[other], (limb, number, way)


def test_children_are_smaller() -> None:
    sizes = {
        who: [float(np.ptp(clip(who, Act("stand"), number=k).xyz[0, 0, :, 1])) for k in range(8)]
        for who in PEOPLE
    }
    assert max(sizes["child"]) < min(sizes["adult"])


def test_acts_come_in_order() -> None:
    first, then = Act("raise", "left", "quickly"), Act("kick", "right", "quickly")
    s = clip("adult", first, then)
    hand, foot = (s.xyz[0, :, J[j], 1] for j in ("left_wrist", "right_ankle"))
    assert hand.argmax() < foot.argmax()
    s = clip("adult", then, first)
    hand, foot = (s.xyz[0, :, J[j], 1] for j in ("left_wrist", "right_ankle"))
    assert hand.argmax() > foot.argmax()


def test_clips_repeat_by_number() -> None:
    one, two, other = (make_caption_clip(WAVE, k) for k in (5, 5, 6))
    assert one.equals(two) and not one.equals(other)
    assert one.label == say(WAVE) and one.layout == BODY15 and one.unit == "m" and np.isfinite(one.xyz).all()


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (Scene("dog", WAVE.acts), "unknown person"),
        (Scene("child", ()), "at least one act"),
        (Scene("child", (Act("fly"),)), "unknown action"),
        (Scene("child", (Act("wave", "", "slowly"),)), "limb of 'wave'"),
        (Scene("child", (Act("clap", "left", "slowly"),)), "limb of 'clap'"),
        (Scene("child", (Act("clap", "", "gladly"),)), "manner of 'clap'"),
    ],
)
def test_impossible_scenes_are_refused(scene: Scene, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_caption_clip(scene, 0)
