"""A tiny data set, a tiny configuration and a trained run, made through the command line itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml
from cli_helpers import skelact

ACTIONS = ("wave", "kick", "sit_down")
CONFIG = {
    "name": "tiny",
    "pipeline": {"sampling": {"n_frames": 16}, "augment": {"rotate": 0.2}},
    "model": {"channels": [16, 16], "stride_blocks": [1], "dropout": 0.1},
    "train": {"epochs": 2, "batch_size": 4, "warmup_epochs": 1.0, "ema": 0.9, "device": "cpu"},
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that the tests start: sums depend on how they are shared out."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw NTU files of three actions by four people."""
    from skelact.datasets.synthetic import write_ntu_folder

    folder = tmp_path_factory.mktemp("raw") / "skeletons"
    write_ntu_folder(folder, actions=ACTIONS, subjects=(1, 2, 3, 4), repetitions=(1,), cameras=(2,))
    return folder


@pytest.fixture(scope="session")
def dataset(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, converted, with parts by subject."""
    path = tmp_path_factory.mktemp("data") / "set.h5"
    assert skelact("convert", raw, "--out", path, "--split", "0.5", "0.25", "0.25").code == 0
    return path


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration that trains in a second."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture(scope="session")
def trained(config: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; tests must not change it."""
    out = tmp_path_factory.mktemp("runs")
    assert skelact("train", config, "--data", dataset, "--out", out).code == 0
    return out / "tiny"


@pytest.fixture
def no_file_above() -> Callable[[int], AbstractContextManager[None]]:
    """``with no_file_above(n):`` makes every write beyond n bytes of a file fail, as a full disk does.

    Not longer than that: where pytest's output is a file, it could not be written either.
    """
    resource = pytest.importorskip("resource")

    @contextmanager
    def limit(n_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
