"""How people go about: walking, crawling, jumping, changing from one posture to another, and staying in one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skelact.datasets.synthetic.body import DOF
from skelact.datasets.synthetic.everyday.postures import (
    Pose,
    around,
    kneeling,
    lying,
    on_all_fours,
    pick,
    sitting,
    squatting,
    standing,
)
from skelact.datasets.synthetic.everyday.takes import Story, Take, fidget, times
from skelact.datasets.synthetic.motion import GRAVITY, Actor, Motion, add_gait, minimum_jerk, seconds, window

CARRYING: list[Pose] = [
    {"both_shoulder_flex": 30, "both_elbow": 85},
    {"both_shoulder_flex": 55, "both_elbow": 60},
    {"both_shoulder_flex": 12, "both_elbow": 100, "both_shoulder_twist": -25},
    {"main_shoulder_flex": 25, "main_elbow": 90},
    {"main_shoulder_abduct": 12, "main_elbow": 8},
    {"both_shoulder_flex": 35, "both_elbow": 45, "both_shoulder_twist": -20},
    {"both_shoulder_flex": 20, "both_elbow": 65, "both_shoulder_abduct": 15, "both_shoulder_twist": -35},
]
LEANING = {"both_hip_flex": 100, "both_knee": 75, "root_pitch": 32, "spine_flex": 18, "both_hip_abduct": 8}


def stay(posture: Callable[[np.random.Generator], Pose], restless: float = 1.0) -> Callable[[Actor], Take]:
    """Staying in a posture drawn from ``posture``, with some small change of it on the way."""

    def perform(actor: Actor) -> Take:
        rng = actor.rng
        pose = posture(rng)
        story = Story(actor).start(pose, hold=rng.uniform(1.5, 4))
        if rng.random() < 0.4:  # moves a little
            other = {k: v if k.startswith("root") else v + rng.normal(0, 12) for k, v in pose.items()}
            story.move(rng.uniform(0.5, 1.5), other).hold(rng.uniform(0.3, 1.5))
        motion = story.build()
        fidget(motion, actor, restless)
        return story.take(motion, repeats=True)

    return perform


def march(motion: Motion, actor: Actor, phase: np.ndarray, strength: np.ndarray | float = 1.0) -> None:
    """Add walking in place: thighs lifted in turn, arms swinging."""
    size = np.radians(actor.rng.uniform(8, 65)) * strength
    arms = np.radians(actor.rng.uniform(8, 38)) * strength
    for side, shift in (("left", 0.0), ("right", 0.5)):
        lift = np.clip(np.sin(2 * np.pi * (phase + shift)), 0, None)
        motion.add(f"{side}_hip_flex", size * lift)
        motion.add(f"{side}_knee", 1.7 * size * lift)
        swing = np.sin(2 * np.pi * (phase + shift + 0.5))
        motion.add(f"{side}_shoulder_flex", arms * swing)
        motion.add(f"{side}_elbow", 0.7 * arms * (1 + swing))


def walk(actor: Actor) -> Take:
    """Walking: brisk, slow, shuffling, turning, carrying something, backwards, or in place."""
    rng = actor.rng
    t = seconds(rng.uniform(2, 7), actor.fps)
    pose = standing(rng) if rng.random() < 0.25 else {}
    carries = rng.random() < 0.35
    if carries:
        pose = around(rng, pick(rng, CARRYING), 8)
    motion = Motion(np.tile(actor.pose(pose), (len(t), 1)))
    kind = rng.random()
    phase = rng.uniform() + actor.vary(0.92, 0.2) * actor.style.tempo * t
    # Some start off, or stop, within the clip.
    late = rng.random() < (0.5 if carries else 0.25)
    going = minimum_jerk((t - rng.uniform(0.3, 0.6 * t[-1])) / 0.5) if late else np.ones_like(t)
    if rng.random() < 0.15:
        going = going * minimum_jerk((t[-1] - rng.uniform(0.3, 1.5) - t) / 0.5)
    if t[-1] > 2.5 and rng.random() < (0.35 if carries else 0.15):  # halts on the way, and often turns about
        halt = rng.uniform(0.8, t[-1] - 1.0)
        going = going * (1 - window(t, halt, halt + rng.uniform(0.4, 1.2), 0.35))
        about = np.radians(rng.uniform(60, 190) * rng.choice([-1, 1]))
        motion.add("root_yaw", about * minimum_jerk((t - halt) / rng.uniform(0.6, 1.4)))
    if kind < 0.33:
        march(motion, actor, phase, going)
    else:
        strength = going * (
            rng.uniform(0.55, 1.0) if carries else 1.0 if kind < 0.75 else rng.uniform(0.35, 0.75)
        )
        add_gait(motion, actor, -phase if kind > 0.95 else phase, strength)
        if carries:  # hands that hold something hardly swing
            for name in ("shoulder_flex", "elbow"):
                for side in ("left", "right"):
                    column = motion.angles[:, DOF[f"{side}_{name}"]]
                    column += 0.8 * (column.mean() - column)
        motion.add("root_yaw", np.radians(rng.normal(0, 35)) * np.cumsum(going) / actor.fps)
    motion.flatten_feet(0.35)
    fidget(motion, actor, 0.4)
    return Take(motion, 0, float(t[-1]), repeats=True)


def crawl(actor: Actor) -> Take:
    """Crawling on hands and knees."""
    rng = actor.rng
    t = seconds(rng.uniform(2, 4.5), actor.fps)
    motion = Motion(np.tile(actor.pose(on_all_fours(rng)), (len(t), 1)))
    rate, size = actor.vary(0.9, 0.25), np.radians(rng.uniform(10, 24))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        wave = sign * np.sin(2 * np.pi * rate * t)
        motion.add(f"{side}_hip_flex", size * wave)
        motion.add(f"{side}_knee", 0.6 * size * np.clip(wave, 0, None))
        motion.add(f"{side}_shoulder_flex", -size * wave)
        motion.add(f"{side}_elbow", 0.6 * size * np.clip(-wave, 0, None))
    motion.drive = np.stack([np.zeros_like(t), rng.uniform(0.1, 0.45) * t], 1)
    return Take(motion, 0, float(t[-1]), repeats=True)


def hop(actor: Actor) -> Take:
    """Hopping along on both feet or on one, again and again."""
    rng = actor.rng
    t = seconds(rng.uniform(1.5, 4), actor.fps)
    rate, height = rng.uniform(1.3, 2.8), rng.uniform(0.04, 0.2)
    phase = rng.uniform() + rate * t
    down = 0.5 * (1 + np.cos(2 * np.pi * phase))  # 1 when the knees are bent most
    arms = pick(rng, [{}, {}, {"both_elbow": 70, "both_shoulder_flex": 15}, {"both_shoulder_abduct": 30}])
    pose = around(rng, arms | {"both_hip_flex": 8, "both_knee": 15, "spine_flex": rng.uniform(0, 15)}, 5)
    if rng.random() < 0.25:
        pose |= {"off_knee": rng.uniform(60, 100), "off_hip_flex": rng.uniform(0, 40)}
    motion = Motion(np.tile(actor.pose(pose), (len(t), 1)))
    bend, swing = np.radians(rng.uniform(15, 50)), np.radians(rng.uniform(0, 45))
    for side in ("left", "right"):
        motion.add(f"{side}_hip_flex", 0.6 * bend * down)
        motion.add(f"{side}_knee", bend * down)
        motion.add(f"{side}_ankle", -0.5 * bend * (1 - down))
        motion.add(f"{side}_shoulder_flex", swing * np.sin(2 * np.pi * phase + 1))
    motion.add("root_pitch", np.radians(rng.uniform(0, 12)) + 0.2 * bend * down)
    motion.rise = height * np.clip(np.cos(2 * np.pi * (phase + 0.5)), 0, None)
    ahead = rng.uniform(0.2, 1.0) if rng.random() < 0.8 else 0.0
    motion.drive = np.stack([np.zeros_like(t), rate * ahead * t], 1)
    return Take(motion, 0, float(t[-1]), repeats=True)


def jump(actor: Actor) -> Take:
    """Jumping: once or several times, in place or forward, on one leg, or jumping jacks."""
    rng = actor.rng
    if rng.random() < 0.25:
        return hop(actor)
    kind, n = rng.integers(4), int(rng.integers(1, 5))
    crouch = {
        "both_hip_flex": 55,
        "both_knee": 75,
        "root_pitch": 25,
        "both_shoulder_flex": -30,
        "both_ankle": 20,
    }
    arms = pick(rng, [{"both_shoulder_flex": 120}, {"both_shoulder_flex": 30}, {}, {"both_elbow": 70}])
    air = {"both_hip_flex": 8, "both_knee": 12, "both_ankle": -35} | arms
    if kind == 2:
        crouch |= {"off_knee": 95.0, "off_hip_flex": 30.0}
        air |= {"off_knee": 85.0, "off_hip_flex": 30.0}
    small = rng.uniform(0.3, 1)
    crouch = {k: v * small if k != "off_knee" else v for k, v in crouch.items()}
    story = (
        Story(actor).start(standing(rng) if rng.random() < 0.3 else {}, hold=rng.uniform(0.1, 0.5)).starts()
    )
    flights = []
    for i in range(n):
        spread = {"both_shoulder_abduct": 165.0, "both_hip_abduct": 24.0, "both_shoulder_flex": 0.0}
        apart = spread if kind == 3 and i % 2 == 0 else {}
        height = (
            rng.uniform(0.03, 0.1) if kind == 3 else rng.uniform(0.06, 0.12) + 0.25 * small * rng.random()
        )
        lasts = 2 * np.sqrt(2 * height / GRAVITY)
        down = 0.12 if kind == 3 or i else 0.35
        story.move(down, {} if kind == 3 else crouch)
        take_off = story.now
        story.move(lasts, (air if kind != 3 else {"both_ankle": -20.0}) | apart)
        flights.append((take_off, story.now, height))
        story.move(0.1, apart if kind == 3 else {k: 0.5 * v for k, v in crouch.items()})
    motion = story.ends().move(0.4).hold(rng.uniform(0.1, 0.5)).build()
    t = times(motion, actor)
    motion.rise = np.zeros_like(t)
    for start, end, height in flights:
        share = np.clip((t - start) / (end - start), 0, 1)
        motion.rise += height * 4 * share * (1 - share)
    if kind == 1:
        ahead = sum(minimum_jerk((t - a) / (b - a)) for a, b, _ in flights) * rng.uniform(0.15, 0.5)
        motion.drive = np.stack([np.zeros_like(t), ahead], 1)
    return story.take(motion, repeats=n > 2)


def _feet(story: Story, flat: bool = True) -> Motion:
    motion = story.build()
    if flat:
        motion.flatten_feet()
    return motion


def _pace(actor: Actor, usual: float) -> float:
    """Seconds that a change of posture takes: the young are quick, the frail slow."""
    return usual * float(np.clip(np.exp(actor.rng.normal(0, 0.35)), 0.45, 2.4))


def sit_down(actor: Actor) -> Take:
    """Sitting down on a chair, carefully or dropping into it, or on the floor."""
    rng = actor.rng
    floor = rng.random() < 0.12
    story = Story(actor).start(standing(rng), hold=rng.uniform(0.1, 1.0)).starts()
    pace = _pace(actor, 0.7 if rng.random() < 0.25 else 1.3)
    if floor:
        story.move(0.9 * pace, squatting(rng)).move(0.8 * pace, sitting(rng, "floor"))
    else:
        seat, far = sitting(rng, "chair"), rng.uniform(0.5, 1.5)  # how far one leans on the way
        bend = around(rng, LEANING | {k: far * LEANING[k] for k in ("root_pitch", "spine_flex")}, 8)
        bend["both_hip_flex"] = 68 + far * 32 + rng.normal(0, 8)
        if rng.random() < 0.3:  # a hand reaches for the seat
            bend |= {"main_shoulder_flex": rng.uniform(-35, 40), "main_elbow": rng.uniform(10, 60)}
        story.move(0.55 * pace, bend).move(rng.uniform(0.3, 0.6) * pace, seat)
    story.ends().hold(rng.uniform(0.1, 1.5) if rng.random() < 0.7 else rng.uniform(1.0, 3.0))
    return story.take(_feet(story, not floor))


def stand_up(actor: Actor) -> Take:
    """Getting up from a chair, the floor, the knees, a squat, a bed."""
    rng = actor.rng
    kind = rng.choice(["chair", "chair", "chair", "floor", "knees", "squat", "lying"])
    postures = {"knees": kneeling, "squat": squatting, "lying": lying}
    first = postures[kind](rng) if kind in postures else sitting(rng, str(kind))
    story = Story(actor).start(first, hold=rng.uniform(0.1, 1.0)).starts()
    pace = _pace(actor, 1.2)
    if kind == "chair":
        far = rng.uniform(0.5, 1.5)
        lean = LEANING | {k: far * LEANING[k] for k in ("root_pitch", "spine_flex")}
        story.move(0.5 * pace, around(rng, lean | {"both_hip_flex": 68 + far * 32}, 8))
    elif kind in ("floor", "lying"):
        if kind == "lying":
            story.move(0.9 * pace, sitting(rng, "floor") if rng.random() < 0.6 else on_all_fours(rng))
        story.move(0.8 * pace, kneeling(rng) if rng.random() < 0.4 else squatting(rng))
    story.move(0.6 * pace, standing(rng)).ends().hold(rng.uniform(0.1, 1.0))
    return story.take(_feet(story, kind in ("chair", "squat")))


def lie_down(actor: Actor) -> Take:
    """Lying down onto a bed from its edge, or onto the floor over the knees or the seat."""
    rng = actor.rng
    pace, bed = _pace(actor, 1.0), rng.random() < 0.6
    if bed:
        story = Story(actor)
        if rng.random() < 0.4:
            story.start(standing(rng), hold=rng.uniform(0.1, 0.5)).starts().move(
                1.1 * pace, sitting(rng, "chair")
            )
        else:
            story.start(sitting(rng, "chair"), hold=rng.uniform(0.1, 0.8)).starts()
        leaning = sitting(rng, "chair") | {"root_pitch": rng.uniform(-45, -20), "both_knee": 60.0}
        lift = story.now
        story.move(0.7 * pace, leaning).move(0.8 * pace, lying(rng))
        motion = story.ends().hold(rng.uniform(0.3, 1.2)).build()
        share = minimum_jerk((times(motion, actor) - lift) / max(story.end - lift, 0.1))
        motion.rise = rng.uniform(0.25, 0.55) * share
        return story.take(motion)
    story = Story(actor).start(standing(rng), hold=rng.uniform(0.1, 0.6)).starts()
    if rng.random() < 0.5:
        story.move(1.0 * pace, squatting(rng)).move(0.9 * pace, sitting(rng, "floor"))
    else:
        story.move(1.0 * pace, kneeling(rng)).move(0.8 * pace, on_all_fours(rng))
    story.move(1.1 * pace, lying(rng)).ends().hold(rng.uniform(0.2, 1.0))
    return story.take()


def get_down(posture: Callable[[np.random.Generator], Pose], again: float) -> Callable[[Actor], Take]:
    """From standing into ``posture``; with probability ``again`` up again, as in exercises."""

    def perform(actor: Actor) -> Take:
        rng = actor.rng
        rest, down, pace = standing(rng), posture(rng), _pace(actor, 0.95)
        flat, up = posture is squatting, rest
        story = Story(actor).start(rest, hold=rng.uniform(0.1, 0.8)).starts()
        if flat and rng.random() < 0.5:  # the arms are brought up first
            up = rest | {k: v for k, v in down.items() if "shoulder" in k or "elbow" in k}
            story.move(rng.uniform(0.3, 0.8), up)
        story.move(pace, down)
        if rng.random() < again:
            for _ in range(int(rng.integers(1, 3))):
                story.hold(rng.uniform(0, 0.6)).move(pace, up)
                if rng.random() < 0.6:
                    break
                story.move(pace, down)
            if rng.random() < 0.7:
                story.move(rng.uniform(0.3, 0.8), rest)
        story.ends().hold(rng.uniform(0.1, 1.0))
        return story.take(_feet(story, flat))

    return perform
