"""Convert the real sets, train every recipe of the results table, test, and print the table.

python tools/reproduce_results.py DATA_FOLDER [OUT_FOLDER] [RECIPE ...] [--seeds 0 1 2] [--stream joint]

One line per network: top-1 on the test part (the mean of a set's folds), mean and standard deviation over the seeds.
A run that was stopped continues; what was tested before is not tested again.
"""

import argparse
import json
import re
import statistics
import sys
from collections import defaultdict
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


def call(*words: str) -> None:
    """Run a command of skelact; ends the program with its exit code if it fails."""
    code = run(list(words))
    if code:
        sys.exit(code)


def networks(recipe: str, only: str) -> tuple[list[str], list[str]]:
    """What follows "skelact train" for a recipe, and the streams of each of its networks ("": as configured)."""
    words, streams = FUSED.get(recipe, ([f"{recipe}.yaml"], ("",)))
    words = [str(CONFIGS / word) if word.endswith(".yaml") else word for word in words]
    return words, [stream for stream in streams if only in ("", stream)]


def test(run_folder: Path, file: Path) -> float:
    """Top-1 on the test part, in percent; the evaluation's own file if it was made before."""
    made = sorted(run_folder.glob("evaluation-*/metrics.json"))
    if not made:
        call("evaluate", str(run_folder), str(file))
        made = sorted(run_folder.glob("evaluation-*/metrics.json"))
    return 100 * json.loads(made[0].read_text())["top1"]


def main() -> None:
    """Run every recipe with every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the recordings")
    parser.add_argument("out", type=Path, nargs="?", default=Path("results"))
    parser.add_argument("recipes", nargs="*", default=RECIPES, metavar="RECIPE", help=", ".join(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--stream", default="", help="only the network of these streams, such as 'joint'")
    options = parser.parse_args()
    for recipe in options.recipes:
        if recipe not in RECIPES:
            parser.error(f"there is no recipe '{recipe}'; known: {', '.join(RECIPES)}")
        if not networks(recipe, options.stream)[1]:
            parser.error(
                f"no network of {recipe} sees '{options.stream}'; its networks: {networks(recipe, '')[1]}"
            )
    runs = options.out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    top1: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for recipe in options.recipes:
        benchmark = next(name for name in SOURCES if recipe.startswith(name))
        file = options.out / f"{benchmark}.h5"
        if not file.exists():
            source = options.data / SOURCES[benchmark]
            call("convert", str(source), "--out", str(file), "--benchmark", benchmark)
        words, streams = networks(recipe, options.stream)
        for seed in options.seeds:
            mark = f"_seed{seed}" if seed else ""
            members = []
            for stream in streams:
                name = recipe + (f"_{stream.replace(' ', '+')}" if stream else "") + mark
                given = ["--pipeline.streams", *stream.split()] if stream else []
                common = ["--data", str(file), "--out", str(runs), "--train.seed", str(seed)]
                call("train", *words, *common, *given, "--name", name)
                members.append(runs / name)
                top1[f"{re.sub('fold[0-9]', 'folds', recipe)} {stream}"][seed].append(test(members[-1], file))
            if len(members) > 1:
                fused = runs / f"{recipe}_fused{mark}"
                if not (fused / "best.safetensors").exists():
                    call("fuse", *map(str, members), "--data", str(file), "--out", str(fused))
                top1[f"{re.sub('fold[0-9]', 'folds', recipe)} fused"][seed].append(test(fused, file))
    for name, by_seed in top1.items():
        means = [statistics.mean(values) for values in by_seed.values()]
        spread = f" ± {statistics.stdev(means):.1f}" if len(means) > 1 else ""
        each = ", ".join(f"{value:.1f}" for value in means)
        print(f"{name}: {statistics.mean(means):.1f}{spread} (seeds {', '.join(map(str, by_seed))}: {each})")


if __name__ == "__main__":
    main()
