"""No password of an address is shown or stored."""

from __future__ import annotations

import pytest

from skelact.io.addresses import public_name, short_name, without_secrets


@pytest.mark.parametrize(
    ("address", "shown", "short"),
    [
        ("rtsp://u:pw@cam:554/a/b", "rtsp://cam:554/a/b", "rtsp_cam_554_a_b"),
        ("rtsp://u:p@w/x#y?z@cam/a", "rtsp://cam/a", "rtsp_cam_a"),
        ("http://cam/v?user=u&password=pw&channel=2", "http://cam/v?user=***&password=***&channel=2", None),
        ("https://h/v?access_token=pw#x", "https://h/v?access_token=***#x", None),
        ("rtsp://cam/realmonitor?channel=1&subtype=0", "rtsp://cam/realmonitor?channel=1&subtype=0", None),
        ("folder/a@b.mp4", "folder/a@b.mp4", "a@b"),
    ],
)
def test_what_is_shown(address: str, shown: str, short: str | None) -> None:
    assert public_name(address) == shown
    assert short is None or short_name(address) == short
    assert "pw" not in short_name(address)
    assert without_secrets(f"cannot open '{address}': no") == f"cannot open '{shown}': no"


@pytest.mark.parametrize("password", ["pw", "p'w", 'p"w', "p\\w", "p w", "p@w"])
def test_a_stream_that_is_away(password: str) -> None:
    from skelact.errors import DataError
    from skelact.io.video import open_video

    with pytest.raises(DataError, match=r"cannot open http://127\.0\.0\.1:9/a: Connection refused") as error:
        open_video(f"http://user:{password}@127.0.0.1:9/a", timeout=3)
    assert "user" not in str(error.value) and error.value.__cause__ is None
    assert error.value.__suppress_context__


def test_what_a_recording_keeps() -> None:
    from skelact.pose.tasks import VideoResult, find_tasks

    address = "rtsp://me:pw@cam/1?token=pw"
    (task,) = find_tasks([address], subject_pattern="(me|pw|cam)")
    assert task.source == address and "pw" not in task.id and task.subject == "cam"
    result = VideoResult(task.id, task.source, error=f"OSError: {address} is away")
    assert "pw" not in repr(result) and "cam" in result.source
