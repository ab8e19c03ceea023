"""The codec's own motion vectors as a dense field: motion for the price of decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product

import av
import numpy as np
from av.video.frame import PictureType

from skelact.errors import ConfigError, DataError, choices
from skelact.io.video import Video
from skelact.io.video_frames import Frames, Moments, Source, find_moments, nearest_frames

# FFmpeg's decoders that export motion vectors.
MOTION_CODECS = ("h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv", "msmpeg4v2", "msmpeg4v3")
CELLS = (8, 16)
_EMPTY_B = ("mpeg4",)  # the vectors that its decoder gives of B frames are all 0
_TOGETHER = 16  # frames whose vectors are put into cells at once
_REFERENCES = (PictureType.I, PictureType.P, PictureType.S)

# AVMotionVector of FFmpeg. PyAV's ``to_ndarray`` makes the same array value by value, in more time than decoding takes.
_VECTOR = np.dtype(
    [
        ("source", np.int32),
        ("w", np.uint8), ("h", np.uint8),
        ("src_x", np.int16), ("src_y", np.int16), ("dst_x", np.int16), ("dst_y", np.int16),
        ("flags", np.uint64),
        ("motion_x", np.int32), ("motion_y", np.int32), ("motion_scale", np.uint16),
    ],
    align=True,
)  # fmt: skip

# A decoded frame, and how many frames before and after it the nearest ones lie that others refer to.
Placed = tuple[av.VideoFrame, int, int]
_Kind = tuple[float, av.VideoFrame, bool]  # seconds, frame, whether it is an I or P frame


def read_motion(
    path: Source,
    times: Moments | None = None,
    *,
    indices: Sequence[int] | np.ndarray | None = None,
    cell: int = 16,
    threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Read the codec's motion vectors of the frames nearest to given moments.

    A field says how far what is seen in a cell has moved since the frame before. The codec says it of the frame that
    it predicts from, which may be further away: the vector is divided by the distance to that frame, taken to be the
    nearest that fits the kind of frame. H.264 may choose an older one block by block, which FFmpeg does not tell: such
    vectors are a whole multiple too long. Vectors to later frames are turned round.

    Args:
        path: the video file.
        times: ``[T]`` seconds from its start.
        indices: ``[T]`` numbers of frames instead of times.
        cell: side of a cell in pixels, 16 (a macroblock) or 8.
        threads: decoder threads; 0: as many as help.

    Returns:
        ``[T, 2, h, w]`` float32, (right, down) in pixels of the upright video per frame, and ``[T, h, w]`` bool,
        where there is a vector: not on key frames, not in blocks that are coded without prediction, and not in B frames
        of MPEG-4 part 2 (Xvid, DivX); the field is 0 there. ``h``, ``w``: the picture's sides in cells, rounded up.

    Raises:
        DataError: as `skelact.io.video_frames.read_frames`, and for a codec whose decoder gives no vectors.
        ConfigError: for another cell.
    """
    with MotionReader(path, cell, threads) as reader:
        wanted = find_moments(reader.video, path, times, indices)
        fields = np.empty((len(wanted), 2, *reader.shape), np.float32)
        known = np.empty((len(wanted), *reader.shape), np.bool_)
        found = nearest_frames(reader.video, wanted, reader.place)
        while some := list(islice(found, _TOGETHER)):
            at = [k for k, _ in some]
            fields[at], known[at] = reader.fields([placed for _, placed in some])
    return fields, known


