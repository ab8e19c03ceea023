"""A vocabulary as ONNX gives the same answers, features and all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from gesture_recordings import recordings

from skelact.errors import ConfigError, DependencyError
from skelact.io.mp_signs import iter_mp_signs
from skelact.io.uea import iter_uea
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_examples import Example, make_example
from skelact.recognition.taught_export import ExportedVocabulary, export_vocabulary
from skelact.transforms.gesture_form import GESTURE_LAYOUT, mirrored_form


def taught(clips: dict[str, list], either_hand: bool = False) -> Vocabulary:
    vocabulary = Vocabulary(either_hand=either_hand)
    for name, some in clips.items():
        vocabulary.add(name, [make_example(clip) for clip in some[:3]], strict=False)
    return vocabulary


def same(vocabulary: Vocabulary, folder: Path, examples: list[Example]) -> None:
    xyz, present = np.stack([e.xyz for e in examples]), np.stack([e.present for e in examples])
    vectors, scores = ExportedVocabulary(export_vocabulary(vocabulary, folder))(xyz, present)
    expected = vocabulary.encode(xyz, present)
    assert vectors == pytest.approx(expected, abs=1e-4)
    assert scores == pytest.approx(vocabulary.scores(expected), abs=1e-4)
    assert scores.shape == (len(examples), len(vocabulary))
    alone = ExportedVocabulary(folder)(xyz[:1], present[:1])  # one window at a time, too
    assert alone[1] == pytest.approx(scores[:1], abs=1e-5)


@pytest.mark.parametrize("either_hand", [pytest.param(False, marks=pytest.mark.slow), True])
def test_onnxruntime_answers_as_torch(tmp_path: Path, either_hand: bool) -> None:
    clips = recordings(3, 5)
    vocabulary = taught(clips, either_hand)
    examples = [make_example(clip) for some in clips.values() for clip in some[3:]]
    left = [Example(*mirrored_form(e.xyz, e.present), e.seconds, e.layout) for e in examples]
    same(vocabulary, tmp_path, [*examples, *left])
    plain = json.loads((tmp_path / "gestures.json").read_text())
    assert [g["name"] for g in plain["gestures"]] == vocabulary.names
    assert [g["threshold"] for g in plain["gestures"]] == [g.threshold for g in vocabulary.gestures.values()]
    assert plain["either_hand"] is either_hand and plain["joints"] == list(GESTURE_LAYOUT.joints)
    assert len(plain["sources"]) == len(GESTURE_LAYOUT)


@pytest.mark.slow
def test_real_signs(tmp_path: Path, shared_data: Path) -> None:
    clips: dict[str, list] = {}
    for clip in iter_mp_signs(shared_data / "mp-signs" / "signer01.npz"):
        clips.setdefault(str(clip.label), []).append(clip)
    vocabulary = taught(clips)
    same(vocabulary, tmp_path, [make_example(clip) for some in clips.values() for clip in some[3:23]])


@pytest.mark.slow
def test_real_signals_of_arms(tmp_path: Path, shared_data: Path) -> None:
    clips: dict[str, list] = {}
    for clip in iter_uea(shared_data / "natops" / "NATOPS_TRAIN.ts"):
        clips.setdefault(str(clip.label), []).append(clip)
    same(taught(clips), tmp_path, [make_example(clip) for some in clips.values() for clip in some[3:13]])


def test_what_cannot_be_exported_or_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="empty"):
        export_vocabulary(Vocabulary(), tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfigError, match="no exported vocabulary"):
        ExportedVocabulary(tmp_path)
    export_vocabulary(taught(recordings(1, 3)), tmp_path)
    (tmp_path / "gestures.onnx").write_bytes(b"broken")
    with pytest.raises(DependencyError, match="cannot be read"):
        ExportedVocabulary(tmp_path)
