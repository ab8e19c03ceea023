"""``skelact fuse RUN RUN ...``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.options import OwnModels, named, need_at_least, parse, use_own
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import ConfigError, counted

HELP = """Join trained networks (streams, families, seeds) into one checkpoint that answers for all of them.

  skelact train CONFIG.yaml --pipeline.streams joint --name j --data.val 0.15
  skelact train CONFIG.yaml --pipeline.streams bone  --name b --data.val 0.15
  skelact fuse runs/j runs/b --out runs/fused
  skelact evaluate runs/fused data.h5 --split xsub/test

The weights of the members' scores are fitted on the validation clips that all of them left out. Better, on
all training clips: train each also on k folds, and name these runs too (in any order); they only give the weights:

  for i in 1 2 3 4 5; do skelact train CONFIG.yaml --pipeline.streams joint --name j$i --data.fold $i/5; done
  skelact train CONFIG.yaml --pipeline.streams joint --name j --data.val 0         (bone likewise)
  skelact fuse runs/j runs/b runs/j1 runs/j2 ... runs/b5 --out runs/fused

--mode svm fits linear SVMs on the scores instead of weights."""


@dataclass
class Options:
    """Options of fuse.

    Args:
        checkpoints: checkpoint files or run folders.
        out: folder of the fused checkpoint.
        data: skelact file; the one the first was trained on if not given.
        videos: folder of the clips' videos, for networks that see pictures; the one the first was trained with if not
            given.
        equal: give all the same weight instead of fitting.
        mode: weights (of the members' log-probabilities), or svm: linear machines on their scores, one for every
            subset of members, so that one whose stream is missing lowers nothing.
        batch_size: clips at once.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
        model: your own class (module:Class) that the checkpoint is of, if it is; its code is run. Can be repeated.
    """

    checkpoints: Annotated[tuple[str, ...], tyro.conf.Positional, named("CHECKPOINT")] = ()
    out: str = "runs/fused"
    data: Annotated[str, named("DATA.h5")] = ""
    videos: Annotated[str, named("FOLDER")] = ""
    equal: bool = False
    mode: Literal["weights", "svm"] = "weights"
    batch_size: int = 64
    device: str = "auto"
    model: OwnModels = ()


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "fuse", HELP)
    if len(options.checkpoints) < 2:
        raise ConfigError("name at least two checkpoints: skelact fuse runs/A runs/B --out runs/fused")
    ui.result(fuse(options, ui))
    return 0


def fuse(options: Options, ui: UI) -> dict:
    """Fuse checkpoints; returns what ``--json`` prints."""
    from skelact.io.outputs import check_output, holding
    from skelact.recognition.checkpoint import find_checkpoint

    need_at_least(1, batch_size=options.batch_size)
    if options.equal and options.mode == "svm":
        raise ConfigError("--equal gives weights without fitting, and --mode svm is fitted; leave one out")
    use_own(options.model)
    inputs = [find_checkpoint(path) for path in options.checkpoints]
    check_output(Path(options.out) / "best.safetensors", inputs)
    with holding(options.out, inputs, folder=True):
        return _fuse(options, ui)


def _fuse(options: Options, ui: UI) -> dict:
    from skelact.recognition.ensemble import join_checkpoints, save_ensemble, streams_of

    ensemble = join_checkpoints(options.checkpoints, device=options.device)
    figures: dict[str, Any] = {}
    if any(fold_of_member(m) for m in ensemble.members):
        figures = fit_out_of_fold(ensemble, options, ui)
    elif options.equal:
        ensemble.weights = [1 / len(ensemble.members)] * len(ensemble.members)
    else:
        figures = fit_on_validation(ensemble, options, ui)
    path = save_ensemble(Path(options.out) / "best.safetensors", ensemble)
    rows = [
        [
            m.name,
            m.card.model["name"],
            ", ".join(streams_of(m)),
            f"{w:.2f}" if ensemble.svm is None else "svm",
            *shown,
        ]
        for m, w, shown in zip(
            ensemble.members,
            ensemble.weights,
            [[percent(a)] for a in figures.get("alone", [])] or [[]] * len(ensemble.members),
            strict=True,
        )
    ]
    where = "out-of-fold" if figures.get("folds") else "validation"
    heads = ["member", "network", "streams", "weight", *([f"{where} top-1"] if figures else [])]
    ui.table(heads, rows)
    if figures:
        ui.done(f"fused: {percent(figures['fused'])} on {counted(figures['clips'], f'{where} clip')}")
    ui.done(f"checkpoint {path}")
    test = ensemble.card.config.get("data", {}).get("test")
    data = options.data or ensemble.card.config.get("data", {}).get("path") or "DATA.h5"
    own = [word for name in options.model for word in ("--model", name)]
    ui.next(command_line("evaluate", options.out, data, *(["--split", test] if test else []), *own))
    return {"checkpoint": str(path), "mode": options.mode, "weights": ensemble.weights, **figures}


def open_set(ensemble: Any, options: Options) -> Any:
    """The set that the weights are fitted on."""
    from skelact.datasets.skeleton_set import SkeletonSet

    path = options.data or ensemble.card.config.get("data", {}).get("path", "")
    if not path:
        raise ConfigError(
            "the checkpoints name no data; name a skelact file with --data DATA.h5, or use --equal"
        )
    return SkeletonSet.open(path)


def videos_of(ensemble: Any, options: Options) -> str:
    """The folder of the set's videos."""
    return options.videos or ensemble.card.config.get("data", {}).get("videos", "")


def fold_of_member(member: Any) -> str:
    """``i/k`` of a network that was trained on all folds but the i-th; else empty."""
    return member.card.config.get("data", {}).get("fold", "")


def fit_out_of_fold(ensemble: Any, options: Options, ui: UI) -> dict[str, Any]:
    """Weights from what networks say of clips that they were not trained on, all training clips once.

    Networks with the same settings but for the fold belong together. In the fused network they are represented
    by the one of these settings that has no fold; where there is none, by all of them with equal shares.

    Raises:
        ConfigError: if a fold is missing or double, or the folds of different networks are not the same.
    """
    import torch

    from skelact.datasets.parts import DataSettings, choose_parts, read_fold
    from skelact.evaluate.fusion import fit_fusion_weights
    from skelact.settings import from_plain

    data = open_set(ensemble, options)
    families: dict[str, tuple[list[Any], dict[int, Any]]] = {}  # whole networks, networks by fold
    sizes = set()
    for member in ensemble.members:
        whole, folds = families.setdefault(network_key(member.card), ([], {}))
        if not fold_of_member(member):
            whole.append(member)
            continue
        i, k = read_fold(fold_of_member(member))
        sizes.add(k)
        if i in folds:
            raise ConfigError(
                f"{folds[i].name} and {member.name} are networks of the same fold {i}/{k}; name one"
            )
        folds[i] = member
    if len(sizes) > 1:
        raise ConfigError(
            f"the networks have folds of different numbers: {sorted(sizes)}; train all on the same"
        )
    k = sizes.pop()
    members, shares, logits = [], [], []
    kept: Any = None
    for whole, folds in families.values():
        missing = sorted(set(range(1, k + 1)) - set(folds))
        if missing:
            name = (whole or list(folds.values()))[0].name
            raise ConfigError(
                f"the network of {name} lacks folds {', '.join(f'{i}/{k}' for i in missing)}; train them with "
                f"--data.fold {missing[0]}/{k} and the same settings"
            )
        clips, outputs = [], []
        with ui.progress("out of fold") as update:
            for i in sorted(folds):
                settings = from_plain(DataSettings, folds[i].card.config["data"], f"{folds[i].name}: data")
                _, val = choose_parts(data, settings)
                assert val is not None  # a fold always leaves clips out
                val = val[data.labels[val] >= 0]
                one = replace(ensemble, members=[folds[i]], weights=[1.0])
                one.attach_pictures(data, val, videos_of(ensemble, options))
                clips.append(val)
                outputs.append(one.member_logits(data, val, options.batch_size, progress=update)[0][:, 0])
        order = torch.cat(clips).argsort()
        left_out = torch.cat(clips)[order]
        if kept is not None and not torch.equal(kept, left_out):
            raise ConfigError(
                "the folds of the networks are of different clips; train all with the same data settings"
            )
        kept = left_out
        logits.append(torch.cat(outputs)[order])
        named = whole or [folds[i] for i in sorted(folds)]
        members += named
        shares += [(len(logits) - 1, 1 / len(named))] * len(named)
    labels = data.labels[kept]
    weights = [1 / len(logits)] * len(logits)
    if options.mode == "svm":
        ensemble.svm = svm_of(logits, labels, len(members))
    elif not options.equal:
        weights = fit_fusion_weights(torch.stack(logits).numpy(), labels.numpy()).tolist()
    fused = sum(w * z.log_softmax(-1) for w, z in zip(weights, logits, strict=True))
    assert isinstance(fused, torch.Tensor)
    if ensemble.svm is not None:
        fused = ensemble.svm(torch.stack(logits))
    alone = [float((z.argmax(1) == labels).float().mean()) for z in logits]
    ensemble.members, ensemble.card = members, members[0].card
    ensemble.weights = [round(weights[g] * share, 6) for g, share in shares]
    return {
        "clips": len(kept),
        "folds": k,
        "alone": [alone[g] for g, _ in shares],
        "fused": float((fused.argmax(1) == labels).float().mean()),
    }


def network_key(card: Any) -> str:
    """The same for networks of the same settings, whatever version of skelact wrote their cards."""
    from skelact.datasets.pipeline import Pipeline
    from skelact.models import ModelSettings
    from skelact.settings import from_plain, to_plain

    plain = from_plain(ModelSettings, card.model, "model"), from_plain(Pipeline, card.pipeline, "pipeline")
    return repr([to_plain(one) for one in plain])


def fit_on_validation(ensemble: Any, options: Options, ui: UI) -> dict[str, Any]:
    """Set the ensemble's weights from the clips that all members left out for validation."""
    import numpy as np
    import torch

    from skelact.evaluate.fusion import fit_fusion_weights

    data = open_set(ensemble, options)
    clips = common_validation(ensemble, data)
    labels = data.labels[clips]
    with ui.progress("reading pictures") as update:
        ensemble.attach_pictures(data, clips, videos_of(ensemble, options), progress=update)
    with ui.progress("validating") as update:
        logits = ensemble.member_logits(data, clips, options.batch_size, progress=update)
    scores = torch.cat(logits, 1).transpose(0, 1)
    if options.mode == "svm":
        ensemble.svm = svm_of([z[:, 0] for z in logits], labels, len(logits))
    else:
        fitted = fit_fusion_weights(scores.numpy(), labels.numpy())
        ensemble.weights = [round(float(w), 6) for w in fitted]
    fused = ensemble.combine([z[:, 0] for z in logits])
    return {
        "clips": len(clips),
        "alone": [float((z[:, 0].argmax(1) == labels).float().mean()) for z in logits],
        "fused": float(np.mean((fused.argmax(1) == labels).numpy())),
    }


def svm_of(logits: list[Any], labels: Any, n_members: int) -> Any:
    """The machines on the members' scores; logits ``[N, K]`` of each kind of member.

    Raises:
        ConfigError: if a kind of member has several networks, which would need an input each.
    """
    import torch

    from skelact.evaluate.score_svm import fit_score_svm

    if n_members != len(logits):
        raise ConfigError(
            f"--mode svm needs one network of each kind without a fold, got {n_members} networks of {len(logits)} "
            "kinds; name also those trained with --data.val 0"
        )
    return fit_score_svm(torch.stack(logits).numpy(), labels.numpy())


def common_validation(ensemble: Any, data: Any) -> Any:
    """Clips that every member held out for validation.

    Raises:
        ConfigError: if there are none.
    """
    import torch

    from skelact.datasets.parts import DataSettings, choose_parts
    from skelact.settings import from_plain

    common: set[int] | None = None
    for member in ensemble.members:
        settings = from_plain(DataSettings, member.card.config.get("data", {}), f"{member.name}: data")
        _, val = choose_parts(data, settings)
        mine = set() if val is None else set(val.tolist())
        if not mine:
            raise ConfigError(
                f"{member.name} was trained without validation clips, so no weights can be fitted; train with "
                "--data.val 0.15 (the same for all members), or give all the same weight with --equal"
            )
        common = mine if common is None else common & mine
    if not common:
        raise ConfigError(
            "the members left out different validation clips, with none in common; train all with the same "
            "data settings and --data.val-seed, or use --equal"
        )
    labels = data.labels
    return torch.tensor([c for c in sorted(common) if labels[c] >= 0], dtype=torch.int64)
