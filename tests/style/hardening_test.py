"""Every object and program of a build is hardened, as cmake/BatucadaHardening.cmake says. usage: hardening_test.py BUILD"""

import json
import pathlib
import platform
import re
import subprocess
import sys
import unittest

BUILD = pathlib.Path(sys.argv.pop(1))
FLAGS = ["-fstack-protector-strong", "-fstack-clash-protection", "-D_FORTIFY_SOURCE=3", "-D_GLIBCXX_ASSERTIONS"]
BRANCHES = {"x86_64": ("-fcf-protection=full", "IBT, SHSTK"), "aarch64": ("-mbranch-protection=standard", "BTI, PAC")}
FLAG, NOTE = BRANCHES[platform.machine()]


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], capture_output=True, text=True, check=True).stdout


def objects():
    """(path, command) of everything that was compiled."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8")):
        path = BUILD / entry["output"] if "output" in entry else BUILD / re.search(r" -o (\S+)", entry["command"])[1]
        # Not those of a target that this build does not need, and no precompiled header.
        if path.exists() and path.suffix != ".gch":
            yield path, entry["command"]


class HardeningTest(unittest.TestCase):

    def test_every_object_is_compiled_so(self):
        count = 0
        for path, command in objects():
            count += 1
            for flag in [*FLAGS, FLAG]:
                self.assertRegex(command, rf"[ ,=]{re.escape(flag)}[ ,]", path)
        self.assertGreater(count, 50, "the test found no objects to read")

    def test_every_object_says_that_its_branches_are_guarded(self):
        paths = [str(path) for path, _ in objects()]
        notes = re.split(r"^File: ", readelf("-n", *paths), flags=re.MULTILINE)[1:]
        self.assertEqual(len(paths), len(notes))
        self.assertEqual([], [note.split("\n")[0] for note in notes if NOTE not in note])

    def test_objects_call_what_the_flags_bring(self):
        symbols = subprocess.run(["nm", "-u", *(str(path) for path, _ in objects())], capture_output=True, text=True,
                                 check=True).stdout
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"U __\w+_chk\b", "no call of the C library is checked")
        self.assertIn("__glibcxx_assert_fail", symbols)

    def test_programs_are_linked_so(self):
        programs = [path for path in sorted((BUILD / "bin").iterdir()) if path.is_file()]
        self.assertIn("batucada", [path.name for path in programs])
        for program in programs:
            text = readelf("-h", "-l", "-d", str(program))
            self.assertRegex(text, r"Type:\s+DYN", program)
            self.assertIn("GNU_RELRO", text, program)
            self.assertRegex(text, r"\bNOW\b", program)
            self.assertRegex(text, r"GNU_STACK\s.*\bRW\s", program)


if __name__ == "__main__":
    unittest.main()
