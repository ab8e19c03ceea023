"""The errors that skelact raises on purpose.

Every message says what was got, what is allowed and how to mend it. The command line turns each kind
into its own exit code, so that scripts can tell a bad file from a bad option.
"""

from __future__ import annotations

from collections.abc import Iterable


class SkelactError(Exception):
    """Base of all errors that skelact raises on purpose."""

    exit_code = 1


class ConfigError(SkelactError):
    """An option or a configuration file is wrong (unknown key, bad type, value out of range)."""

    exit_code = 2


class DataError(SkelactError):
    """A file or a recording cannot be used (truncated, wrong shape, NaN, not the format it claims)."""

    exit_code = 3


class LayoutError(SkelactError):
    """Joints do not fit: unknown layout, wrong joint count, or a conversion that cannot be made."""

    exit_code = 3


class CheckpointError(SkelactError):
    """A checkpoint is damaged, of another version, or does not fit the input."""

    exit_code = 3


class DependencyError(SkelactError):
    """A system library, model file or optional package is missing."""

    exit_code = 5


def counted(n: int, one: str, many: str = "") -> str:
    """``1 clip``, ``2 clips``; with ``many`` for what does not just take an s, such as a verb that agrees."""
    return f"{n} {one if n == 1 else many or one + 's'}"


MANY = 40  # names, which nobody would read in an error


def choices(got: object, allowed: Iterable[object], what: str = "value") -> str:
    """Return ``unknown WHAT 'got'; allowed: a, b, c`` with the closest name suggested; of many, those alike.

    Args:
        got: what was given.
        allowed: an iterable of the names that are allowed.
        what: the noun for the message.
    """
    import difflib

    names = [str(a) for a in allowed]
    plain = {name.lower().replace("_", "").replace("-", ""): name for name in names}
    asked = str(got).lower().replace("_", "").replace("-", "").replace("+", "p")
    close = [plain[asked]] if asked in plain else difflib.get_close_matches(str(got), names, n=1)
    if len(names) > MANY:
        alike = difflib.get_close_matches(str(got), names, n=8, cutoff=0.3) or names[:8]
        return f"unknown {what} '{got}'; {len(names)} are allowed, such as {', '.join(alike)}"
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"unknown {what} '{got}'; allowed: {', '.join(names)}.{hint}"


def matching(pattern: str, names: Iterable[str], what: str = "name") -> list[str]:
    """The names that hold a piece of text, or fit a pattern with ``*`` and ``?``; all if it is empty.

    Raises:
        ConfigError: if there is none, with names alike.
    """
    from fnmatch import fnmatchcase

    names = list(names)
    wild = pattern if set("*?[") & set(pattern) else f"*{pattern}*"
    found = [name for name in names if fnmatchcase(name, wild)]
    if not found:
        raise ConfigError(choices(pattern, names, what))
    return found
