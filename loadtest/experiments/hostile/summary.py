"""Every hostile experiment, one after the other, and a table of what they showed.

    python loadtest/experiments/hostile/summary.py [--build BUILD] [NAME…]

Each experiment prints its own table (scene.py); this one has a row for each of their scenes: the server's resident memory
before, at its peak and after, and what /health/live and a one-token completion took a bystander before, during and after.
"""

import argparse
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).parent


def scenes(text):
    """(title, {phase: cells}) of every table in the output of an experiment."""
    title, rows = "", {}
    for line in [*text.split("\n"), "end"]:
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if not line.startswith("|"):
            if rows:
                yield title, rows
                rows = {}
            title = line.strip() or title
        elif len(cells) >= 6 and cells[0] not in ("phase", "---"):
            rows[cells[0]] = cells[1:]


def row(name, title, rows):
    before, after = rows["before"], rows["after"]
    during = [cells for phase, cells in rows.items() if phase not in ("before", "after")]
    peak = max(int(cells[2]) for cells in rows.values())
    return [f"`{name}`: {title}", f"{before[1]} → {peak} → {after[1]}",
            *(f"{before[asked]} → {'; '.join(cells[asked] for cells in during)} → {after[asked]}" for asked in (3, 4))]


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--build", type=pathlib.Path, default=FOLDER.parents[2] / "build/release", help="of the server")
    flags.add_argument("names", nargs="*", help="of experiments; all where none is said")
    options = flags.parse_args()
    others = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("scene", "summary"))
    failed, made = [], []
    for name in options.names or others:
        done = subprocess.run([sys.executable, FOLDER / f"{name}.py", "--build", options.build], capture_output=True, text=True,
                              check=False)
        print(f"== {name}: {done.returncode}\n{done.stdout}{done.stderr}", file=sys.stderr, flush=True)
        if done.returncode != 0:
            failed.append(name)
        made += [row(name, *scene) for scene in scenes(done.stdout) if {"before", "after"} <= set(scene[1])]
    heads = ["what is tried", "resident MiB: before → peak → after", "live ms, p50 and max: before → during → after",
             "one token ms, p50 and max: before → during → after"]
    for cells in (heads, ["---"] * len(heads), *made):
        print("| " + " | ".join(cells) + " |")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
