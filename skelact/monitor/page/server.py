"""Serves the page from a thread beside the loop that watches."""

from __future__ import annotations

import logging
import socket
import threading
import time as clock
from typing import Any

from skelact.errors import ConfigError, DependencyError
from skelact.monitor.page.guard import Door
from skelact.monitor.page.live import Live
from skelact.monitor.page.settings import PageSettings
from skelact.monitor.page.tokens import Token

logger = logging.getLogger(__name__)
_SEND_BUFFER = 64 << 10  # bytes that wait for a slow browser at most; what it misses meanwhile is left out


class PageServer:
    """The page, from its beginning to `close`.

    Args:
        live: what is known now.
        settings: where it is served, and to whom.

    Raises:
        ConfigError: if its place is in use, or it would be open to others without a token.
        DependencyError: without FastAPI or uvicorn.
    """

    def __init__(self, live: Live, settings: PageSettings) -> None:
        try:
            import uvicorn

            from skelact.monitor.page.app import make_app
        except ImportError as error:
            if (error.name or "").partition(".")[0] not in ("fastapi", "uvicorn", "starlette"):
                raise
            raise DependencyError("the page needs FastAPI and uvicorn: pip install 'skelact[page]'") from None
        settings = settings.resolved()
        self.settings, self._stop = settings, threading.Event()
        self._socket = _listen(settings)
        self.door = Door(settings.names(), Token(settings.token) if settings.token else None)
        app = make_app(live, self.door, settings.scheme == "https", self._stop.is_set)
        tls: dict[str, Any] = {}
        if settings.certificate:
            tls = {"ssl_certfile": settings.certificate, "ssl_keyfile": settings.key}
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=False, lifespan="off",
            ws="none", timeout_graceful_shutdown=2, limit_concurrency=200, **tls,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="page")
        self._thread.start()
        until = clock.monotonic() + 10
        while not self._server.started and self._thread.is_alive() and clock.monotonic() < until:
            clock.sleep(0.01)
        if not self._server.started:
            self.close()
            raise ConfigError(f"the page cannot be served at {settings.host}:{settings.port}")

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        host, port = self._socket.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, str(host))
        return f"{self.settings.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def close(self) -> None:
        """Stop serving; harmless when called twice."""
        self._stop.set()
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()

    def __enter__(self) -> PageServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:  # the page may fail, the watch over people goes on
            logger.exception("the page has stopped")


def _listen(settings: PageSettings) -> socket.socket:
    """The open socket.

    Raises:
        ConfigError: if the place is in use, or is not this machine's.
    """
    place = f"{settings.host}:{settings.port}"
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigError(
            f"the page's host {settings.host} is not known: {error.strerror or error}"
        ) from None
    open_ = socket.socket(family, kind, number)
    try:
        open_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        open_.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        open_.bind(address)
        open_.listen(128)
    except OSError as error:
        open_.close()
        free = f"name another, such as --page {settings.host}:{(settings.port or 8765) % 65535 + 1}"
        if isinstance(error, PermissionError):
            raise ConfigError(f"the page may not be served at {place}: {error.strerror}; {free}") from None
        raise ConfigError(
            f"the page cannot be served at {place}: {error.strerror or error}; perhaps another skelact monitor is: "
            f"stop it, or {free}"
        ) from None
    return open_
