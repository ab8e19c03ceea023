"""What pictures share: they are cut to what is drawn, and written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from skelact.errors import DataError
from skelact.evaluate.figures import _DPI, _MARGIN, draw_figure, without_border


def test_white_beside_what_is_drawn_is_cut_off() -> None:
    picture = np.full((90, 120, 3), 255, np.uint8)
    picture[20, 30], picture[49, 99] = (255, 254, 255), 0
    cut = without_border(picture)
    assert cut.shape == (30 + 2 * _MARGIN, 70 + 2 * _MARGIN, 3)
    assert (cut[_MARGIN, _MARGIN] == (255, 254, 255)).all() and (cut[-_MARGIN - 1, -_MARGIN - 1] == 0).all()
    assert (cut[:_MARGIN] == 255).all() and (cut[:, -_MARGIN:] == 255).all()
    picture[:] = 255
    assert without_border(picture).shape == picture.shape


def test_a_figure_is_as_large_as_it_says_and_less_its_border(tmp_path: Path) -> None:
    with draw_figure(tmp_path / "a.png", (4.0, 2.0)) as (_, axes):
        axes[0, 0].plot([0, 1], [0, 1])
    height, width = imread(tmp_path / "a.png").shape[:2]
    assert 3.5 * _DPI < width <= 4 * _DPI + 2 * _MARGIN and 1.5 * _DPI < height <= 2 * _DPI + 2 * _MARGIN


def test_nothing_is_left_of_a_figure_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), draw_figure(tmp_path / "a.png", (4.0, 2.0)):
        raise ZeroDivisionError
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"), draw_figure(tmp_path / "file" / "a.png", (4.0, 2.0)):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
