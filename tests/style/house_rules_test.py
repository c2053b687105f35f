"""House rules that a compiler does not know: size, tabs, guards, and nothing of any one machine in the tree."""

import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

MAX_LINES = 500
# Longer on purpose, and why.
LONG = {
    "tests/text/jinja/snippets.py": 2000,  # a table of templates
}

CODE = {".h", ".cc", ".cu", ".cuh", ".proto", ".py", ".cmake", ".sh"}
TEXT = CODE | {".md", ".txt", ".yaml", ".yml", ".toml", ".supp", ""}
# Books, goldens and model files are data.
DATA = ("models/", "tests/golden/texts/", "tests/deploy/golden/", "build/", ".git/")

# Links may lead to papers, to what we speak with and to made-up hosts, and SVG names its namespace; anything else dates or depends on a machine.
HOSTS = re.compile(r"(arxiv\.org|github\.com|huggingface\.co|www\.w3\.org|www\.apache\.org|localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]|([a-z]+\.)?example\.(com|org)"
                   r"|[a-z]\.[a-z])$|.*[${}<>%]|$")
URL = re.compile(r"https?://(\[[^\]]*\]|[^/:\s\"'`)\]]*)")
PERSONAL_PATH = re.compile(r"(?<![\w.$}/*-])/(?:" + "|".join(["work", "root", "home", "Users"]) + r")/\w")
VAGUE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b(?!(\([^)]+\))?: \S+ \S+)")


def complaints(path, text):
    """What is wrong with the file at `path` (relative to the root), one line each."""
    suffix = pathlib.PurePosixPath(path).suffix
    lines = text.split("\n")
    if suffix in CODE and len(lines) - 1 > LONG.get(path, MAX_LINES):
        yield f"{path}: {len(lines) - 1} lines, more than {LONG.get(path, MAX_LINES)}: is it one noun or several?"
    # An -inl.h of Highway is compiled once for each instruction set and guards itself.
    if suffix in {".h", ".cuh"} and not path.endswith("-inl.h") and "#pragma once\n" not in text:
        yield f"{path}: no #pragma once"
    if text and not text.endswith("\n"):
        yield f"{path}: no newline at the end"
    if "\r" in text:
        yield f"{path}: carriage returns"
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if "\t" in line and suffix in CODE:
            yield f"{where}: a tab"
        if line != line.rstrip() and suffix in CODE:
            yield f"{where}: space at the end"
        if VAGUE.search(line):
            yield f"{where}: says that something is to be done and not what"
        if PERSONAL_PATH.search(line):
            yield f"{where}: a path of one machine"
        for host in URL.findall(line):
            if not HOSTS.match(host):
                yield f"{where}: the host {host}; HOSTS in this test lists those that may be named"


def our_paths(root):
    try:
        command = ["git", "ls-files", "-co", "--exclude-standard"]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # a copy without git or without its history
        return [path.relative_to(root).as_posix() for path in root.rglob("*")]


def our_files(root):
    for path in sorted(set(our_paths(root))):
        file = root / path
        if not path.startswith(DATA) and file.suffix in TEXT and file.is_file():
            yield path, file


def read(file):
    with open(file, encoding="utf-8", newline="") as stream:  # newline="": leave carriage returns in
        return stream.read()


def violations(root):
    """(how many files were read, one line per violation)"""
    files = list(our_files(root))
    return len(files), [line for path, file in files for line in complaints(path, read(file))]


class HouseRulesTest(unittest.TestCase):

    def test_tree_keeps_the_rules(self):
        count, found = violations(ROOT)
        self.assertGreater(count, 20, "the test found no files to read")
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_planted_violations_are_found(self):
        todo = "TO" + "DO"
        planted = {
            "engine/long.cc": "int x;\n" * (MAX_LINES + 1),
            "engine/unguarded.h": "int x;\n",
            "engine/cut.cc": "int x;",
            "engine/dos.py": "x = 1\r\n",
            "engine/tab.cc": "\tint x;\n",
            "engine/space.cc": "int x; \n",
            "engine/todo.cc": f"// {todo}\n",
            "engine/fixme.cc": f"// {todo}: later\n",
            "docs/path.md": "Look in /" + "home/ana/batucada.\n",
            "docs/host.md": "See https:" + "//registry.somewhere.net/simple.\n",
        }
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in planted.items():
                file = root / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(text.encode())
            _, found = violations(root)
        self.assertEqual(sorted(planted), sorted({line.split(":")[0] for line in found}))

    def test_sound_files_pass(self):
        for path, text in {
            "engine/good.h": "#pragma once\n// TO" + "DO(ana): measure with two GPUs\nint x;\n",
            "docs/good.md": "[Samba](https://arxiv.org/abs/2406.07522), http://127.0.0.1:8000/v1, ${HOME}/home/x\n",
            "dev": "url=http://127.0.0.1:$1\n",
        }.items():
            self.assertEqual([], list(complaints(path, text)))


if __name__ == "__main__":
    unittest.main()
