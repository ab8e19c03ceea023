"""What the captions network has no words for, named by the everyday network: falls above all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skelact.datasets.signing.utterance import cut, one_person
from skelact.recognition.fit import fit_input
from skelact.recognition.language_captions import Caption
from skelact.recognition.recogniser import Recogniser
from skelact.skeleton import Skeleton

SURE = 0.6  # probability from which on the everyday network is believed
# Classes that no sentence of the captions network means, and what is said of them.
BEYOND: dict[str, str] = {
    "fall": "falls",
    "fallen": "lies after a fall",
    "lie_down": "lies down",
    "lying": "lies",
    "sitting": "sits",
    "stand_up": "stands up",
    "kneel_down": "kneels down",
    "kneeling": "kneels",
    "crawl": "crawls",
    "throw": "throws something",
    "pick_up": "picks something up",
    "phone": "is on the phone",
}


def say_what_is_beyond(
    skeleton: Skeleton, captions: Sequence[Caption], everyday: Recogniser
) -> list[Caption]:
    """Captions with other sentences where the everyday network is sure of something that they have no words for.

    A fall counts if a single window shows it; anything else if it leads over the whole stretch.

    Args:
        skeleton: the recording that was described.
        captions: its sentences.
        everyday: the network that ships for three coordinates.
    """
    tracks = {track: m for m, track in enumerate(skeleton.track_ids)}
    names = everyday.card.label_names
    out = []
    for caption in captions:
        part = cut(one_person(skeleton, tracks[caption.person]), caption.start, caption.end)
        fitted, _ = fit_input(part, everyday.card, everyday.pipeline)
        if not (fitted.score > 0).any():
            out.append(caption)
            continue
        seen = everyday.recognise(fitted, mode="group").probabilities[0]
        fall = float(seen[:, names.index("fall")].max())
        mean = seen.mean(0)
        label, score = ("fall", fall) if fall >= SURE else (names[int(mean.argmax())], float(mean.max()))
        if label in BEYOND and score >= SURE:
            caption = replace(caption, text=f"a person {BEYOND[label]}.", score=float(np.log(score)))
        out.append(caption)
    return out
