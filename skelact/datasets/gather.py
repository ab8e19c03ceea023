"""`gather`: from clip numbers to a batch in a few tensor operations, with no per-sample Python."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, choices
from skelact.transforms import device

SAMPLINGS = ("resize", "segments", "seconds", "choice")
GOLDEN = 0.618034  # multiples of it, modulo 1, are evenly spread for any number


@dataclass
class Sampling:
    """Temporal sampling of clips.

    Args:
        kind: ``resize`` stretches a window of the clip to ``n_frames`` with interpolation (CTR-GCN);
            ``segments`` takes one frame from each of ``n_frames`` equal parts (TSN, PYSKL's
            UniformSample); ``seconds`` samples at a fixed rate, which keeps speed; ``choice`` draws
            ``n_frames`` frames of the clip with replacement, in their order (CTR-GCN on NW-UCLA), and
            evaluation takes as many at even distances, the first and the last among them.
        n_frames: frames per sample.
        crop: for ``resize``, the share of the clip that the window covers when training, drawn from
            this range. Evaluation takes a centred window of the upper end, and with several samples windows
            down to the lower end (with equal ends, all samples are the same).
        fps: for ``seconds``, frames per second.
        rates: for ``seconds``, range that the frames per second are drawn from in training, so that a network knows
            people of other speeds and cameras of other rates; two zeros: ``fps``.
        least: for ``resize``, minimal window in training [frames], at most the clip (CTR-GCN: 64).
        test_share: for ``resize``, the centred share of the clip for evaluation (CTR-GCN: 0.95); 0: the upper
            end of ``crop``.

    Raises:
        ConfigError: for values out of range.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: str = "resize"
    n_frames: int = 64
    crop: tuple[float, float] = (0.5, 1.0)
    fps: float = 30.0
    least: int = 0
    test_share: float = 0.0
    rates: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.kind not in SAMPLINGS:
            raise ConfigError(choices(self.kind, SAMPLINGS, "sampling"))
        if self.n_frames < 1:
            raise ConfigError(f"n_frames must be at least 1, got {self.n_frames}")
        if not 0 < self.crop[0] <= self.crop[1] <= 1:
            raise ConfigError(f"crop must be two shares with 0 < low <= high <= 1, got {list(self.crop)}")
        if not self.fps > 0:
            raise ConfigError(f"fps must be above 0, got {self.fps}")
        if self.least < 0:
            raise ConfigError(f"least must be 0 or a number of frames, got {self.least}")
        if any(self.rates) and not 0 < self.rates[0] <= self.rates[1]:
            raise ConfigError(f"rates must be two frame rates with 0 < low <= high, got {list(self.rates)}")
        if any(self.rates) and self.kind != "seconds":
            raise ConfigError(f"rates are of sampling by seconds, and kind is {self.kind}; set rates to 0 0")
        if not 0 <= self.test_share <= 1:
            raise ConfigError(f"test_share must be a share in 0..1, got {self.test_share}")


def sample_positions(
    sampling: Sampling,
    length: Tensor,
    fps: Tensor,
    training: bool,
    generator: torch.Generator | None = None,
    view: tuple[int, int] = (0, 1),
) -> Tensor:
    """Fractional frame numbers ``[N, T]`` to sample.

    Args:
        sampling: the settings.
        length: frames of each clip ``[N]``.
        fps: of each clip ``[N]``.
        training: draw at random; otherwise deterministic.
        generator: where random numbers come from.
        view: (i, n): the i-th of n evaluation samples per clip, spread over the clip.
    """
    n, t = len(length), sampling.n_frames
    where = length.device
    total = length.to(torch.float32)[:, None]
    steps = torch.arange(t, device=where, dtype=torch.float32)[None]

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=where)

    evenly = (view[0] + 0.5) / view[1]
    if sampling.kind == "resize":
        low, high = sampling.crop
        if training:
            share, place = low + (high - low) * draw(n, 1), draw(n, 1)
        else:
            high = sampling.test_share or high
            low = min(low, high)
            share = torch.full((n, 1), high - (high - low) * view[0] / view[1], device=where)
            place = (0.5 + view[0] * GOLDEN) % 1
        window = torch.minimum(
            (total * share).clamp_min(float(max(1, sampling.least if training else 1))), total
        )
        begin = (total - window) * place
        positions = begin + (steps + 0.5) * window / t - 0.5
    elif sampling.kind == "segments":
        inside = draw(n, t) if training else torch.full((n, t), evenly, device=where)
        positions = ((steps + inside) * total / t).floor()
    elif sampling.kind == "choice":
        if training:
            return (draw(n, t) * total).floor().sort(1).values.minimum(total - 1)
        # as numpy's linspace in float64, whose rounding decides where a frame is met
        apart = (total.double() - 1) / max(1, t - 1)
        shift = (evenly - 0.5) * apart if view[1] > 1 else 0.0
        positions = (steps.double() * apart + shift).floor().to(torch.float32)
    else:
        rate = torch.full((n, 1), sampling.fps, device=where)
        if training and any(sampling.rates):
            rate = sampling.rates[0] + (sampling.rates[1] - sampling.rates[0]) * draw(n, 1)
        stride = fps[:, None] / rate
        slack = (total - 1 - (t - 1) * stride).clamp_min(0.0)
        positions = slack * (draw(n, 1) if training else evenly) + steps * stride
    return torch.minimum(positions.clamp_min(0.0), total - 1) if sampling.kind != "seconds" else positions


