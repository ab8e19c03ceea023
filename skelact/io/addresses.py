"""Addresses of cameras and streams, and their passwords, which belong into no id, message, file or log."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_END = re.compile(r"[\s'\"]|$")
_SECRET = re.compile(
    r"([?&;][^=&;?\s]*(?:pass|pwd|token|key|secret|auth|sig|user|login|cred|session)[^=&;?\s]*=)[^&;?#\s'\"]*",
    re.IGNORECASE,
)


def is_address(source: object) -> bool:
    """Whether a source is a network address."""
    return "://" in str(source)


def without_secrets(text: str) -> str:
    """The text with ``user:password@`` of every address left out, and passwords and tokens in queries masked.

    Everything before an address's last ``@`` counts as user and password: characters that ought to be escaped
    often are not.
    """
    pieces, at = [], 0
    for match in _SCHEME.finditer(text):
        if match.start() < at:
            continue
        stop = _END.search(text, match.end())
        end = len(text) if stop is None else stop.start()
        rest = text[match.end() : end]
        pieces += [text[at : match.end()], _SECRET.sub(r"\1***", rest.rpartition("@")[2])]
        at = end
    return "".join(pieces) + text[at:]


def public_name(source: str | PathLike[str] | int) -> str:
    """A source as it may be shown and stored: addresses without secrets, all else as it is."""
    text = str(source)
    if not is_address(text):
        return text
    scheme, _, rest = text.partition("://")  # blanks and quotes belong to it here
    return f"{scheme}://" + _SECRET.sub(r"\1***", rest.rpartition("@")[2])


def short_name(source: str | PathLike[str] | int) -> str:
    """A name for the recording of a source: the file's without its suffix, or an address's words."""
    text = str(source)
    if is_address(text):
        return re.sub(r"\W+", "_", public_name(text)).strip("_")
    return Path(text).stem
