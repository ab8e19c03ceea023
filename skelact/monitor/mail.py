"""Alarms as e-mail."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, Literal

from skelact.errors import ConfigError
from skelact.monitor.log import ALARMS

Security = Literal["starttls", "tls", "none"]


class Mail:
    """Sends each message as a plain text; it has arrived when the server has taken it for everybody.

    Args:
        to: addresses.
        sender: address.
        host, port: of the SMTP server.
        username, password: empty: none.
        security: ``starttls``, ``tls`` from the beginning, or ``none``, which sends passwords and words readably.
        timeout: seconds.

    Raises:
        ConfigError: without addresses.
    """

    kinds = (*ALARMS, "recovered")  # who has acknowledged an alarm is no mail to everybody

    def __init__(
        self,
        to: Sequence[str],
        sender: str,
        host: str = "localhost",
        port: int = 587,
        username: str = "",
        password: str = "",
        security: Security = "starttls",
        timeout: float = 20.0,
    ) -> None:
        for address in (*to, sender):
            if "@" not in address or any(c in address for c in "\r\n"):
                raise ConfigError(f"mail needs addresses such as somebody@example.org, got '{address}'")
        if not to:
            raise ConfigError("mail needs somebody to write to: 'to: [somebody@example.org]'")
        self._to, self._sender, self._place = list(to), sender, (host, port)
        self._login, self._security, self._timeout = (username, password), security, timeout

    def send(self, message: Mapping[str, Any], key: str) -> None:
        """Send a message; raises `OSError` (`smtplib.SMTPException`) if it does not arrive."""
        mail = self.compose(message, key)
        if self._security == "tls":
            server = smtplib.SMTP_SSL(
                *self._place, timeout=self._timeout, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(*self._place, timeout=self._timeout)
        with server:
            if self._security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self._login[0]:
                server.login(*self._login)
            refused = server.send_message(mail)
            if refused:
                raise OSError(f"refused for {', '.join(refused)}")

    def compose(self, message: Mapping[str, Any], key: str) -> EmailMessage:
        """The mail of a message; its Message-ID is made of the key, so that doubles are seen."""
        event = message["after"]
        mail = EmailMessage()
        what = str(event["kind"]).replace("_", " ")
        mail["Subject"] = f"skelact: {what}, {message['camera']}".replace("\n", " ").replace("\r", " ")
        mail["From"], mail["To"], mail["Date"] = self._sender, ", ".join(self._to), formatdate(localtime=True)
        mail["Message-ID"] = f"<{key}@{self._sender.rpartition('@')[2]}>"
        mail.set_content(f"{what} ({message['camera']}, person {event['person']})\n\n{event['text']}\n")
        return mail

    def close(self) -> None:
        """Nothing is held open."""
