"""Splits: the official ones of NTU RGB+D, and splits by subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from skelact.errors import DataError, choices
from skelact.io.ntu_names import parse_ntu_name

# (id, what is known of the recording)
Clip = tuple[str, Mapping[str, str | int | float]]

# Subjects that train (Shahroudy et al., CVPR 2016; Liu et al., TPAMI 2020)
NTU60_TRAIN_SUBJECTS = frozenset((1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38))
NTU120_TRAIN_SUBJECTS = NTU60_TRAIN_SUBJECTS | frozenset(
    (
        45,
        46,
        47,
        49,
        50,
        52,
        53,
        54,
        55,
        56,
        57,
        58,
        59,
        70,
        74,
        78,
        80,
        81,
        82,
        83,
        84,
        85,
        86,
        89,
        91,
        92,
        93,
    )
    + (94, 95, 97, 98, 100, 103)
)

NTU_PROTOCOLS = {
    "ntu60_xsub": lambda info: info["subject"] in NTU60_TRAIN_SUBJECTS,
    "ntu60_xview": lambda info: info["camera"] in (2, 3),
    "ntu120_xsub": lambda info: info["subject"] in NTU120_TRAIN_SUBJECTS,
    "ntu120_xset": lambda info: info["setup"] % 2 == 0,
}


def split_ntu(name: str, protocol: str) -> str:
    """The official part of an NTU RGB+D sample.

    Args:
        name: ``SsssCcccPpppRrrrAaaa``.
        protocol: ``ntu60_xsub``, ``ntu60_xview``, ``ntu120_xsub`` or ``ntu120_xset``.

    Returns:
        ``train`` or ``test``.

    Raises:
        DataError: for another protocol or name, or a name of NTU-120 under a protocol of NTU-60.
    """
    if protocol not in NTU_PROTOCOLS:
        raise DataError(choices(protocol, NTU_PROTOCOLS, "protocol"))
    info = parse_ntu_name(name)
    if protocol.startswith("ntu60") and (info["setup"] > 17 or info["action"] > 60):
        raise DataError(
            f"'{name}' is not part of NTU RGB+D 60 (setup 1..17, action 1..60); use an ntu120 protocol"
        )
    return "train" if NTU_PROTOCOLS[protocol](info) else "test"


def subject_splits(
    clips: Sequence[Clip],
    shares: Mapping[str, float] | Sequence[float] | None = None,
    *,
    seed: int = 0,
    by: str = "subject",
    protocol: str | None = None,
) -> dict[str, list[str]]:
    """Divide recordings so that no subject is in two parts.

    Subjects are drawn at random, large ones first, each assigned to the part furthest from its share.

    Args:
        clips: (id, info) of each recording.
        shares: part → share of the clips, summing to 1, or just the shares of train, val and test (or of
            train and test); None: train 0.7, val 0.15, test 0.15 (train 0.7 and test 0.3 if there are only
            two subjects). A part with share 0 is left out.
        seed: of the draw; the same clips and seed give the same parts, whatever the order of the clips.
        by: the key of ``info`` that must not be divided (``subject``, ``camera``, ``video``, ...), or
            ``clip``: every recording by itself.
        protocol: the name before the slash; None: ``subjects`` (or what ``by`` says, in the plural).

    Returns:
        ``{"subjects/train": ids, ...}``, ids in the order of the clips.

    Raises:
        DataError: if a recording lacks the key, there are fewer subjects than parts, or shares are wrong.
    """
    groups: dict[str, list[str]] = {}
    for name, info in clips:
        if by == "clip":
            groups[name] = [name]
            continue
        if by not in info:
            raise DataError(
                f"recording '{name}' does not say its {by}; it has {', '.join(map(str, info)) or 'nothing'}. "
                f"Give every recording a {by} (a column of the CSV, part of the file name), or divide "
                "by another key (--split-by camera, or --split-by clip)"
            )
        groups.setdefault(str(info[by]), []).append(name)
    if shares is None:
        shares = (
            {"train": 0.7, "val": 0.15, "test": 0.15} if len(groups) != 2 else {"train": 0.7, "test": 0.3}
        )
    if not isinstance(shares, Mapping):
        names = {2: ("train", "test"), 3: ("train", "val", "test")}.get(len(shares))
        if names is None:
            raise DataError(
                f"shares must be two (train, test) or three (train, val, test), got {list(shares)}"
            )
        shares = dict(zip(names, shares, strict=True))
    protocol = protocol or f"{by}s"
    if any(s < 0 for s in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise DataError(f"shares must be 0 or more and sum to 1, got {dict(shares)}")
    parts = {part: share for part, share in shares.items() if share > 0}
    if len(groups) < len(parts):
        raise DataError(
            f"{len(groups)} {by}{'' if len(groups) == 1 else 's'} ({', '.join(sorted(groups)) or 'none'}) cannot fill "
            f"{len(parts)} parts ({', '.join(parts)}); check how the {by} is found (the pattern "
            "of --subject, a column), record more people, ask for fewer parts, or divide clip by clip (--split-by clip)"
        )
    generator = np.random.default_rng(seed)
    drawn = [str(n) for n in generator.permutation(sorted(groups))]
    drawn.sort(key=lambda n: -len(groups[n]))  # stable: ties stay drawn at random
    total = sum(len(ids) for ids in groups.values())
    filled = dict.fromkeys(parts, 0)
    owner: dict[str, str] = {}
    for k, name in enumerate(drawn):
        empty = [p for p in parts if not filled[p]]
        # every part gets a subject, even if its share is small
        open_parts = empty if len(drawn) - k <= len(empty) else list(parts)
        part = max(open_parts, key=lambda p: parts[p] - filled[p] / total)
        owner[name] = part
        filled[part] += len(groups[name])
    place = {i: owner[group] for group, ids in groups.items() for i in ids}
    return {f"{protocol}/{part}": [i for i, _ in clips if place[i] == part] for part in parts}
