"""The clients' Python environments: one for each list in tests/clients/requirements, under build/clients.

A list holds everything that its clients need, with versions, as they were resolved once; it is installed as it is. What a
client names and does not need here is left out (most of what torch brings); which Python a package asks for is not
looked at."""

import hashlib
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTS = pathlib.Path(__file__).resolve().parent / "requirements"
HOME = ROOT / "build/clients"


def bin_of(name):
    """The folder of the environment's programs; made now if it is not there or the list has changed."""
    requirements, folder = LISTS / f"{name}.txt", HOME / name
    stamp = folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Installing {requirements.relative_to(ROOT)} into {folder.relative_to(ROOT)}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
                        "--no-input", "--no-deps", "--no-compile", "--ignore-requires-python", "-r", str(requirements)], check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def versions():
    """[(client, version)]: the first lines of every list, down to its first comment."""
    for path in sorted(LISTS.glob("*.txt")):
        for line in path.read_text().splitlines()[1:]:
            if line.startswith("#"):
                break
            yield tuple(line.split("=="))