class MotionReader:
    """An open video whose motion vectors are read.

    Args:
        path, cell, threads: as for `read_motion`.

    Attributes:
        video: the open video.
        shape: ``(h, w)`` of a field.

    Raises:
        DataError, ConfigError: as `read_motion`.
    """

    def __init__(self, path: Source, cell: int = 16, threads: int = 1) -> None:
        if cell not in CELLS:
            raise ConfigError(choices(cell, CELLS, "cell of motion vectors, in pixels"))
        self._cell = cell
        self._unused: dict[int, bool] = {}  # presentation stamp → whether no other frame refers to it
        self._tells = True  # whether stamps tell which packet a frame is of
        options = {"flags2": "+export_mvs"}
        self.video = Video(path, threads=threads, options=options, each_packet=self._note)
        if self.video.codec not in MOTION_CODECS:
            self.video.close()
            raise DataError(
                f"{self.video.name} is coded as {self.video.codec}, whose decoder gives no motion vectors; these do: "
                f"{', '.join(MOTION_CODECS)}. Take another kind of flow, or: ffmpeg -i IN -c:v libx264 OUT.mp4"
            )
        self._empty_b = self.video.codec in _EMPTY_B
        self.shape = (-(-self.video.height // cell), -(-self.video.width // cell))

    def __iter__(self) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        """(seconds, field, mask) of every frame, as of `read_motion`."""
        for time, placed in self.place(self.video.frames()):
            field, known = self.fields([placed])
            yield time, field[0], known[0]

    def __enter__(self) -> MotionReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.video.close()

    def place(self, frames: Frames) -> Iterator[tuple[float, Placed]]:
        """(seconds, `Placed`) of every frame."""
        group: list[_Kind] = []  # the frames after an I or P frame, up to the next
        for time, frame in frames:
            predicts = frame.pict_type in _REFERENCES
            group.append((time, frame, predicts))
            if predicts:
                yield from self._place_group(group)
                group = []
        yield from self._place_group(group)

    def _place_group(self, group: list[_Kind]) -> Iterator[tuple[float, Placed]]:
        used = [-1, *(k for k, (_, frame, ref) in enumerate(group) if self._is_reference(frame, ref))]
        for k, (time, frame, predicts) in enumerate(group):
            # P frames are predicted from the last P or I frame, B frames from whatever is used and near.
            past = k + 1 if predicts else k - max(r for r in used if r < k)
            yield time, (frame, past, min((r - k for r in used if r > k), default=1))

    def fields(self, placed: Sequence[Placed]) -> tuple[np.ndarray, np.ndarray]:
        """Fields ``[T, 2, h, w]`` and masks ``[T, h, w]`` of frames."""
        n, (h, w) = len(placed), self.shape
        data = [self._vectors(frame) for frame, _, _ in placed]
        v = np.frombuffer(b"".join(data), _VECTOR)
        sizes = [len(part) // _VECTOR.itemsize for part in data]
        past, future = np.repeat([(past, future) for _, past, future in placed], sizes, axis=0).T
        per_frame = np.where(v["source"] < 0, -1 / past, 1 / future) / np.maximum(v["motion_scale"], 1)
        shape = (w, h) if self.video.rotation in (90, 270) else (h, w)
        field, known = _into_cells(v, per_frame, np.repeat(np.arange(n), sizes), (n, *shape), self._cell)
        if self.video.rotation:
            field, known = _turn(field, known, self.video.rotation // 90)
        return field, known

    def _vectors(self, frame: av.VideoFrame) -> bytes | memoryview:
        data = frame.side_data.get("MOTION_VECTORS")
        if data is None or (self._empty_b and frame.pict_type not in _REFERENCES):
            return b""
        return memoryview(data)  # type: ignore[arg-type]

    def _is_reference(self, frame: av.VideoFrame, predicts: bool) -> bool:
        unused = self._unused.pop(frame.pts, None) if frame.pts is not None and self._tells else None
        return predicts if unused is None else not unused

    def _note(self, packet: av.Packet) -> None:
        """Remember of an H.264 packet whether other frames refer to it; other codecs' B frames are never used."""
        if packet.pts is not None and packet.stream.codec_context.name == "h264":
            unused = _is_unused(packet)
            if packet.pts in self._unused:  # stamps that stand still tell nothing
                self._tells = False
            if unused is not None and self._tells:
                self._unused[packet.pts] = unused


def _into_cells(
    vectors: np.ndarray, scale: np.ndarray, frame: np.ndarray, shape: tuple[int, int, int], cell: int
) -> tuple[np.ndarray, np.ndarray]:
    """Means ``[T, 2, h, w]`` of blocks' vectors by frame and cell, weighted by area, and where there is any."""
    n, h, w = shape
    shift = cell.bit_length() - 1
    width, height = vectors["w"], vectors["h"]
    left, top = vectors["dst_x"] - (width >> 1), vectors["dst_y"] - (height >> 1)
    across, down = scale * vectors["motion_x"], scale * vectors["motion_y"]
    first = frame * (h * w)
    sums = np.zeros((3, n * h * w))
    for dy, dx in product(range(0, 16, cell), repeat=2):  # the parts of a block
        x, y = left + dx >> shift, top + dy >> shift
        area = np.multiply(np.minimum(width, cell), np.minimum(height, cell), dtype=np.float64)
        if dy or dx:
            area *= (width > dx) & (height > dy)
        if len(x) and (x.view(np.uint16).max() >= w or y.view(np.uint16).max() >= h):  # or below 0
            area *= (x >= 0) & (x < w) & (y >= 0) & (y < h)
            x, y = x.clip(0, w - 1), y.clip(0, h - 1)
        at = first + y * np.intp(w) + x
        sums[0] += np.bincount(at, area * across, n * h * w)
        sums[1] += np.bincount(at, area * down, n * h * w)
        sums[2] += np.bincount(at, area, n * h * w)
    known = sums[2] > 0
    field = (sums[:2] / np.maximum(sums[2], 1)).astype(np.float32)
    return field.reshape(2, n, h, w).swapaxes(0, 1), known.reshape(n, h, w)


def _turn(field: np.ndarray, known: np.ndarray, quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn fields anticlockwise by quarters of a circle, positions and vectors."""
    for _ in range(quarters):  # what pointed right points up, and what pointed down points right
        turned = np.rot90(field, axes=(2, 3))
        field = np.stack([turned[:, 1], -turned[:, 0]], axis=1)
    return field, np.rot90(known, quarters, axes=(1, 2))


def _is_unused(packet: av.Packet) -> bool | None:
    """Whether an H.264 packet's picture has ``nal_ref_idc`` 0; None if no slice is found."""
    data = memoryview(packet)
    if bytes(data[:3]) == b"\0\0\1" or bytes(data[:4]) == b"\0\0\0\1":
        text, at = bytes(data[:4096]), 0
        while (at := text.find(b"\0\0\1", at)) >= 0 and at + 3 < len(text):
            at += 3
            if 1 <= text[at] & 31 <= 5:
                return text[at] >> 5 & 3 == 0
        return None
    at = 0  # units after their length, as in MP4 and Matroska
    while at + 4 < len(data):
        if 1 <= data[at + 4] & 31 <= 5:
            return data[at + 4] >> 5 & 3 == 0
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return None
