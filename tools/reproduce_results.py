"""Convert the real sets, train every recipe of the results table, test once, and print the table.

python tools/reproduce_results.py DATA_FOLDER [OUT_FOLDER] [RECIPE ...]
"""

import sys
from pathlib import Path

from skelact.cli import run

SOURCES = {
    "nw_ucla": "nw-ucla",
    "utd_mhad": "utd-mhad/skeleton",
    "natops": "natops",
    "sbu": "sbu-interaction",
}
FOUR = ("joint", "bone", "joint_motion", "bone_motion")
THREE = ("joint", "joint bone joint_motion", "bone")
TOGETHER = ("joint partner", "joint bone joint_motion partner", "bone partner")
# One network per entry, and all of them fused: (what follows "skelact train", the networks' streams).
FUSED = {
    "nw_ucla_skelactnet": (["nw_ucla_skelactnet.yaml"], FOUR),
    "natops_default": (["--pipeline.normalise.centre", "none"], (*THREE, "joint_motion")),  # arms alone
    "utd_mhad_default": ([], THREE),
    **{
        f"sbu_default_fold{k}": (["--data.train", f"fold{k}/train", "--train.epochs", "20"], TOGETHER)
        for k in range(1, 6)
    },
}
RECIPES = [
    "natops_stgcn",
    *(f"sbu_stgcn_fold{k}" for k in range(1, 6)),
    "utd_mhad_stgcn",
    "nw_ucla_stgcn",
    *FUSED,
]
CONFIGS = Path(__file__).parents[1] / "configs"


def train(recipe: str, words: list[str], streams: tuple[str, ...], file: Path, runs: Path) -> Path:
    """Train a network, or one per entry of ``streams`` and fuse them; returns what is to be evaluated."""
    words = [str(CONFIGS / word) if word.endswith(".yaml") else word for word in words]
    common = ["train", *words, "--data", str(file), "--out", str(runs)]
    if not streams:
        run(common)
        return runs / recipe
    members = [runs / f"{recipe}_{stream.replace(' ', '+')}" for stream in streams]
    for stream, member in zip(streams, members, strict=True):
        run([*common, "--pipeline.streams", *stream.split(), "--name", member.name])
    run(["fuse", *map(str, members), "--data", str(file), "--out", str(runs / f"{recipe}_fused")])
    return runs / f"{recipe}_fused"


def main() -> None:
    """Run every recipe."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "results")
    out.mkdir(exist_ok=True)
    for recipe in sys.argv[3:] or RECIPES:
        benchmark = next(name for name in SOURCES if recipe.startswith(name))
        file = out / f"{benchmark}.h5"
        if not file.exists():
            run(["convert", str(data / SOURCES[benchmark]), "--out", str(file), "--benchmark", benchmark])
        words, streams = FUSED.get(recipe, ([f"{recipe}.yaml"], ()))
        run(["evaluate", str(train(recipe, words, streams, file, out / "runs")), str(file)])


if __name__ == "__main__":
    main()
