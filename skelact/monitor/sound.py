"""A sound where the monitor runs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from skelact.errors import ConfigError
from skelact.monitor.log import ALARMS

_SECONDS = 60.0  # that a sound may last


class Sound:
    """Runs a program at every alarm, such as ``[paplay, alarm.wav]`` or ``[espeak-ng, Somebody has fallen]``.

    Args:
        command: the program and its words; no shell reads them.

    Raises:
        ConfigError: without a program.
    """

    kinds = ALARMS

    def __init__(self, command: Sequence[str]) -> None:
        if not command:
            raise ConfigError("a sound needs a command, such as [paplay, alarm.wav]")
        self.command = [str(word) for word in command]

    def send(self, message: Mapping[str, Any], key: str) -> None:
        """Run it and wait; raises if it is not there or ends with an error."""
        subprocess.run(
            self.command, check=True, timeout=_SECONDS, stdin=subprocess.DEVNULL, capture_output=True
        )

    def close(self) -> None:
        """Nothing is held open."""
