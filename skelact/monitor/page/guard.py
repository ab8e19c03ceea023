"""The page's door: who may ask what how often, and the headers of every answer."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from skelact.monitor.page.limits import RateLimit
from skelact.monitor.page.tokens import Sessions, Token

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "skelact_session"
MOST_BYTES = 64 << 10  # of a request's body
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_SAFE = ("GET", "HEAD")


class Refused(Exception):
    """A request that is not let in.

    Args:
        status: of the answer.
        text: words for people.
        headers: of the answer.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, dict(headers or {})


@dataclass
class Door:
    """What the guard goes by.

    Args:
        names: hosts' names that are the page's own; addresses in numbers are let in always, since no name leads there.
        token: None: whoever reaches the page may use it.
        asks: requests for each client; ``writes`` of them that change something.
        failures: wrong tokens for each client, and of all together.
    """

    names: set[str]
    token: Token | None = None
    sessions: Sessions = field(default_factory=Sessions)
    asks: RateLimit = field(default_factory=lambda: RateLimit(200.0, 400.0))
    writes: RateLimit = field(default_factory=lambda: RateLimit(1.0, 30.0))
    failures: RateLimit = field(default_factory=lambda: RateLimit(1 / 12, 5.0))
    all_failures: RateLimit = field(default_factory=lambda: RateLimit(0.5, 30.0))

    async def give(self, client: str, token: str) -> bool:
        """Whether it is the token; who has given wrong ones too often must wait.

        Raises:
            Refused: if so.
        """
        if self.token is None:
            return True
        wait = max(self.failures.ask(client), self.all_failures.ask(""))
        if wait:
            raise Refused(429, "too many wrong tokens; wait", {"Retry-After": str(math.ceil(wait))})
        right = await asyncio.to_thread(self.token.fits, token)
        if right:  # only wrong ones count
            self.failures.ask(client, -1.0)
            self.all_failures.ask("", -1.0)
        return right


class Guard:
    """Stands before an application (ASGI).

    Every request's Host must be the page's own (else names that lead here could be used by strangers' pages), its
    Origin must be the same (else strangers' pages could acknowledge alarms), and everything under ``/api`` but the
    login needs the token, where there is one: as ``Authorization: Bearer``, or the cookie of a login.

    Args:
        app: what is guarded.
        door: what it goes by.
    """

    def __init__(self, app: App, door: Door) -> None:
        self.app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower().encode(): value.encode() for name, value in _HEADERS.items()}
                kept = [(name, value) for name, value in message["headers"] if name.lower() not in own]
                message["headers"] = [*kept, *own.items()]
            await send(message)

        try:
            await self._check(scope)
        except Refused as no:
            await _answer(with_headers, no)
            return
        await self.app(scope, receive, with_headers)

    async def _check(self, scope: Scope) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        client = str((scope.get("client") or ("?",))[0])
        method, path = scope["method"], scope["path"]
        wait = self.door.asks.ask(client)
        if not wait and method not in _SAFE:
            wait = self.door.writes.ask(client)
        if wait:
            raise Refused(429, "too many requests; wait", {"Retry-After": str(math.ceil(wait))})
        self._check_place(headers, method, path)
        if method not in _SAFE:
            _check_body(headers)
        if path.startswith("/api/") and path != "/api/login":
            await self._check_token(headers, client)

    def _check_place(self, headers: Mapping[str, str], method: str, path: str) -> None:
        host = headers.get("host", "")
        if not self._is_own(host):
            raise Refused(
                421,
                "this host's name is not the page's; add it to 'hosts:' of the configuration if it is yours",
            )
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != host.lower():
            raise Refused(403, "another page's requests are not answered")
        site = headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") and (path.startswith("/api/") or method not in _SAFE):
            raise Refused(403, "another page's requests are not answered")

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.rstrip(".") in self.door.names
        return True

    async def _check_token(self, headers: Mapping[str, str], client: str) -> None:
        if self.door.token is None:
            return
        cookie = cookie_of(headers.get("cookie", ""))
        if cookie and self.door.sessions.lasts(cookie):
            return
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and token and await self.door.give(client, token.strip()):
            return
        raise Refused(401, "the page's token is needed", {"WWW-Authenticate": "Bearer"})


def _place_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def cookie_of(header: str) -> str:
    """The session's cookie of a Cookie header; empty if there is none."""
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _check_body(headers: Mapping[str, str]) -> None:
    """Small JSON only: that is what a form on a stranger's page cannot send."""
    length = headers.get("content-length", "")
    if not length.isdecimal():
        raise Refused(411, "say how long the request's body is (Content-Length)")
    if int(length) > MOST_BYTES:
        raise Refused(413, f"a request's body has at most {MOST_BYTES} bytes")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "a request's body is JSON (Content-Type: application/json)")


async def _answer(send: Send, no: Refused) -> None:
    body = json.dumps({"error": no.text}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **no.headers}
    rows = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": no.status, "headers": rows})
    await send({"type": "http.response.body", "body": body})
