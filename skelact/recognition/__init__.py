"""Recognition with trained checkpoints: one network or several fused, on sets and on recordings."""

from skelact.recognition.ensemble import Ensemble, Member, load_ensemble, load_model, save_ensemble
from skelact.recognition.fit import fit_input
from skelact.recognition.recogniser import Recogniser, Recognition, Segment, join_windows

__all__ = [
    "Ensemble",
    "Member",
    "Recogniser",
    "Recognition",
    "Segment",
    "fit_input",
    "join_windows",
    "load_ensemble",
    "load_model",
    "save_ensemble",
]
