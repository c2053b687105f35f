"""Runs the integration tests with pytest: `BATUCADA_BINARY=… python tests/integration/run.py [K/N] [pytest arguments]`.

K/N: only every Nth file, from the Kth on, so that N runs side by side do all.
"""

import pathlib
import re
import sys

import pytest

if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    arguments = sys.argv[1:]
    files = [here]
    if arguments and (part := re.fullmatch(r"(\d+)/(\d+)", arguments[0])):
        arguments.pop(0)
        files = sorted(here.glob("test_*.py"))[int(part[1]) - 1 :: int(part[2])]
    # Nothing is written into the tree: no cache, no bytecode.
    options = ["-p", "no:cacheprovider", "--rootdir", str(here), "--timeout", "900", "-q", "--durations=5"]
    sys.dont_write_bytecode = True
    sys.exit(pytest.main([*options, *map(str, files), *arguments]))
