"""Serves the page to browsers of this machine: a few fixed files, nothing else, and nothing is ever sent to it."""

from __future__ import annotations

import http.server
import ipaddress
import json
import logging
import threading
import time
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from skelact.errors import ConfigError
from skelact.pose.model_files import find_model
from skelact.recognition.browser.packages import find_scripts
from skelact.recognition.taught_export import MODEL, PARAMETERS

logger = logging.getLogger(__name__)
PORT = 8766
STATIC = Path(__file__).parent / "static"
BUNDLES = ("pose_landmarker_full", "hand_landmarker_full")
_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm", ".json": "application/json", ".onnx": "application/octet-stream",
    ".task": "application/octet-stream",
}  # fmt: skip
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def page_files(
    exported: str | PathLike[str], packages: str | PathLike[str] | None = None, *, pose: bool = True
) -> dict[str, Path]:
    """What is served, by path.

    Args:
        exported: folder of `skelact.recognition.taught_export.export_vocabulary`.
        packages: see `find_scripts`.
        pose: with MediaPipe's models; without them the page runs on stored joints only.

    Raises:
        ConfigError: if the folder holds no exported vocabulary.
        DependencyError: if a package or a model cannot be had.
    """
    folder = Path(exported)
    for name in (MODEL, PARAMETERS):
        if not (folder / name).is_file():
            raise ConfigError(
                f"{folder} holds no {name}; skelact gestures export VOCABULARY --out {folder} makes it"
            )
    files = {f"/{path.name}": path for path in STATIC.iterdir() if path.suffix in _TYPES}
    files["/"] = STATIC / "index.html"
    files |= {f"/packages/{name}": path for name, path in find_scripts(packages).items()}
    files |= {f"/{name}": folder / name for name in (MODEL, PARAMETERS)}
    if pose:
        files |= {f"/models/{name}.task": find_model(name) for name in BUNDLES}
    return files


class GestureServer:
    """Serves in a thread until it is closed.

    Args:
        files: of `page_files`.
        port: 0: any that is free.

    Raises:
        ConfigError: if the port is taken.
    """

    def __init__(self, files: dict[str, Path], port: int = PORT) -> None:
        handler = type("Handler", (_Handler,), {"files": files})
        try:
            self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"port {port} cannot be used ({error}); choose another with --port") from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="gestures page")
        self._thread.start()

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait(self, seconds: float | None = None) -> None:
        """Until the thread ends, an interrupt, or so many seconds have passed."""
        end = float("inf") if seconds is None else time.monotonic() + seconds
        while self._thread.is_alive() and time.monotonic() < end:
            self._thread.join(min(0.5, max(0.0, end - time.monotonic())))

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> GestureServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    files: dict[str, Path]
    protocol_version = "HTTP/1.1"
    server_version = "skelact"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(True)

    def do_HEAD(self) -> None:
        self._answer(False)

    def _answer(self, body: bool) -> None:
        path = self.files.get(urlsplit(self.path).path)
        if not _is_own(self.headers.get("Host", "")):
            self._send(
                403, "application/json", json.dumps({"error": "this page is of this machine"}).encode(), body
            )
        elif path is None:
            self._send(404, "application/json", json.dumps({"error": "there is no such file"}).encode(), body)
        else:
            try:
                data = path.read_bytes()
            except OSError as error:
                self._send(500, "application/json", json.dumps({"error": str(error)}).encode(), body)
                return
            self._send(200, _TYPES.get(path.suffix, "application/octet-stream"), data, body)

    def _send(self, status: int, kind: str, data: bytes, body: bool) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _is_own(host: str) -> bool:
    """Whether a Host header names this machine: a stranger's name that leads here is refused."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
