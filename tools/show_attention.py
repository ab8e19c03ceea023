"""Where a VideoLSTM looks: moments of clips, and below them how much each place counts for the answer.

python tools/show_attention.py RUN OUT_FOLDER [--data SET.h5] [--split PART] [--videos FOLDER] [--clips 8]

A picture for each of the first clips of the part (by default the run's test part): what the network sees, and the same
darkened where its attention is small, on the scale of the clip's largest. The network was never told where anybody is
(Li et al., "VideoLSTM convolves, attends and flows for action recognition", CVIU 2018).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.picture_files import attach_pictures
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.device import find_device
from skelact.errors import ConfigError, SkelactError
from skelact.evaluate.mistakes import plot_frames
from skelact.models.streams import StreamNetwork
from skelact.models.video.videolstm import VideoLSTM
from skelact.recognition.engine import call_model
from skelact.recognition.ensemble import load_model

DARK = 0.15  # brightness of a place without attention


@torch.no_grad()
def look(model: StreamNetwork, batch: SkeletonBatch) -> dict[str, list[Tensor]]:
    """By stream, for each clip that has it, ``[T, 2H, W, 3]`` in 0..1: what is seen above what counts.

    Raises:
        ConfigError: if no encoder is a VideoLSTM.
    """
    encoders = {name: part for name, part in model.encoders.items() if isinstance(part, VideoLSTM)}
    if not encoders:
        raise ConfigError("only networks with an encoder videolstm have a map of attention")
    call_model(model, batch)
    found = {}
    for name, encoder in encoders.items():
        clips, _ = model.present(name, batch.pictures, batch.there, batch.n_clips)
        if clips is None or encoder.attention_map is None:
            continue
        found[name] = []
        for clip, attention in zip(clips.float(), encoder.attention_map, strict=True):
            shown = clip.transpose(0, 1)  # [T, C, H, W]
            if shown.shape[1] != 3:  # flow by its length, grey as it is
                shown = shown.norm(dim=1, keepdim=True).expand(-1, 3, -1, -1)
            low, high = shown.amin(), shown.amax()
            shown = (shown - low) / (high - low).clamp_min(1e-6)
            heat = functional.interpolate(attention[:, None], shown.shape[2:], mode="bilinear")
            heat = DARK + (1 - DARK) * heat / heat.amax().clamp_min(1e-12)
            found[name].append(torch.cat([shown, shown * heat], 2).permute(0, 2, 3, 1).cpu())
    return found


def main(arguments: list[str] | None = None) -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("--data", default="", metavar="SET.h5")
    parser.add_argument("--split", default="")
    parser.add_argument("--videos", default="", metavar="FOLDER")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    try:
        loaded = load_model(options.run)
        trained = loaded.card.config.get("data", {})
        if not isinstance(loaded.network, StreamNetwork) or not isinstance(loaded.pipeline, Pipeline):
            raise ConfigError("only networks with an encoder videolstm have a map of attention")
        if options.clips < 1:
            raise ConfigError(f"--clips must be at least 1, got {options.clips}")
        data = SkeletonSet.open(options.data or trained.get("path", ""))
        clips = data.split(options.split or trained.get("test") or "all")[: options.clips]
        attach_pictures(data, loaded.pipeline.pictures, options.videos or trained.get("videos", ""), clips)
        device = find_device(options.device)
        options.out.mkdir(parents=True, exist_ok=True)
        for clip in clips.tolist():
            batch = loaded.pipeline(data, torch.tensor([clip])).to(device)
            for name, (picture,) in look(loaded.network.to(device), batch).items():
                path = options.out / f"{data.ids[clip].replace('/', '_')}-{name}.png"
                plot_frames((255 * picture.numpy()).round().astype(np.uint8), path)
                sys.stdout.write(f"{path}\n")
    except SkelactError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
