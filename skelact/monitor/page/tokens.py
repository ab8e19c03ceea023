"""Tokens of the page: kept as scrypt hashes, compared in constant time; sessions of browsers that gave one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time as clock
from collections.abc import Callable

from skelact.errors import ConfigError

LEAST = 16  # characters of a token
_N, _R, _P = 2**14, 8, 1
_PREFIX = "scrypt$"
_SESSION = 7 * 24 * 3600.0  # seconds without a request after which a browser must give the token again
_MOST_SESSIONS = 256


def hash_token(token: str) -> str:
    """A token as it may be stored: ``scrypt$N$r$p$salt$hash``.

    Raises:
        ConfigError: if it is too short to be safe.
    """
    if len(token) < LEAST:
        raise ConfigError(
            f"the page's token needs at least {LEAST} characters, got {len(token)}; make one, for example, with "
            "python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    salt = secrets.token_bytes(16)
    return f"{_PREFIX}{_N}${_R}${_P}${_text(salt)}${_text(_scrypt(token, salt, _N, _R, _P))}"


def is_hashed(text: str) -> bool:
    """Whether it is what `hash_token` makes."""
    try:
        _parts(text)
    except ValueError:
        return False
    return True


class Token:
    """A token of which only the hash is known.

    Args:
        hashed: as `hash_token` makes it.
    """

    def __init__(self, hashed: str) -> None:
        self._costs, self._salt, self._hash = _parts(hashed)
        self._key = secrets.token_bytes(32)
        self._known: bytes | None = (
            None  # of the right token, so that scrypt runs once and not with every request
        )

    def fits(self, text: str) -> bool:
        """Whether this is the token; takes the time of scrypt unless it was given before."""
        quick = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
        if self._known is not None and hmac.compare_digest(quick, self._known):
            return True
        right = hmac.compare_digest(_scrypt(text, self._salt, *self._costs), self._hash)
        if right:
            self._known = quick
        return right


class Sessions:
    """Browsers that gave the token; of their cookies only hashes are kept, in memory.

    Args:
        now: seconds of a clock that only goes forwards.
    """

    def __init__(self, now: Callable[[], float] = clock.monotonic) -> None:
        self._now, self._until, self._lock = now, {}, threading.Lock()

    def begin(self) -> str:
        """A new session's cookie."""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._until) >= _MOST_SESSIONS:
                del self._until[min(self._until, key=self._until.__getitem__)]
            self._until[_digest(cookie)] = self._now() + _SESSION
        return cookie

    def lasts(self, cookie: str) -> bool:
        """Whether it is a session's cookie; prolongs it."""
        key, now = _digest(cookie), self._now()
        with self._lock:
            if self._until.get(key, 0.0) <= now:
                self._until.pop(key, None)
                return False
            self._until[key] = now + _SESSION
            return True

    def end(self, cookie: str) -> None:
        """It is no session's any more."""
        with self._lock:
            self._until.pop(_digest(cookie), None)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def _scrypt(token: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        token.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=256 << 20, dklen=32
    )


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _parts(text: str) -> tuple[tuple[int, int, int], bytes, bytes]:
    """Costs, salt and hash; raises `ValueError` if it is no hash, or one that costs too little or too much."""
    kind, *parts = text.split("$")
    if kind + "$" != _PREFIX or len(parts) != 5:
        raise ValueError("not a hashed token")
    n, r, p = (int(part) for part in parts[:3])
    if not (2**12 <= n <= 2**18 and n & (n - 1) == 0 and 1 <= r <= 16 and 1 <= p <= 4):
        raise ValueError("costs out of range")
    try:
        salt, value = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts[3:])
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if len(salt) < 8 or len(value) != 32:
        raise ValueError("salt or hash of a wrong length")
    return (n, r, p), salt, value
