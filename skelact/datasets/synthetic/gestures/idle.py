"""Idle movement: hands at rest, in the lap, at the face, adjusting something; what no gesture should be seen in."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.datasets.synthetic.gestures.classes import REST, make_classes
from skelact.datasets.synthetic.gestures.generate import make_gestures

# Where hands go that mean nothing: hanging, lap, crossed before the chest, face, hips, a table.
_PLACES = ((0.12, -1.45, 0.25), (-0.25, -0.95, 0.6), (-0.5, -0.45, 0.5), (-0.35, 0.45, 0.35), (0.25, -0.95, 0.05),
           (-0.1, -0.75, 0.9))  # fmt: skip
_OFTEN = (0.3, 0.3, 0.1, 0.05, 0.1, 0.15)  # how often hands are there
_GOES = 0.08  # share of windows in which a hand goes from one place to another


def make_idle(n: int, profile: str, rng: torch.Generator, *, flat: bool = False) -> tuple[Tensor, Tensor]:
    """Windows of idle movement, as `make_gestures` gives examples.

    Args:
        n: how many windows.
        profile: what the estimator gives.
        rng: of everything.
        flat: without depth.
    """
    made = []
    chunk = 64
    while sum(len(x) for x, _ in made) < n:
        classes = make_classes(chunk, profile, rng)
        place = torch.tensor(_PLACES)[torch.multinomial(torch.tensor(_OFTEN), chunk * 4, True, generator=rng)]
        place = place.reshape(chunk, 2, 2, 3)
        size = 0.03 + 0.12 * torch.rand(chunk, 2, 1, 1, generator=rng)
        classes.keys = place[:, :, :1] + size * torch.randn(classes.keys.shape, generator=rng)
        goes = torch.rand(chunk, 2, generator=rng) < _GOES  # from one place to another, once
        classes.keys[:, :, 3:] += ((place[:, :, 1:] - place[:, :, :1]) * goes[..., None, None]).expand(
            -1, -1, 2, -1
        )
        classes.n_keys = torch.randint(1, 6, (chunk,), generator=rng)
        classes.wave = classes.wave * 0.1
        classes.twist = classes.twist * 0.2
        loose = 0.2 + 0.3 * torch.rand(chunk, 2, 1, 1, 2, generator=rng)
        classes.curl = (loose + 0.08 * torch.randn(classes.curl.shape, generator=rng)).clamp(0, 1)
        classes.spread = classes.spread * 0.3
        classes.follow = torch.ones(chunk)
        classes.lean = classes.lean * 0.1
        classes.leg = classes.leg * 0.1
        still = torch.rand(chunk, 2, generator=rng) < 0.35
        classes.moves = torch.where(still, 0.0, 1.0)
        classes.keys = torch.where(
            still[..., None, None], torch.tensor(REST).expand_as(classes.keys), classes.keys
        )
        made.append(make_gestures(classes, profile, rng, flat=flat))
    return torch.cat([x for x, _ in made])[:n], torch.cat([m for _, m in made])[:n]
