"""Files that nobody includes, builds, runs or speaks of: what a change left behind."""

import collections
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

HEADER = {".h", ".cuh", ".inc"}
SOURCE = {".cc", ".cu"}
# Found by their names: pytest's tests and fixtures.
FOUND_BY_NAME = re.compile(r"(test_\w+|\w+_test|conftest|__init__|__main__)\.py$")
TEXT = HEADER | SOURCE | {".py", ".txt", ".cmake", ".md", ".sh", ".yaml", ".yml", ".toml", ".in", ""}
MAX_BYTES = 200_000  # what is longer is data
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.MULTILINE)


def tracked(root):
    try:
        command = ["git", "ls-files", "-co", "--exclude-standard"]
        names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):  # a copy without git or without its history
        names = [path.relative_to(root).as_posix() for path in root.rglob("*")]
    return sorted(name for name in set(names) if (root / name).is_file() and not name.startswith("build/"))


def built(name, lists):
    """Whether a CMake list in a folder of the source or above it names it, from there."""
    path = pathlib.PurePosixPath(name)
    for folder, words in lists:
        if path.is_relative_to(folder):
            inside = path.relative_to(folder).as_posix()
            if inside in words:
                return True
    return False


def dead(root):
    """(how many files were judged, those that are dead)"""
    names = tracked(root)
    texts = {}
    for name in names:
        if pathlib.PurePosixPath(name).suffix in TEXT and (root / name).stat().st_size <= MAX_BYTES:
            try:
                texts[name] = (root / name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                pass
    included = {include for text in texts.values() for include in INCLUDE.findall(text)}
    lists = []
    for name, text in texts.items():
        if name.endswith(("CMakeLists.txt", ".cmake")):
            folder = pathlib.PurePosixPath(name).parent
            words = set(re.findall(r"[\w./-]+", text))
            for variable, values in re.findall(r"foreach\((\w+) ([^)]*)\)", text):  # ${name}_test.cc
                for pattern in re.findall(rf"[\w./-]*\${{{variable}\}}[\w./-]*", text):
                    words |= {pattern.replace(f"${{{variable}}}", value) for value in values.split()}
            lists.append((folder, words))
            lists.append((folder.parent, {word[3:] for word in words if word.startswith("../")}))
            if name.endswith(".cmake"):  # names its files from where it is included
                lists.append((folder.parent, words))
    users = collections.Counter(word for text in texts.values() for word in set(re.findall(r"\w+", text)))
    found, count = [], 0
    for name in names:
        path = pathlib.PurePosixPath(name)
        if path.suffix in HEADER:
            alive = name in included or path.name in included
        elif path.suffix in SOURCE:
            alive = built(name, lists) or name in included or path.name in included
        elif path.suffix == ".py" and not FOUND_BY_NAME.search(name):
            text = texts.get(name, "")  # a program that people start tells them how
            alive = users[path.stem] > (path.stem in re.findall(r"\w+", text)) or f"python {name}" in text
        else:
            continue
        count += 1
        if not alive:
            found.append(name)
    return count, found


class DeadFilesTest(unittest.TestCase):

    def test_nothing_is_left_behind(self):
        count, found = dead(ROOT)
        self.assertGreater(count, 10, "the test found no files to judge")
        self.assertEqual([], found, "nobody includes, builds or runs these")

    def test_planted_ones_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            files = {
                "room/CMakeLists.txt": "batucada_room(room SOURCES used.cc sub/deep.cc)",
                "room/used.cc": '#include "room/used.h"\n',
                "room/used.h": "",
                "room/left.h": "",
                "room/left.cc": '#include "room/used.h"\n',
                "room/sub/deep.cc": "",
                "room/sub/used.cc": "",  # the list names another of that name
                "tools/run.py": "import helper",
                "tools/helper.py": "",
                "tools/test_all.py": "import run",
                "tools/alone.py": "",
            }
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            self.assertEqual((9, ["room/left.cc", "room/left.h", "room/sub/used.cc", "tools/alone.py"]), dead(root))


if __name__ == "__main__":
    unittest.main()
