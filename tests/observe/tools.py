"""Debian's programs that the tests use, and the files they judge."""

import json
import pathlib
import shutil
import subprocess

import pytest
import yaml

from server import ROOT

RULES = sorted((ROOT / "deploy/helm/batucada/files/rules").glob("*.yaml"))
DASHBOARDS = sorted((ROOT / "deploy/helm/batucada/files/dashboards").glob("*.json"))


def program(name, package):
    """Its path. `./dev deps test` installs it; only a distribution without the package goes without the test."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        known = subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode == 0
        assert not known, f"{name} is missing: ./dev deps test installs {package}"
        pytest.skip(f"{name} is not there, and this distribution has no {package}")
    return path


def promtool(*arguments, text=None):
    """Runs promtool; its output. Fails if it complains."""
    done = subprocess.run([program("promtool", "prometheus"), *map(str, arguments)], input=text, capture_output=True,
                          text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def rules():
    """Every rule of every group."""
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def dashboards():
    return [json.loads(path.read_text()) for path in DASHBOARDS]
