"""Typed settings (dataclasses) ⇄ plain values, with every wrong key and value named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from skelact.errors import ConfigError
from skelact.plain_yaml import load_plain


@dataclass(frozen=True)
class Chosen:
    """Marks a settings class, as ``Annotated[Base, Chosen(find)]``, whose kind the values themselves choose.

    Args:
        find: the settings class for plain values, by their ``name``; raises `ConfigError` if there is none.
    """

    find: Callable[[Mapping], type]


def read_values(path: str | Path) -> Any:
    """The plain values of a YAML file, bounded as `load_plain` has it.

    Raises:
        ConfigError: if it cannot be read or is no YAML.
    """
    try:
        return load_plain(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error


def to_plain(settings: Any) -> dict:
    """A settings object as plain containers (tuples become lists)."""
    return _plain(asdict(settings))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def from_plain(kind: Any, values: Any, where: str) -> Any:
    """Check plain values against a settings class and make one.

    Args:
        kind: a dataclass, or ``Annotated[Base, Chosen(find)]``.
        values: keys and values.
        where: what the values are of, for messages.

    Raises:
        ConfigError: naming every unknown key (with the allowed ones) and every ill-typed value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected settings as 'key: value' lines, got {type(values).__name__}")
    problems: list[str] = []
    try:
        made = _check(kind, values, (), problems)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if problems:
        raise ConfigError(f"{where}:\n  " + "\n  ".join(problems))
    return made


def _check(kind: Any, values: Mapping, path: tuple[str, ...], problems: list[str]) -> Any:
    """Settings of a kind; what is wrong with the values goes to ``problems``."""
    values, mark = dict(values), _mark(kind)
    if mark:
        try:
            kind = mark.find(values)
        except ConfigError as error:
            problems.append(f"{'.'.join([*path, 'name'])}: {error}")
            return None
    for name, hint in get_type_hints(kind, include_extras=True).items():
        given, inner = values.get(name), get_args(hint)[1:] if get_origin(hint) is dict else ()
        if not isinstance(given, Mapping):
            continue
        if _mark(hint):
            made = _check(hint, values.pop(name), (*path, name), problems)
            if made is not None:
                values[name] = made
        elif inner and _mark(inner[0]):
            made = {
                key: _check(inner[0], value, (*path, name, str(key)), problems)
                if isinstance(value, Mapping)
                else value
                for key, value in given.items()
            }
            values[name] = {key: value for key, value in made.items() if value is not None}
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        problems += [_describe(kind, dict(problem), path) for problem in error.errors()]
    return None


def _mark(hint: Any) -> Chosen | None:
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Chosen)), None)


def _describe(kind: Any, problem: dict, path: tuple[str, ...]) -> str:
    """One of pydantic's problems with the place as the user writes it, and what is allowed there."""
    inner = [str(part) for part in problem["loc"]]
    place = ".".join([*path, *inner])
    if problem["type"] not in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{place}: {problem['msg']} (got {problem['input']!r})"
    for part in inner[:-1]:
        kind = get_type_hints(kind).get(part) if is_dataclass(kind) else None
    allowed = [f.name for f in fields(kind)] if is_dataclass(kind) else []
    close = get_close_matches(inner[-1], allowed, n=1)
    hint = f". Did you mean '{close[0]}'?" if close else ""
    return f"unknown key '{place}'; allowed here: {', '.join(allowed)}{hint}"
