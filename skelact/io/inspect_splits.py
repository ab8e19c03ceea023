"""What a protocol has on both sides: clips, copies of clips, frames and subjects."""

from __future__ import annotations

from collections.abc import Mapping

from skelact.errors import counted
from skelact.io.inspect_frames import SHARED, FrameTally
from skelact.io.reading import some


def leaks(
    splits: Mapping[str, list[str]],
    infos: Mapping[str, Mapping[str, str | int | float]],
    doubles: list[tuple[str, str]],
    frames: FrameTally,
) -> list[str]:
    """Clips, equal clips, shared frames and subjects that a protocol has on both sides."""
    found = []
    twin: dict[str, str] = {}  # clip → the first of all clips that equal it
    for first, other in doubles:
        twin[first] = twin[other] = first
    for name, train in splits.items():
        protocol, _, part = name.rpartition("/")
        if part != "train":
            continue
        for other in ("test", "val"):
            held = splits.get(f"{protocol}/{other}", [])
            both = sorted(set(train) & set(held))
            if both:
                found.append(
                    f"{counted(len(both), 'clip is', 'clips are')} in both {name} and {protocol}/{other}: {some(both)}"
                )
            trained = {twin[i]: i for i in train if i in twin}
            copies = [f"{i} = {trained[twin[i]]}" for i in held if twin.get(i) in trained]
            if copies and not both:
                found.append(
                    f"{counted(len(copies), 'clip')} of {protocol}/{other} "
                    f"{'is a recording' if len(copies) == 1 else 'are recordings'} of {name} under another "
                    f"name: {some(copies)}"
                )
            equal = {i for i in held if twin.get(i) in trained}
            parts = [(i, share) for i, share in frames.shared_with(held, train) if i not in equal]
            if parts and not both:
                found.append(
                    f"{counted(len(parts), 'other clip' if copies else 'clip')} of {protocol}/{other} "
                    f"{'shares' if len(parts) == 1 else 'share'} at least {SHARED:.0%} of the frames with "
                    f"clips of {name}: {some(f'{i} ({share:.0%})' for i, share in parts)}"
                )
            subjects = [
                {str(infos[i]["subject"]) for i in ids if "subject" in infos.get(i, {})}
                for ids in (train, held)
            ]
            shared = sorted(subjects[0] & subjects[1])
            if shared:
                why = (
                    " (as a cross-view or cross-setup protocol has it)"
                    if protocol in ("xview", "xset")
                    else ""
                )
                found.append(
                    f"{counted(len(shared), 'subject is', 'subjects are')} in both {name} and "
                    f"{protocol}/{other}{why}: {some(shared)}"
                )
    return found
