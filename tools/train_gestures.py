"""Train the gesture encoder that ships with the package, from synthetic gestures alone.

python tools/train_gestures.py [OUT_FOLDER] [--steps 1700] [--classes 64] [--examples 4] [--seed 0] [--network FILE]

Every step draws new random gesture classes (`skelact.datasets.synthetic.gestures`), a few examples of each, and pulls
the vectors of one class together and apart from the others' (Khosla et al., NeurIPS 2020). Reports, on classes that no
step has seen, how often the nearest of 64 prototypes of five examples is the right one. After the last step the vector
is narrowed to its principal axes, and what needs no steps is fitted to other synthetic classes: the mean shape of hands
and the linear discriminants of slow movement. --network FILE takes a trained network and does this alone. Writes
``gestures.safetensors`` with 16-bit weights: copy it to ``skelact/recognition/weights/`` to ship it. An unfinished
training goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from skelact.datasets.synthetic.gestures import PROFILES, make_classes, make_gestures
from skelact.io.files import atomic_path, write_text
from skelact.models.gesture_encoder import GestureEncoder
from skelact.models.gesture_features import gesture_features
from skelact.recognition.array_file import read_arrays
from skelact.recognition.gesture_weights import KIND, load_encoder, save_encoder

SHARES = (0.5, 0.2, 0.15, 0.15)  # of the steps, of every profile
FLAT = 0.3  # share of the steps without depth
HELD_OUT = 1_000_003  # seeds of held-out classes begin here
AVERAGE = 0.999
DIMS = 64  # of the network's vector in the end: more axes hold nothing
FITTED_CLASSES, FITTED_EXAMPLES = 512, 8  # of every profile, to which is fitted what needs no steps
KEEP_EVERY = 250  # steps


def make_batch(n_classes: int, n_examples: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Examples of new classes, ``[n_examples, n_classes, T, V, 3]`` and presence."""
    profile = PROFILES[int(torch.multinomial(torch.tensor(SHARES), 1, generator=rng))]
    flat = float(torch.rand(1, generator=rng)) < FLAT
    classes = make_classes(n_classes, profile, rng)
    made = [make_gestures(classes, profile, rng, flat=flat) for _ in range(n_examples)]
    return torch.stack([x for x, _ in made]), torch.stack([m for _, m in made])


def contrast(vectors: Tensor, warmth: Tensor) -> Tensor:
    """Supervised contrastive loss of ``[examples, classes, D]``."""
    examples, classes, _ = vectors.shape
    flat = vectors.flatten(0, 1)
    label = torch.arange(classes).repeat(examples)
    own = torch.eye(len(flat), dtype=torch.bool)
    logits = (flat @ flat.T * warmth).masked_fill(own, -1e4)
    same = (label[:, None] == label) & ~own
    return -(logits.log_softmax(1) * same).sum(1).div(examples - 1).mean()


@torch.no_grad()
def held_out(model: GestureEncoder, seed: int, n_classes: int = 64) -> dict[str, float]:
    """Share of examples whose nearest prototype (of five examples) is the right one, by profile."""
    found = {}
    for number, profile in enumerate(PROFILES):
        rng = torch.Generator().manual_seed(HELD_OUT + 10 * seed + number)
        classes = make_classes(n_classes, profile, rng)
        vectors = torch.stack([model(*make_gestures(classes, profile, rng)) for _ in range(8)])
        prototypes = F.normalize(vectors[:5].mean(0), dim=1)
        right = (vectors[5:] @ prototypes.T).argmax(-1) == torch.arange(n_classes)
        found[profile] = round(100 * float(right.float().mean()), 1)
    return found


@torch.no_grad()
def finish(model: GestureEncoder, seed: int) -> GestureEncoder:
    """What needs no steps, from gestures that no step has seen: the mean shape of hands, the discriminants, and the
    axes that the vector is narrowed to."""
    model.eval()
    found = []
    for number, profile in enumerate(PROFILES):
        rng = torch.Generator().manual_seed(HELD_OUT + 10 * seed + 5 + number)
        classes = make_classes(FITTED_CLASSES, profile, rng)
        made = [make_gestures(classes, profile, rng) for _ in range(FITTED_EXAMPLES)]
        if profile == "holistic":
            model.set_shape_middle(*made[0])
        found.append(torch.stack([gesture_features(x, m) for x, m in made]))
    features = torch.cat(found, 1)
    model.set_slow(features)
    return model.narrowed(features[0], min(DIMS, model.settings["dims"]))


