"""Zones drawn on the page, written back into the home's file: at once or not at all, everything else as it was."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from skelact.errors import ConfigError
from skelact.monitor.home import load_home
from skelact.monitor.zones import Zone
from skelact.settings import read_values


def keep_zones(path: str | Path, camera: str, zones: Mapping[str, Zone]) -> None:
    """Write a camera's zones into a home's file.

    Comments and the order of keys stay wherever only the zones' own text has to change. The file is replaced whole.

    Args:
        path: of the file; read again, as it may have been changed meanwhile.
        camera: its name there.
        zones: by name; empty: none.

    Raises:
        ConfigError: if the camera is not in the file any more, or it cannot be written.
    """
    path = Path(path).resolve()
    values = read_values(path)
    key = _key_of(values, camera, path)
    plain = {name: plain_zone(zone) for name, zone in zones.items()}
    wanted = {**values, "cameras": {**values["cameras"], key: {**values["cameras"][key], "zones": plain}}}
    try:
        text = path.read_text(encoding="utf-8")
        changed = _replaced(text, camera, plain)
        if changed is None or not _says(changed, wanted):
            changed = yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True, default_flow_style=None)
        _write(path, changed)
    except OSError as error:
        raise ConfigError(
            f"the zones cannot be written to {path.name}: {error.strerror or error}; look at its permissions and the "
            "free space"
        ) from None


def plain_zone(zone: Zone) -> dict[str, Any]:
    """A zone as it is written."""
    plain: dict[str, Any] = {
        "kind": zone.kind,
        "polygon": [[round(float(v), 4) for v in xy] for xy in zone.polygon],
    }
    return plain if zone.inertia == Zone.inertia else {**plain, "inertia": zone.inertia}


def _says(text: str, wanted: Any) -> bool:
    try:
        return yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        return False


def _key_of(values: Any, camera: str, path: Path) -> Any:
    """The camera's key, which need not be text; raises `ConfigError` if it has none."""
    cameras = values.get("cameras") if isinstance(values, dict) else None
    for key, value in (cameras if isinstance(cameras, dict) else {}).items():
        if str(key) == camera and isinstance(value, dict):
            return key
    raise ConfigError(
        f"{path.name} has no camera '{camera}' any more; start skelact monitor again to read it"
    )


def _replaced(text: str, camera: str, plain: Mapping[str, Any]) -> str | None:
    """The text with the camera's zones replaced; None where that cannot be done in place."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    place = _value(_value(root, "cameras"), camera)
    if not isinstance(place, yaml.MappingNode) or not place.value:
        return None
    old, new = _value(place, "zones"), _flow(plain)
    if old is not None:
        return _with(text, old, new)
    if place.flow_style:
        end = place.end_mark.index - 1
        before = text[:end].rstrip()
        return f"{before}{'' if before.endswith(',') else ','} zones: {new}" + text[end:]
    first = place.value[0][0].start_mark
    return text[: first.index] + f"zones: {new}\n{' ' * first.column}" + text[first.index :]


def _with(text: str, old: yaml.Node, new: str) -> str:
    """The text with a node's own replaced; a block begins on the line of its key from now on."""
    start, end = old.start_mark.index, _end(old)
    if isinstance(old, yaml.CollectionNode) and not old.flow_style:
        start = text.rindex(":", 0, start) + 1
    gap = "" if text[start - 1] == " " else " "
    return text[:start] + gap + new + text[end:]


def _end(node: yaml.Node) -> int:
    """Where a node's own text ends; a block's mark lies behind the comments that follow it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return node.end_mark.index


def _value(node: Any, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if str(name.value) == key), None)


def _flow(plain: Mapping[str, Any]) -> str:
    """Zones on one line, as people write them."""
    rows = []
    for name, zone in plain.items():
        inner = ", ".join(f"{key}: {_scalar(value)}" for key, value in zone.items())
        rows.append(f"{_scalar(name)}: {{{inner}}}")
    return "{" + ", ".join(rows) + "}"


def _scalar(value: Any) -> str:
    """A word without quotes where it is read as the same word; else JSON, which is YAML."""
    if isinstance(value, str) and re.fullmatch(r"[^\W\d][\w ]*\w", value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Replace a file by a new one with the same rights, which is on the disk before it takes the name."""
    mode = stat.S_IMODE(path.stat().st_mode)
    file, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(mode)
        load_home(name)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
