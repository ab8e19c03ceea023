"""UTD-MHAD's files: what is refused, and why."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from skelact.errors import DataError
from skelact.io.utd_mhad import read_utd


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"skel": np.zeros((20, 3, 4))}, "no variable 'd_skel'"),
        ({"d_skel": np.zeros((3, 20, 4))}, r"must be \[20, 3, T\], got \[3, 20, 4\]"),
        ({"d_skel": np.zeros((20, 3, 0))}, r"got \[20, 3, 0\]"),
        ({"d_skel": np.zeros((0, 3, 4))}, r"got \[0, 3, 4\]"),
        ({"d_skel": np.zeros((20, 3, 4, 2))}, r"got \[20, 3, 4, 2\]"),
        ({"d_skel": "text"}, "no array of real numbers"),
    ],
)
def test_refused(tmp_path: Path, variables: dict[str, object], why: str) -> None:
    path = tmp_path / "a10_s1_t2_skeleton.mat"
    savemat(path, variables)
    with pytest.raises(DataError, match=why) as error:
        read_utd(path)
    assert path.name in str(error.value)


def test_one_frame_has_no_third_axis(tmp_path: Path) -> None:
    path = tmp_path / "a10_s1_t2_skeleton.mat"
    savemat(path, {"d_skel": np.arange(1.0, 61).reshape(20, 3)})
    skeleton = read_utd(path)
    assert skeleton.n_frames == 1 and np.array_equal(skeleton.xyz[0, 0], np.arange(1, 61).reshape(20, 3))
