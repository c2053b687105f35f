"""Runs the clients that people use, unchanged and started as they start them, against the real program:
`./dev test clients`, or `BATUCADA_BINARY=… python tests/clients/run.py [pytest arguments]`."""

import pathlib
import sys

import pytest

if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    options = ["-p", "no:cacheprovider", "--rootdir", str(here), "--timeout", "900", "-q", "--durations=5"]
    sys.dont_write_bytecode = True
    sys.exit(pytest.main([*options, str(here), *sys.argv[1:]]))