def gather(
    data: SkeletonSet,
    clips: Tensor,
    sampling: Sampling,
    *,
    training: bool = False,
    generator: torch.Generator | None = None,
    view: tuple[int, int] = (0, 1),
    positions: Tensor | None = None,
    by_time: bool = True,
) -> SkeletonBatch:
    """Make a batch of clips: choose points in time, look up each person's rows, interpolate.

    On a CPU the batch contains the people that exist at one of the points at least; on a GPU all people, as
    networks ignore those that do not exist. Where a person does not exist scores are 0. Positions and scores
    are interpolated linearly between two frames; if a joint is missing in one of them the other frame's is
    taken, and it is missing if it is in the nearer frame.

    Args:
        data: the set.
        clips: clip numbers ``[N]``.
        sampling: see `Sampling`.
        training: sample at random.
        generator: for the random choice; on the set's device.
        view: see `sample_positions`.
        positions: fractional frame numbers ``[N, T]``, instead of ``sampling``.
        by_time: frame numbers are those at a constant rate, and the clips' timestamps say which frames these are.

    Returns:
        A `SkeletonBatch` on the set's device.
    """
    host = clips.cpu()  # the number of people is needed on the host; reading it from a GPU synchronises
    clips = clips.to(data.device, non_blocking=True)
    if positions is None:
        positions = sample_positions(
            sampling, data.n_frames[clips], data.fps[clips], training, generator, view
        )
    if by_time and data.timeline is not None:
        positions = _by_time(data, clips, positions)

    counts, first_track = (column[host] for column in data.people_of)
    owner = torch.repeat_interleave(torch.arange(len(clips)), counts)
    nth = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]
    track = first_track[owner] + nth
    owner, nth, track = (column.to(data.device, non_blocking=True) for column in (owner, nth, track))
    start, length, first = (data.tracks[name][track][:, None] for name in ("start", "length", "first"))

    at = positions[owner] - start
    there = (at > -0.5) & (at < length - 0.5)
    look = device.may_look(data.device)
    if look and len(owner) > len(clips):  # drop people that never exist, but keep one per clip
        some = there.any(1)
        keep = some | ((nth == 0) & (torch.zeros_like(clips).index_add(0, owner, some.long()) == 0)[owner])
        if not bool(keep.all()):
            owner, at, there, track = owner[keep], at[keep], there[keep], track[keep]
            length, first = length[keep], first[keep]

    low = at.floor()
    weight = (at - low).clamp(0.0, 1.0)
    low = low.long()
    lower = first + torch.minimum(low.clamp_min(0), length - 1)
    upper = first + torch.minimum((low + 1).clamp_min(0), length - 1)
    shape = at.shape
    a = data.xyz.take(lower.view(-1)).view(*shape, *data.xyz.shape[1:])
    blend = not look or bool((weight > 0).any())
    if data.all_seen:
        x = a
        if blend:
            x = torch.lerp(a, data.xyz.take(upper.view(-1)).view_as(a), weight[..., None, None])
        score = there[..., None].to(x.dtype).expand(*shape, x.shape[2]).contiguous()
    else:
        score_a = data.score.take(lower.view(-1)).view(*shape, -1)
        x, score = a, score_a
        if blend:
            b = data.xyz.take(upper.view(-1)).view_as(a)
            score_b = data.score.take(upper.view(-1)).view_as(score_a)
            w = weight[..., None]
            score = torch.lerp(score_a, score_b, w)
            if not data.all_there:
                seen_a, seen_b = score_a > 0, score_b > 0
                score = score * torch.where(w < 0.5, seen_a, seen_b)
                w = torch.where(seen_a, torch.where(seen_b, w, torch.zeros_like(w)), torch.ones_like(w))
            x = torch.lerp(a, b, w[..., None])
        score = score * there[..., None]
    if not look or not bool(there.all()):
        x = x * there[..., None, None]
    return SkeletonBatch(x, score, owner, data.labels[clips], data.layout, data.origin, track=track)


def rows_at(
    data: SkeletonSet, owner: Tensor, track: Tensor, clips: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The rows of people at other moments than those at which they were gathered.

    Args:
        data: the set.
        owner, track: ``[P]``, see `SkeletonBatch`.
        clips: ``[N]``.
        positions: ``[N, T]`` fractional frame numbers.

    Returns:
        ``[P, T]`` each: the row before, the row after, the latter's weight, and whether the person is there.
    """
    if data.timeline is not None:
        positions = _by_time(data, clips, positions)
    start, length, first = (data.tracks[name][track][:, None] for name in ("start", "length", "first"))
    at = positions[owner] - start
    low = at.floor()
    weight, low = (at - low).clamp(0.0, 1.0), low.long()
    lower, upper = (first + torch.minimum(row.clamp_min(0), length - 1) for row in (low, low + 1))
    return lower, upper, weight, (at > -0.5) & (at < length - 0.5)


def _by_time(data: SkeletonSet, clips: Tensor, positions: Tensor) -> Tensor:
    """Convert frame numbers at a constant rate to those of the clips' timestamps."""
    assert data.timeline is not None and data.time_key is not None
    key, first = data.time_key, data.timeline[clips]
    timed = first >= 0
    begin = first.clamp_min(0)
    last = torch.where(timed, begin + data.n_frames[clips] - 1, begin)
    duration = key[last] - key[begin]
    seconds = positions.double() * (duration / (last - begin).clamp_min(1))[:, None]
    low, high = begin[:, None].expand_as(seconds), last[:, None].expand_as(seconds)
    for _ in range(data.longest.bit_length()):  # bisection for all points at once
        middle = (low + high) // 2
        later = key[middle] > seconds
        apart = high - low > 1
        high = torch.where(later & apart, middle, high)
        low = torch.where(later | ~apart, low, middle)
    span = (key[high] - key[low]).clamp_min(1e-9)
    share = (seconds - key[low]) / span
    share = torch.where(seconds > duration[:, None], share, share.clamp(0, 1))
    found = (low - begin[:, None] + share).to(positions.dtype)
    return torch.where(timed[:, None], found, positions)
