import os

import pytest

from server import BINARY


def pytest_sessionstart(session):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: build it, or set BATUCADA_BINARY", returncode=2)
