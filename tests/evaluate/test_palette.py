"""Colours are told apart, by the colour-blind too, and an action keeps its own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import skelact
from skelact.evaluate.palette import EVERYDAY, PALETTE, PEOPLE, action_colours, brighter, text_on, to_rgb

# Machado, Oliveira and Fernandes (2009), full severity: protanopia, deuteranopia, tritanopia; for linear RGB.
SIMULATIONS = (
    np.eye(3),
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
)
# Ottosson (2020): linear RGB to OKLab.
CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def linear(colours: tuple[str, ...]) -> np.ndarray:
    rgb = np.array([to_rgb(c) for c in colours]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def least_distance(colours: tuple[str, ...]) -> float:
    """Between any two colours, as seen by anybody."""
    least = np.inf
    for seen in SIMULATIONS:
        lab = np.cbrt(np.clip(linear(colours) @ np.array(seen).T, 0, 1) @ CONES.T) @ LAB.T
        apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        least = min(least, float(apart[~np.eye(len(colours), dtype=bool)].min()))
    return least


@pytest.mark.parametrize(("n", "least"), [(6, 0.075), (8, 0.075), (24, 0.06), (40, 0.044)])
def test_anybody_tells_actions_apart(n: int, least: float) -> None:
    assert least_distance(PALETTE[:n]) >= least


def test_colours_show_on_white() -> None:
    luminance = linear(PALETTE) @ [0.2126, 0.7152, 0.0722]
    assert (1.05 / (luminance + 0.05)).min() > 1.6


def test_an_action_keeps_its_colour_whatever_else_is_drawn() -> None:
    classes = [f"class {k}" for k in range(30)]
    whole = action_colours(classes, classes)
    assert action_colours(["class 7", "class 3", "new"], classes) == {
        "class 7": whole["class 7"], "class 3": whole["class 3"], "new": PALETTE[30],
    }  # fmt: skip
    walking = action_colours(["walk", "fall"])
    assert (
        walking["fall"] == action_colours(["cook", "fall", "zap"])["fall"] == action_colours(EVERYDAY)["fall"]
    )
    assert action_colours(["pick up"])["pick up"] == action_colours(["pick_up", "a"])["pick_up"]


def test_other_names_get_what_is_left() -> None:
    assert action_colours(["zap", "cook"]) == {"zap": PALETTE[1], "cook": PALETTE[0]}
    mixed = action_colours(["walk", "cook", "fall", "zap"])
    assert len(set(mixed.values())) == 4
    names = [f"action {i}" for i in range(40)]
    colours = action_colours(names)
    assert list(colours) == names and len(set(colours.values())) == 40
    assert all(re.fullmatch("#[0-9A-F]{6}", c) for c in colours.values())


def test_the_everyday_actions_are_the_shipped_networks() -> None:
    from skelact.recognition import Recogniser

    assert list(EVERYDAY) == list(Recogniser("everyday").card.label_names)


def test_people_have_the_colours_of_the_monitors_page() -> None:
    style = Path(skelact.__file__).parent / "monitor" / "page" / "static" / "page.css"
    found = dict(re.findall(r"\.c(\d) \{ --c: (#[0-9a-f]{6}); \}", style.read_text(encoding="utf-8")))
    assert [found[str(k)].upper() for k in range(8)] == list(PEOPLE)


def test_no_other_picture_has_a_palette_of_its_own() -> None:
    folder = Path(skelact.__file__).parent / "evaluate"
    for path in folder.glob("*.py"):
        if path.name != "palette.py":
            used = set(re.findall(r"#[0-9A-F]{6}", path.read_text(encoding="utf-8")))
            assert len(used & set(PALETTE)) < 2, path.name


@pytest.mark.parametrize("colour", PALETTE)
def test_words_on_colours_can_be_read(colour: str) -> None:
    def luminance(c: str) -> float:
        return float((linear((c,)) @ [0.2126, 0.7152, 0.0722])[0])

    a, b = luminance(colour), luminance(text_on(colour))
    assert (max(a, b) + 0.05) / (min(a, b) + 0.05) > 3.9
    assert text_on(colour, 0.02) == "#222222"
    assert min(brighter(colour)) >= 76
