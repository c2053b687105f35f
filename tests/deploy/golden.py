"""Records what helm makes of every file in the chart's ci/: `python tests/deploy/golden.py`. Read the diff before you
commit it."""

import pathlib

import chart

if __name__ == "__main__":
    folder = pathlib.Path(__file__).with_name("golden")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.yaml"):
        old.unlink()
    for case in chart.CASES:
        (folder / case.name).write_text(chart.recorded_text(case), encoding="utf-8")
