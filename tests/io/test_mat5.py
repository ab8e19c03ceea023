"""MATLAB files: equal to scipy's reading, and every damage is an error that can be caught."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from skelact.io.mat5 import read_mat_array

REAL = Path(__file__).parents[3] / "shared" / "data" / "utd-mhad" / "skeleton"


def saved(compressed: bool = False, **variables: object) -> bytes:
    buffer = BytesIO()
    savemat(buffer, variables, do_compression=compressed)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_numbers_of_every_type_and_shape(dtype: str, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    for shape in ((20, 3, 7), (1, 1), (1, 3), (0, 3), (2, 3, 4, 5)):
        made = rng.integers(0, 100, shape).astype(dtype)
        data = saved(compressed, other="text", a_rather_long_name=np.eye(2), x=made)
        got = read_mat_array(data, "x")
        assert got.dtype == made.dtype and np.array_equal(got, made) and got.flags.writeable
        assert np.array_equal(read_mat_array(data, "a_rather_long_name"), np.eye(2))


def test_the_other_order_of_bytes() -> None:
    name = struct.pack(">HHc3x", 1, 1, b"x")
    head = struct.pack(">IIII", 6, 8, 6, 0) + struct.pack(">IIii", 5, 8, 1, 2)
    matrix = head + (struct.pack(">I", 1 << 16 | 1) + b"x\0\0\0") + struct.pack(">IIdd", 9, 16, 1.5, -2)
    assert len(name) == 8
    data = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + struct.pack(">II", 14, len(matrix)) + matrix
    assert read_mat_array(data, "x").tolist() == [[1.5, -2]] == loadmat(BytesIO(data))["x"].tolist()


def test_objects_beside_the_variable_are_passed_over() -> None:
    whole = saved(x=np.eye(3))
    table = struct.pack("<IIII", 6, 8, 17, 0) + struct.pack("<HH4s", 1, 4, b"meas")
    data = whole[:128] + struct.pack("<II", 14, len(table)) + table + whole[128:]
    assert np.array_equal(read_mat_array(data, "x"), np.eye(3))


def test_what_is_refused() -> None:
    whole = saved(x=np.eye(3))
    with pytest.raises(KeyError):
        read_mat_array(whole, "y")
    for variable in (1j * np.eye(2), {"a": 1}, "text", np.array([1, "a"], object)):
        with pytest.raises(ValueError, match="no array of real numbers"):
            read_mat_array(saved(x=variable), "x")
    for data, why in (
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "'-v7'"),
        (b"MATLAB 7.3 MAT-file".ljust(600), "'-v7'"),
        (bytes(300), "no header"),
        (b"", "no header"),
        (whole[:-1], "are left"),
        (whole[:132], "ends within"),
        (whole[:128] + struct.pack("<II", 3, 0), "unknown type 3"),
        (whole[:128] + struct.pack("<II", 15, 4) + b"abcd", "compressed part is damaged"),
        (whole[:128] + struct.pack("<II", 15, 8) + zlib.compress(bytes(999))[:8], "cut off"),
        (whole[:128] + struct.pack("<II", 14, 8) + struct.pack("<II", 6, 0), "no proper head"),
    ):
        with pytest.raises(ValueError, match=why):
            read_mat_array(data, "x")
    with pytest.raises(ValueError, match="larger than 100 bytes"):
        read_mat_array(saved(True, x=np.zeros((9, 9))), "x", limit=100)


@pytest.mark.parametrize("compressed", [False, True])
def test_no_damage_ends_anything(compressed: bool) -> None:
    """Every byte of the heads set to telling values, inside the compressed part too."""
    whole = saved(x=np.arange(12.0).reshape(3, 4))
    outcomes = set()
    for place in range(128, len(whole)):
        for value in (0, 1, 5, 14, 15, 127, 128, 255):
            bad = bytearray(whole)
            bad[place] = value
            if compressed:
                inner = zlib.compress(bytes(bad[128:]))
                bad = bad[:128] + struct.pack("<II", 15, len(inner)) + inner
            try:
                read_mat_array(bytes(bad), "x")
                outcomes.add("read")
            except (ValueError, KeyError) as error:
                outcomes.add(type(error).__name__)
    assert outcomes == {"read", "ValueError", "KeyError"}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real set is not here")
def test_real_files_as_scipy_reads_them() -> None:
    files = sorted(REAL.glob("*.mat"))
    assert len(files) == 861
    for file in files[::20]:
        assert np.array_equal(read_mat_array(file.read_bytes(), "d_skel"), loadmat(file)["d_skel"])
