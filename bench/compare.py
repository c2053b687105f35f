"""A regression gate over figures of batucada-bench or kernels_cuda_bench (--json).

    python bench/compare.py OLD NEW [--loss 3] [--by value|share]

OLD and NEW are each one JSON file, or several with commas between them: runs of the same program on the same machine.
Of each figure the median of the runs is compared. Ends with 1, and names them, if a figure of NEW is worse than OLD's
by more than --loss percent and by more than the runs of OLD, or those of NEW, differ among themselves; if a figure of
OLD is missing in NEW; or if there is nothing to compare. With --by share what is compared is the share of the floor, which
is measured in the same run: for runs on different cards of one kind.
"""

import argparse
import json
import statistics
import sys

# Units of which less is better. Everything else is a rate.
TIMES = {"s", "ms", "us", "ns", "ms/step", "us/step"}


def read(paths, by):
    """{name: [value of each run]}, larger is better."""
    figures = {}
    for path in paths.split(","):
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        for figure in run:
            if figure["name"].startswith("ceiling/"):
                continue  # the card's, not ours
            if by == "share":
                if figure["floor"] <= 0:
                    continue
                value = figure["share_of_floor"]
            else:
                value = 1 / figure["value"] if figure["unit"] in TIMES else figure["value"]
            figures.setdefault(figure["name"], []).append(value)
    return figures


def spread(values):
    """How far runs lie apart, as a part of their median."""
    return (max(values) - min(values)) / statistics.median(values)


def compare(old, new, loss):
    """(lines of a table, what is wrong)"""
    lines, wrong = [], []
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            wrong.append(f"{name}: not measured any more")
            continue
        change = statistics.median(after) / statistics.median(before) - 1
        noise = max(spread(before), spread(after))
        bad = -change > loss + noise
        lines.append((change, f"{name:<48} {100 * change:+7.1f}%   noise {100 * noise:4.1f}%{'   LOSS' if bad else ''}"))
        if bad:
            wrong.append(f"{name}: {100 * -change:.1f}% slower, noise {100 * noise:.1f}%")
    if not old:
        wrong.append("nothing to compare: the old runs have no figures")
    return [line for _, line in sorted(lines)], wrong


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--loss", type=float, default=3, help="percent that may be lost")
    parser.add_argument("--by", choices=["value", "share"], default="value")
    options = parser.parse_args(arguments)
    lines, wrong = compare(read(options.old, options.by), read(options.new, options.by), options.loss / 100)
    print("\n".join(lines))
    for what in wrong:
        print(what, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
