"""Names of NTU RGB+D: what a sample's name says, the 120 actions, and the samples without skeletons."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import Path

import yaml

from skelact.errors import DataError
from skelact.io.reading import read_text

_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")

NTU120_NAMES: tuple[str, ...] = (
    "drink water", "eat meal/snack", "brushing teeth", "brushing hair", "drop", "pickup", "throw",
    "sitting down", "standing up (from sitting position)", "clapping", "reading", "writing",
    "tear up paper", "wear jacket", "take off jacket", "wear a shoe", "take off a shoe",
    "wear on glasses", "take off glasses", "put on a hat/cap", "take off a hat/cap", "cheer up",
    "hand waving", "kicking something", "reach into pocket", "hopping (one foot jumping)", "jump up",
    "make a phone call/answer phone", "playing with phone/tablet", "typing on a keyboard",
    "pointing to something with finger", "taking a selfie", "check time (from watch)",
    "rub two hands together", "nod head/bow", "shake head", "wipe face", "salute",
    "put the palms together", "cross hands in front (say stop)", "sneeze/cough", "staggering", "falling",
    "touch head (headache)", "touch chest (stomachache/heart pain)", "touch back (backache)",
    "touch neck (neckache)", "nausea or vomiting condition",
    "use a fan (with hand or paper)/feeling warm", "punching/slapping other person",
    "kicking other person", "pushing other person", "pat on back of other person",
    "point finger at the other person", "hugging other person", "giving something to other person",
    "touch other person's pocket", "handshaking", "walking towards each other",
    "walking apart from each other",
    "put on headphone", "take off headphone", "shoot at the basket", "bounce ball", "tennis bat swing",
    "juggling table tennis balls", "hush (quiet)", "flick hair", "thumb up", "thumb down",
    "make ok sign", "make victory sign", "staple book", "counting money", "cutting nails",
    "cutting paper (using scissors)", "snapping fingers", "open bottle", "sniff (smell)", "squat down",
    "toss a coin", "fold paper", "ball up paper", "play magic cube", "apply cream on face",
    "apply cream on hand back", "put on bag", "take off bag", "put something into a bag",
    "take something out of a bag", "open a box", "move heavy objects", "shake fist",
    "throw up cap/hat", "hands up (both hands)", "cross arms", "arm circles", "arm swings",
    "running on the spot", "butt kicks (kick backward)", "cross toe touch", "side kick", "yawn",
    "stretch oneself", "blow nose", "hit other person with something",
    "wield knife towards other person", "knock over other person (hit with body)",
    "grab other person's stuff", "shoot at other person with a gun", "step on foot", "high-five",
    "cheers and drink", "carry something with other person", "take a photo of other person",
    "follow other person", "whisper in other person's ear", "exchange things with other person",
    "support somebody with hand", "finger-guessing game (playing rock-paper-scissors)",
)  # fmt: skip
NTU60_NAMES = NTU120_NAMES[:60]


def parse_ntu_name(name: str) -> dict[str, int]:
    """Read setup, camera, subject, replication and action (all from 1) from ``SsssCcccPpppRrrrAaaa``.

    Args:
        name: a sample name; folders and whatever follows the 20 characters are ignored.

    Raises:
        DataError: if it is no such name.
    """
    match = _NAME.match(Path(name).name)
    if not match:
        raise DataError(
            f"'{name}' is no NTU RGB+D name; allowed: SsssCcccPpppRrrrAaaa, as S001C002P003R002A013"
        )
    keys = ("setup", "camera", "subject", "replication", "action")
    return dict(zip(keys, map(int, match.groups()), strict=True))


def read_missing_list(path: str | Path) -> frozenset[str]:
    """Read a published list of samples without usable skeletons: one name per line.

    Lines that are no names (headings of the published files) are skipped.

    Raises:
        DataError: if no line is a name.
    """
    names = frozenset(m.group() for line in read_text(path).splitlines() if (m := _NAME.match(line.strip())))
    if not names:
        raise DataError(f"{path}: no line is an NTU RGB+D name such as S001C002P005R002A008")
    return names


@cache
def ntu_missing(version: int = 120) -> frozenset[str]:
    """The published samples without usable skeletons: 302 of NTU RGB+D 60, 535 of NTU RGB+D 120.

    Args:
        version: 60 or 120.

    Raises:
        DataError: for another version.
    """
    if version not in (60, 120):
        raise DataError(f"there is no NTU RGB+D {version}; allowed: 60, 120")
    text = resources.files("skelact.io").joinpath("data/ntu_missing.yaml").read_text(encoding="utf-8")
    names = (head + rest for head, line in yaml.safe_load(text).items() for rest in line.split())
    return frozenset(n for n in names if version == 120 or int(n[1:4]) <= 17)
