"""Where the page is served, and who may see it."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from dataclasses import dataclass, field, replace

from skelact.errors import ConfigError
from skelact.monitor.page.tokens import hash_token, is_hashed

HOST, PORT = "127.0.0.1", 8765
VARIABLE = "SKELACT_PAGE_TOKEN"
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)?(?::(?P<port>\d{1,5}))?")


@dataclass
class PageSettings:
    """The page of a home.

    Args:
        host: the address that it is served at; others than this machine itself need a token.
        port: likewise; 0: any that is free.
        token: what a browser or program must give, as its scrypt hash or ``env:NAME``; empty: that of the
            environment's SKELACT_PAGE_TOKEN, or none.
        pictures: show the cameras' pictures, too; else no picture leaves memory.
        certificate, key: files (PEM) for TLS; empty: none.
        hosts: names under which browsers reach the page, besides this machine's own and addresses in numbers.

    Raises:
        ConfigError: for what cannot be.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    host: str = HOST
    port: int = PORT
    token: str = ""
    pictures: bool = False
    certificate: str = ""
    key: str = ""
    hosts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = self.host.strip("[]")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"the page's port must be 0 to 65535, got {self.port}")
        if self.token and not self.token.startswith("env:") and not is_hashed(self.token):
            raise ConfigError(
                "the page's token is kept as a hash, never as it is: write\n  token: "
                f"{hash_token(self.token)}\ninstead, or token: env:NAME"
            )
        if bool(self.certificate) != bool(self.key):
            raise ConfigError("TLS needs both, a certificate and its key")

    def resolved(self) -> PageSettings:
        """With the token's hash from wherever it is, everything checked.

        Raises:
            ConfigError: if the page would be open to others without a token, or its certificate cannot be used.
        """
        token = self.token
        if token.startswith("env:"):
            name = token.removeprefix("env:")
            if not os.environ.get(name):
                raise ConfigError(
                    f"the environment has no variable {name}, which is to hold the page's token"
                )
            token = os.environ[name]
        token = token or os.environ.get(VARIABLE, "")
        if token and not is_hashed(token):
            token = hash_token(token)
        if not token and not self.is_local:
            raise ConfigError(
                f"the page at {self.host} can be reached from other machines, so it needs a token: set {VARIABLE} in "
                "the environment, or give --page-token; or leave the page at 127.0.0.1"
            )
        if self.certificate:
            self.check_certificate()
        return replace(self, token=token)

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.certificate else "http"

    def check_certificate(self) -> None:
        """Try the certificate.

        Raises:
            ConfigError: if it and the key cannot be used.
        """
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise ConfigError(
                f"the page's certificate {self.certificate} with the key {self.key} cannot be used: {reason}; both "
                "must be PEM files that belong together, the key without a password"
            ) from None

    def names(self) -> set[str]:
        """Names under which browsers may reach it; addresses in numbers need not be listed."""
        found = {"localhost", self.host.lower(), *(name.lower().rstrip(".") for name in self.hosts)}
        if not self.is_local:
            own = socket.gethostname().lower()
            found |= {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
        return found - {""}


def read_address(text: str, settings: PageSettings | None = None) -> PageSettings:
    """Settings at ``HOST:PORT``, ``HOST`` or ``:PORT``; what is not said stays.

    Raises:
        ConfigError: if it is none of these.
    """
    match = _ADDRESS.fullmatch(text)
    settings = settings or PageSettings()
    if match is None or not text:
        raise ConfigError(
            f"'{text}' is no place for the page; write HOST:PORT, such as {HOST}:{PORT}, or :PORT"
        )
    return replace(settings, host=match["host"] or settings.host, port=int(match["port"] or settings.port))
