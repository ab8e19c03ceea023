"""Networks of the user's own, named ``module:Class``, with settings like all others.

Naming one runs its module's code. A checkpoint never does that: its user names the class once more.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_type_hints

from torch import nn

from skelact.errors import ConfigError, SkelactError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.settings import NetworkSettings

OWN: dict[str, type[NetworkSettings]] = {}  # the classes in use, by ``module:Class``


def use_model(reference: str) -> type[NetworkSettings]:
    """Import a class, also from the current folder, and make it a network that can be named in settings.

    Args:
        reference: ``module:Class``. The class is either an `nn.Module` made by ``Class(layout, n_classes,
            channels_in, **settings)``, whose settings have defaults, or a dataclass of settings with
            ``build(layout, n_classes, channels_in)``. The network is called ``(x, owner, score, n_clips)``, as
            `skelact.models.SkeletonModel` is, and gives logits ``[N, n_classes]``.

    Returns:
        the class of its settings.

    Raises:
        ConfigError: if it cannot be imported, or is neither of the two.
    """
    if reference not in OWN:
        OWN[reference] = _settings_of(_import(reference), reference)
    return OWN[reference]


def _import(reference: str) -> Any:
    module, _, name = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` has it
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the module's own code raises
        raise ConfigError(
            f"the network '{reference}' cannot be imported: {type(error).__name__}: {error}; {module}.py must lie "
            f"in the current folder ({here}) or be installed, and define {name or 'the class after the colon'}"
        ) from error
    return found


def _settings_of(found: Any, reference: str) -> type[NetworkSettings]:
    if isinstance(found, type) and dataclasses.is_dataclass(found) and hasattr(found, "build"):
        settings = [_field(f.name, _hints(found).get(f.name), f) for f in dataclasses.fields(found) if f.init]
        settings = [row for row in settings if row[0] != "name"]

        def make(chosen: dict[str, Any], *of: Any) -> Any:
            made: Any = found(**chosen)
            return made.build(*of)
    elif isinstance(found, type) and issubclass(found, nn.Module):
        settings = _arguments(found, reference)

        def make(chosen: dict[str, Any], *of: Any) -> Any:
            return found(*of, **chosen)
    else:
        raise ConfigError(
            f"'{reference}' is neither an nn.Module nor a dataclass of settings with build(layout, n_classes, "
            "channels_in)"
        )

    def build(
        self: Any,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        pictures: Mapping[str, int] | None = None,
    ) -> Any:
        chosen = {name: getattr(self, name) for name, *_ in settings}
        try:
            network = make(chosen, get_layout(layout), n_classes, channels_in)
        except SkelactError:
            raise
        except Exception as error:
            raise ConfigError(
                f"'{reference}' cannot be made for (layout, {n_classes} classes, {channels_in} channels) with "
                f"{chosen}: {type(error).__name__}: {error}"
            ) from error
        _check_forward(network, reference)
        return network

    rows: list[Any] = [("name", Literal[reference], reference), *settings]
    return dataclasses.make_dataclass(
        f"{found.__name__}Settings", rows, bases=(NetworkSettings,), namespace={"build": build}
    )


def _arguments(network: type[nn.Module], reference: str) -> list[Any]:
    """A network's settings: what its class takes after layout, n_classes and channels_in."""
    arguments = list(inspect.signature(network).parameters.values())
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(arguments) < 3 or any(a.kind not in plain for a in arguments[:3]):
        raise ConfigError(
            f"'{reference}' must be made by (layout, n_classes, channels_in) and settings of its own after these, "
            f"got {network.__name__}{inspect.signature(network)}"
        )
    named = [a for a in arguments[3:] if a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)]
    bare = [a.name for a in named if a.default is a.empty]
    if bare:
        raise ConfigError(f"the settings of '{reference}' need defaults; without one: {', '.join(bare)}")
    taken = sorted({"name", "build"} & {a.name for a in named})
    if taken:
        raise ConfigError(f"'{reference}' cannot have a setting called {' or '.join(taken)}; rename it")
    hints = _hints(network.__init__)
    return [_field(a.name, hints.get(a.name), a) for a in named]


def _field(name: str, hint: Any, source: Any) -> tuple[str, Any, Any]:
    """A settings field like an argument, or a dataclass's field."""
    default, factory = source.default, getattr(source, "default_factory", dataclasses.MISSING)
    if factory is not dataclasses.MISSING:
        return name, hint or Any, dataclasses.field(default_factory=factory)
    if default is dataclasses.MISSING:
        raise ConfigError(f"the setting '{name}' of a network needs a default")
    if hint is None:
        first = next(iter(default), None) if isinstance(default, list | tuple) else None
        hint = tuple[type(first), ...] if first is not None else Any if default is None else type(default)
    if isinstance(default, list | dict | set):
        return name, hint, dataclasses.field(default_factory=lambda: copy.deepcopy(default))
    return name, hint, dataclasses.field(default=default)


def _hints(of: Any) -> dict[str, Any]:
    try:
        return get_type_hints(of, include_extras=True)
    except Exception:  # names that exist for type checkers only: the defaults say what the settings are
        return {}


def _check_forward(network: Any, reference: str) -> None:
    if not isinstance(network, nn.Module):
        raise ConfigError(f"'{reference}' must make an nn.Module, got {type(network).__name__}")
    signature = inspect.signature(network.forward)
    try:
        signature.bind(None, None, None, None)
    except TypeError:
        raise ConfigError(
            f"the forward of '{reference}' must take (x [P, T, V, C], owner [P], score [P, T, V], n_clips) and give "
            f"logits [n_clips, n_classes], got forward{signature}; people are joined into clips with "
            "skelact.nn.pooling.pool_clips(features, owner, n_clips)"
        ) from None
