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
FUSED = ["nw_ucla_skelactnet"]  # one network per stream, and all of them fused
STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
RECIPES = [
    "natops_stgcn",
    *(f"sbu_stgcn_fold{k}" for k in range(1, 6)),
    "utd_mhad_stgcn",
    "nw_ucla_stgcn",
    *FUSED,
]


def main() -> None:
    """Run every recipe."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "results")
    configs = Path(__file__).parents[1] / "configs"
    out.mkdir(exist_ok=True)
    for recipe in sys.argv[3:] or RECIPES:
        benchmark = next(name for name in SOURCES if recipe.startswith(name))
        file = out / f"{benchmark}.h5"
        if not file.exists():
            run(["convert", str(data / SOURCES[benchmark]), "--out", str(file), "--benchmark", benchmark])
        train = ["train", str(configs / f"{recipe}.yaml"), "--data", str(file), "--out", str(out / "runs")]
        runs = [str(out / "runs" / (f"{recipe}_{s}" if recipe in FUSED else recipe)) for s in STREAMS]
        if recipe in FUSED:
            for stream, name in zip(STREAMS, runs, strict=True):
                run([*train, "--pipeline.streams", stream, "--name", Path(name).name])
            run(["fuse", *runs, "--data", str(file), "--out", str(out / "runs" / f"{recipe}_fused")])
            run(["evaluate", str(out / "runs" / f"{recipe}_fused"), str(file)])
        else:
            run(train)
            run(["evaluate", runs[0], str(file)])


if __name__ == "__main__":
    main()
