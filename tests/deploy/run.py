"""Runs the deployment's tests with pytest: `BATUCADA_BINARY=… python tests/deploy/run.py [pytest arguments]`."""

import pathlib
import sys

import pytest

if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    # Nothing is written into the tree: no cache, no bytecode.
    options = ["-p", "no:cacheprovider", "--rootdir", str(here), "--timeout", "600", "-q", "--durations=5"]
    sys.dont_write_bytecode = True
    sys.exit(pytest.main([*options, str(here), *sys.argv[1:]]))
