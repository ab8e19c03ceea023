"""Opening video containers through PyAV, with errors that say what is wrong with the source."""

from __future__ import annotations

import sys
from os import PathLike
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from skelact.errors import DataError
from skelact.io.addresses import public_name

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts",
    ".m2ts", ".3gp", ".ogv",
)  # fmt: skip
# FFmpeg draws any text file as a picture of a terminal; such "videos" are refused.
_TEXT_CODECS = ("ansi", "bintext", "xbin", "idf")
_CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


def videos_in(folder: Path) -> list[Path]:
    """Every video file under a folder, by suffix, in a fixed order.

    Raises:
        DataError: if there is none.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file())
    if not files:
        raise DataError(f"the folder {folder} holds no video ({', '.join(VIDEO_SUFFIXES)})")
    return files


def open_container(source: str | PathLike[str] | int, live: bool = False, timeout: float = 15.0) -> Any:
    """PyAV's container of a file, camera or address.

    Args:
        source: as for `skelact.io.video.open_video`.
        live: whether it is a camera or an address.
        timeout: seconds to wait for a live source.

    Raises:
        DataError: if it is not there or cannot be read as a video.
    """
    text = str(source)
    file, format_name, options = text, None, {}
    if isinstance(source, int) or text.isdigit() or text.startswith("/dev/video"):
        format_name = _CAMERA_FORMATS.get(sys.platform, "v4l2")
        if text.isdigit():
            file = f"/dev/video{text}" if format_name == "v4l2" else text
        if format_name == "v4l2" and not Path(file).exists():
            raise DataError(f"there is no camera {file}; list the cameras with: ls /dev/video*")
    elif live:
        if text.startswith("rtsp://"):
            options = {"rtsp_transport": "tcp"}  # UDP loses packets and smears the picture
    else:
        path = Path(text)
        if not path.exists():
            raise DataError(f"there is no file {path}")
        if path.is_dir():
            raise DataError(f"{path} is a folder; give a video file")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes)")
    try:
        return av.open(file, format=format_name, options=options, timeout=timeout if live else None)
    except FFmpegError as error:
        if live:
            # the error's own text repeats the address, with its password
            why = error.strerror or type(error).__name__
            raise DataError(
                f"cannot open {public_name(text)}: {why}; check the address and that the device is on"
            ) from None
        raise DataError(
            f"{text} cannot be read as a video: {error.strerror or error}; "
            "it is not a video, or is cut off before its index"
        ) from error
    except ValueError as error:
        raise DataError(
            f"cannot open {public_name(text)}: {str(error).replace(file, public_name(file))}"
        ) from None


def pick_stream(container: Any, name: str) -> Any:
    """The first stream of moving pictures of an open container.

    Args:
        container: PyAV's container.
        name: what was opened, for messages.

    Raises:
        DataError: if there is none.
    """
    streams = [
        s
        for s in container.streams.video
        if s.codec_context is not None
        and s.codec_context.name not in _TEXT_CODECS
        and not s.disposition & Disposition.attached_pic
    ]
    if not streams:
        kinds = sorted({s.type for s in container.streams})
        if container.streams.video:  # a text file drawn as a terminal, or the cover of a song
            kinds = [k for k in kinds if k != "video"] or ["text"]
        has = ", ".join(kinds) or "nothing"
        raise DataError(f"{name} has no video stream (it has: {has}); give a video")
    return streams[0]
