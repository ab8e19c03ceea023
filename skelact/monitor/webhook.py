"""Alarms as signed HTTP requests."""

from __future__ import annotations

import hashlib
import hmac
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from skelact.errors import ConfigError
from skelact.monitor.outbox import as_json


class Webhook:
    """Posts each message as JSON; it has arrived when the answer is 2xx.

    Headers: ``X-Skelact-Key`` (the same for the same message), ``X-Skelact-Timestamp`` (seconds since 1970) and, with a
    secret, ``X-Skelact-Signature``: ``sha256=`` and the HMAC of the timestamp, a dot and the body.

    Args:
        url: ``http://`` or ``https://``.
        secret: of the signature; empty: unsigned.
        timeout: seconds.

    Raises:
        ConfigError: for another kind of address.
    """

    def __init__(self, url: str, secret: str = "", timeout: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"a webhook's url begins with http:// or https://, got '{url}'")
        self._url, self._secret, self._timeout = url, secret.encode(), timeout

    def send(self, message: Mapping[str, Any], key: str) -> None:
        """Post a message; raises `OSError` if it does not arrive."""
        body, stamp = as_json(message), str(int(time.time()))
        headers = {"Content-Type": "application/json", "X-Skelact-Key": key, "X-Skelact-Timestamp": stamp}
        if self._secret:
            headers["X-Skelact-Signature"] = sign(self._secret, stamp, body)
        request = urllib.request.Request(self._url, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=self._timeout) as answer:
            if not 200 <= answer.status < 300:
                raise OSError(f"the answer was {answer.status}")

    def close(self) -> None:
        """Nothing is held open."""


def sign(secret: bytes, stamp: str, body: bytes) -> str:
    """The signature of a body that is sent at a time."""
    return "sha256=" + hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
