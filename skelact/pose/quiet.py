"""Keeping the start-up chatter of MediaPipe and LiteRT off the terminal without hiding its errors."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

logger = logging.getLogger(__name__)

# absl's information and warning lines, and TFLite's notices; anything else is passed on.
_CHATTER = re.compile(r"^([IW]\d{4} |(INFO|WARNING): |WARNING: All log messages before)")
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to standard error; pass on all but chatter afterwards.

    The chatter goes to this module's logger at debug level. If an error leaves the block, everything is
    passed on.
    """
    with (
        _one_at_a_time,
        tempfile.TemporaryFile() as caught,
    ):  # what one thread holds back is no other's to keep
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (OSError, AttributeError, ValueError):  # no standard error, as in some services
            yield
            return
        failed = True
        os.dup2(caught.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                if failed or not _CHATTER.match(line):
                    with contextlib.suppress(OSError):
                        os.write(2, (line + "\n").encode())
                else:
                    logger.debug("%s", line)
