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
RECIPES = ["natops_stgcn", *(f"sbu_stgcn_fold{k}" for k in range(1, 6)), "utd_mhad_stgcn", "nw_ucla_stgcn"]


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
        run(["train", str(configs / f"{recipe}.yaml"), "--data", str(file), "--out", str(out / "runs")])
        run(["evaluate", str(out / "runs" / recipe), str(file)])


if __name__ == "__main__":
    main()
