"""Every kind of flow against motion that is known."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import numpy as np
import pytest
from motion_pictures import encode, pan, texture
from scipy.ndimage import map_coordinates

from skelact.errors import ConfigError, DataError, DependencyError
from skelact.io.flow import FLOWS, all_flow, flow_between, from_bytes, read_flow, to_bytes

STEP = (3, -2)


@pytest.mark.parametrize("kind", ["dis", "farneback", "tvl1"])
def test_a_pan(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    side = 48 if kind == "tvl1" else 96
    with caplog.at_level(logging.WARNING):
        fields = flow_between(np.stack(pan(2 if kind == "tvl1" else 4, STEP, side, side)), kind)
    assert fields.shape[1:] == (2, side, side) and fields.dtype == np.float32
    for field in fields:
        inner = field[:, 12:-12, 12:-12]
        assert np.median(inner, axis=(1, 2)) == pytest.approx(STEP, abs=0.2)
    assert any("seconds" in r.message for r in caplog.records) == (kind == "tvl1")


def test_a_rotation() -> None:
    angle, n = 0.03, 128
    picture = texture(n, n)
    y, x = np.mgrid[:n, :n] - (n - 1) / 2
    back = [
        np.cos(angle) * y - np.sin(angle) * x + (n - 1) / 2,
        np.sin(angle) * y + np.cos(angle) * x + (n - 1) / 2,
    ]
    turned = np.stack([map_coordinates(picture[..., c].astype(float), back, order=1) for c in range(3)], -1)
    truth = np.stack([np.cos(angle) * x - np.sin(angle) * y - x, np.sin(angle) * x + np.cos(angle) * y - y])
    # a point at p moves to R p: what is at q afterwards was at R^-1 q
    field = flow_between(np.stack([picture, turned.astype(np.uint8)]))[0]
    inner = (slice(None), slice(24, -24), slice(24, -24))
    assert np.abs(truth[inner]).max() > 1
    error = np.abs(field[inner] - truth[inner]).mean()
    assert error < 0.25, error
    assert np.abs(-field[inner] - truth[inner]).mean() > 1


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("flow") / "a.mp4"
    return encode(path, pan(20, STEP, 96, 128), options={"preset": "veryfast", "bf": "0", "crf": "16"})


@pytest.mark.parametrize("kind", ["dis", "motion"])
def test_reading_from_a_video(video: Path, kind: str) -> None:
    fields = read_flow(video, indices=[4, 9, 19], kind=kind)
    assert fields.shape == (3, 2, 96, 128) and fields.dtype == np.float32
    inner = fields[:, :, 16:-16, 16:-16]
    np.testing.assert_allclose(np.median(inner, axis=(2, 3)), [STEP] * 3, atol=0.25)
    half = read_flow(video, [0.2], kind=kind, size=(48, 64))
    assert np.median(half[0, :, 8:-8, 8:-8], axis=(1, 2)) == pytest.approx((1.5, -1.0), abs=0.2)
    wide = read_flow(video, [0.2], kind=kind, size=(96, 64))
    assert np.median(wide[0, :, 16:-16, 8:-8], axis=(1, 2)) == pytest.approx((1.5, -2.0), abs=0.2)
    back = read_flow(video, indices=[0, 6], kind=kind, backward=True)
    np.testing.assert_allclose(np.median(back[:, :, 16:-16, 16:-16], axis=(2, 3)), [(-3, 2)] * 2, atol=0.25)


def test_which_pair_of_frames(tmp_path: Path) -> None:
    moving = pan(8, (3, 0), 64, 64)
    path = encode(tmp_path / "a.mp4", [moving[0]] * 6 + moving, options={"preset": "veryfast", "crf": "16"})

    def across(backward: bool) -> np.ndarray:
        fields = read_flow(path, indices=[4, 5, 6, 7], backward=backward)
        return np.median(fields[:, 0, 12:-12, 12:-12], axis=(1, 2))

    np.testing.assert_allclose(across(False), [0, 0, 3, 3], atol=0.25)  # the first step is from frame 6 to 7
    np.testing.assert_allclose(across(True), [0, 0, 0, -3], atol=0.25)


@pytest.mark.parametrize("kind", ["dis", "motion"])
def test_all_flow_is_what_reading_gives(video: Path, kind: str) -> None:
    every = list(all_flow(video, kind, size=48))
    assert [time for time, _ in every] == pytest.approx(np.arange(20) / 25)
    fields = read_flow(video, indices=[0, 7, 19], kind=kind, size=48)
    for k, n in enumerate((0, 7, 19)):
        np.testing.assert_allclose(every[n][1], fields[k], atol=1e-6)


def test_eight_bits() -> None:
    field = np.array([0.0, 0.1, -7.3, 19.9, -20.0, 35.0])
    back = from_bytes(to_bytes(field))
    assert back[0] == 0 and back[-1] == 20
    assert np.abs(back[:5] - field[:5]).max() <= 20 / 127 / 2 + 1e-6
    assert from_bytes(to_bytes(field, 40.0), 40.0)[-1] == pytest.approx(35, abs=0.16)


def test_what_cannot_be_used(video: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="dis, farneback, tvl1, raft, motion"):
        read_flow(video, [0.0], kind="fast")
    with pytest.raises(ConfigError, match="read_flow"):
        flow_between(np.zeros((2, 8, 8, 3), np.uint8), "motion")
    with pytest.raises(DataError, match="two pictures"):
        flow_between(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="one frame"):
        read_flow(encode(tmp_path / "one.mp4", pan(1, STEP)), [0.0])
    assert set(FLOWS) == {"dis", "farneback", "tvl1", "raft", "motion"}


def test_raft() -> None:
    if importlib.util.find_spec("torchvision") is None:
        with pytest.raises(DependencyError, match=r"skelact\[vision\]"):
            flow_between(np.zeros((2, 8, 8, 3), np.uint8), "raft")
        return
    from skelact.io.raft import make_raft

    field = make_raft(pretrained=False)(*np.stack(pan(2, STEP, 60, 50)))
    assert field.shape == (2, 60, 50) and np.isfinite(field).all()
