"""The colours of all pictures, told apart by the colour-blind too."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

# The first six are Okabe and Ito's (2008) without yellow and black. Each further one is the colour that lies farthest
# from all before it: the least distance in OKLab (Ottosson, 2020) over normal vision and the three simulations of
# Machado et al. (2009) at full severity, for lightness 0.33 to 0.80, so that it shows on white. The least distance
# between any two is 0.076 among 8 colours, 0.062 among 24 and 0.045 among all.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#690F00", "#1E2D78", "#784B5A", "#B4C3A5",
    "#A569FF", "#B40F00", "#3C2DD2", "#4B2D4B", "#C31E96", "#87B478", "#5A0FA5", "#964BE1", "#3CD2F0", "#A55A4B",
    "#960F2D", "#87D269", "#8787E1", "#D296C3", "#E1783C", "#961E87", "#D21E00", "#5A3C5A", "#5A7869", "#1E5AB4",
    "#8769D2", "#0F5A3C", "#8796FF", "#785A78", "#4B4B78", "#FF3C87", "#B4785A", "#B478C3", "#5A1E2D", "#69C34B",
)  # fmt: skip
# Actions that have the same colour in every picture that is not about a list of its own.
EVERYDAY = (
    "walk", "fall", "fallen", "sit_down", "sitting", "lie_down", "lying", "stand_up", "standing", "other", "kneel_down",
    "kneeling", "squat_down", "squatting", "crawl", "jump", "wave", "clap", "kick", "throw", "pick_up", "drink",
    "phone",
)  # fmt: skip
# One colour per person (track id), as on the monitor's page: readable on light and on dark.
PEOPLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A900", "#7A8794")
LEFT, RIGHT, MIDDLE = "#0072B2", "#D55E00", "#3B3B3B"  # sides of the body, on white
INK, SOFT, GREY = "#222222", "#5A5A5A", "#8A8A8A"  # texts, and what is not an action


def action_colours(names: Sequence[str], among: Sequence[str] | None = None) -> dict[str, str]:
    """A colour (``#RRGGBB``) for every name, by its place in a list.

    Args:
        names: what is drawn; ``pick_up`` and ``pick up`` are one action.
        among: the list that decides, such as the classes of a network: whatever part of it is drawn, a name has
            the same colour. Names that it lacks come after it. None: the everyday actions have their colours, and
            other names, sorted, the first that are left.

    Returns:
        Colours in the order of ``names``; they repeat after 40.
    """
    shown = list(dict.fromkeys(names))
    listed = {_plain(name): k for k, name in reversed(list(enumerate(EVERYDAY if among is None else among)))}
    place = {key: listed[key] for key in map(_plain, shown) if key in listed}
    taken = set(place.values()) if among is None else set(range(len(among)))
    free = (k for k in count() if k not in taken)
    for key in sorted({_plain(name) for name in shown} - set(place)):
        place[key] = next(free)
    return {name: PALETTE[place[_plain(name)] % len(PALETTE)] for name in shown}


def _plain(name: str) -> str:
    return str(name).replace("_", " ")


def person_colour(track_id: int) -> str:
    """The colour of a person, ``#RRGGBB``."""
    return PEOPLE[track_id % len(PEOPLE)]


def to_rgb(colour: str) -> tuple[int, int, int]:
    """``#RRGGBB`` as numbers 0..255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def brighter(colour: str, share: float = 0.3) -> tuple[int, int, int]:
    """A colour mixed with this share of white, for thin lines on photographs, as numbers 0..255."""
    red, green, blue = (round(v + (255 - v) * share) for v in to_rgb(colour))
    return red, green, blue


def text_on(colour: str, alpha: float = 1.0) -> str:
    """White or dark: what is read better on this colour, drawn with this opacity on white (WCAG 2 luminance)."""

    def luminance(rgb: Sequence[float]) -> float:
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    ground = luminance([1 - alpha + alpha * v / 255 for v in to_rgb(colour)])
    dark = luminance([v / 255 for v in to_rgb(INK)])
    return "#FFFFFF" if 1.05 / (ground + 0.05) >= (ground + 0.05) / (dark + 0.05) else INK