def main(arguments: list[str] | None = None) -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, nargs="?", default=Path("runs/gestures"), metavar="OUT_FOLDER")
    parser.add_argument("--steps", type=int, default=1700)
    parser.add_argument("--classes", type=int, default=64, help="of a step")
    parser.add_argument("--examples", type=int, default=4, help="of a class")
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", type=Path, default=None, metavar="FILE", help="trained before; no steps")
    parser.add_argument("--bfloat16", action="store_true", help="sooner, on processors that have it")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if options.network is not None:
        card, _ = read_arrays(options.network, KIND, "tools/train_gestures.py")
        made = finish(load_encoder(options.network).requires_grad_(False), options.seed)
        write_encoder(options.out, made, card["trained"], options.seed)
        return
    torch.manual_seed(options.seed)
    model, average = GestureEncoder(), GestureEncoder()
    average.load_state_dict(model.state_dict())
    warmth = torch.nn.Parameter(torch.tensor(2.3))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim < 2] + [warmth]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.03}, {"params": plain, "weight_decay": 0.0}], lr=options.lr
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, options.lr, options.steps, pct_start=0.06)
    state = options.out / f"last_{options.steps}_seed{options.seed}.pt"
    step, spent = 0, 0.0
    if state.is_file():
        saved: dict[str, Any] = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        warmth.data, step, spent = saved["warmth"], saved["step"], saved["spent"]
        sys.stderr.write(f"goes on at step {step}\n")
    begin, seen = time.monotonic(), 0.0
    while step < options.steps:
        rng = torch.Generator().manual_seed(options.seed * 10_000_019 + step)
        xyz, present = make_batch(options.classes, options.examples, rng)
        model.train()
        torch.manual_seed(
            options.seed * 10_000_019 + step
        )  # of dropout, so that a stopped training ends the same
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            vectors = model.learned(gesture_features(xyz.flatten(0, 1), present.flatten(0, 1)))
        vectors = vectors.float().unflatten(0, xyz.shape[:2])
        loss = contrast(vectors, warmth.exp().clamp(max=50))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        step += 1
        keep = min(AVERAGE, (1 + step) / (10 + step))
        with torch.no_grad():
            for a, b in zip(average.parameters(), model.parameters(), strict=True):
                a.lerp_(b, 1 - keep)
        seen += float(loss.detach())
        if step % 50 == 0:
            passed = spent + time.monotonic() - begin
            sys.stderr.write(f"step {step}/{options.steps} loss {seen / 50:.3f} {passed / 60:.1f} min\n")
            seen = 0.0
        if step % KEEP_EVERY == 0 or step == options.steps:
            average.eval()
            sys.stderr.write(f"held-out classes: {json.dumps(held_out(average, options.seed))}\n")
            plain_state = {
                "model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(), "warmth": warmth.data, "step": step,
                "spent": spent + time.monotonic() - begin,
            }  # fmt: skip
            with atomic_path(state) as part:
                torch.save(plain_state, part)
    trained = {
        "steps": options.steps, "classes": options.classes, "examples": options.examples, "seed": options.seed,
        "bfloat16": options.bfloat16, "minutes": round((spent + time.monotonic() - begin) / 60, 1),
    }  # fmt: skip
    write_encoder(options.out, finish(average, options.seed), trained, options.seed)


def write_encoder(folder: Path, model: GestureEncoder, trained: dict[str, Any], seed: int) -> None:
    """Measure, write the file and the report."""
    report = {
        **trained, "weights": sum(v.numel() for v in model.state_dict().values()),
        "held-out classes, five examples, 64 classes": held_out(model, seed),
    }  # fmt: skip
    write_text(folder / "gestures.json", json.dumps(report, indent=1))
    save_encoder(folder / "gestures.safetensors", model, report)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
