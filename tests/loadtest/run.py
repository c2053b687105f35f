"""Runs the tests of the real tool against the real server: `python tests/loadtest/run.py [pytest arguments]`."""

import pathlib
import sys

import pytest

if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent / "integration"))  # the server as a child process
    options = ["-p", "no:cacheprovider", "--rootdir", str(here), "--timeout", "600", "-q"]
    sys.dont_write_bytecode = True
    sys.exit(pytest.main([*options, str(here), *sys.argv[1:]]))
