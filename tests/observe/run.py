"""Runs the tests of metrics, rules, dashboards and traces: `BATUCADA_BINARY=… python tests/observe/run.py [pytest
arguments]`."""

import pathlib
import sys

import pytest

if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent / "integration"))  # server.py
    # Nothing is written into the tree: no cache, no bytecode.
    options = ["-p", "no:cacheprovider", "--rootdir", str(here), "--timeout", "600", "-q", "--durations=5"]
    sys.dont_write_bytecode = True
    sys.exit(pytest.main([*options, str(here), *sys.argv[1:]]))
