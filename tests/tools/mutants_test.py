"""Mutants as tests/mutants writes them beside the code: what can be switched, and where it stands."""

import fnmatch
import pathlib
import re
import shlex
import sys
import tomllib
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "mutants"))

import switched  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLES = ROOT / "tests" / "mutants"


def mutants():
    for table in sorted(TABLES.glob("*.toml")):
        told = tomllib.loads(table.read_text(encoding="utf-8"))
        for mutant in told["mutant"]:
            yield {"test": told.get("test"), **mutant}


def tests_in_cpp():
    """Names as a gtest filter sees them; of one with parameters those that it has at least."""
    names = set()
    for file in ROOT.glob("tests/*/**/*.cc"):
        for kind, suite, name in re.findall(r"^TEST(_F|_P)?\(\s*(\w+),\s*(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE):
            names.add(f"Some/{suite}.{name}/0" if kind == "_P" else f"{suite}.{name}")
    return names


def has_test(test, cpp):
    words = shlex.split(test)
    if words[0] != "pytest":
        patterns = [word.split("=", 1)[1] for word in words[1:] if word.startswith("--gtest_filter=")]
        # What stands behind the last / chooses among parameters, whose names the sources do not say.
        known = cpp | {name.removesuffix("0") for name in cpp}
        return not patterns or any(fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, re.sub(r"[^/]*$", "", pattern))
                                   for pattern in patterns[0].split(":") for name in known)
    files = [ROOT / word for word in words[1:] if word.endswith(".py")]
    if not files or not all(file.is_file() for file in files):
        return False
    named = " ".join(file.name + file.read_text(encoding="utf-8") for file in files)
    chosen = words[words.index("-k") + 1] if "-k" in words else ""
    return any(word in named for word in re.split(r" (?:or|and) ", chosen))


class SwitchTest(unittest.TestCase):
    def test_statements(self):
        self.assertEqual("if (PLANTED_MUTANT(3)) { \n} else {   Count(owner);\n\n}\n",
                         switched.switch("  Count(owner);\n", "", 3))
        self.assertEqual("if (PLANTED_MUTANT(0)) {   return b;\n} else {   return a;\n}\n",
                         switched.switch("  return a;", "  return b;", 0))
        self.assertEqual("const int64_t least = PLANTED_MUTANT(1) ? (1) : (64);\n",
                         switched.switch("constexpr int64_t least = 64;", "constexpr int64_t least = 1;", 1))

    def test_expressions(self):
        self.assertEqual("(PLANTED_MUTANT(1) ? (left) : (left / 2))", switched.switch("left / 2", "left", 1))
        self.assertEqual("  if (PLANTED_MUTANT(1) ? (false) : (full(a))) {",
                         switched.switch("  if (full(a)) {", "  if (false) {", 1))
        self.assertEqual(".row = PLANTED_MUTANT(1) ? (-1) : (row),", switched.switch(".row = row,", ".row = -1,", 1))

    def test_what_is_half_a_sentence_is_left_to_others(self):
        self.assertIsNone(switched.switch("(a && b", "(a", 1))
        self.assertIsNone(switched.switch("a && ", "", 1))
        self.assertIsNone(switched.switch("  }\n  Cancel();\n", "  }\n", 1))

    def test_names_of_a_declaration_must_stay(self):
        self.assertIsNone(switched.switch("const int a = 1;", "const int b = 1;", 1))


class PlantedTest(unittest.TestCase):
    def test_each_stands_where_it_says(self):
        text = "int F(int a) {\n  Note(a);\n  Count(a);\n  return a;\n}\n"
        plan = switched.Planted(text, [(5, {"old": "  Count(a);\n", "new": ""}), (6, {"old": "return a;", "new": "return 0;"}),
                                       (7, {"old": "  Note(a);\n", "new": "", "switch": "  if (!MUTANT) Note(a);\n"})])
        self.assertEqual([5, 6, 7], plan.numbers)
        lines = plan.text.split("\n")
        self.assertIn("if (!PLANTED_MUTANT(7)) Note(a);", plan.text)
        for number in plan.numbers:
            first, last = plan.lines[number]
            self.assertIn(f"PLANTED_MUTANT({number})", "\n".join(lines[first - 1:last]))
            self.assertIn(number, plan.at(first))

    def test_of_two_that_overlap_the_second_waits(self):
        plan = switched.Planted("x = left / 2;", [(1, {"old": "left / 2", "new": "left"}), (2, {"old": "left", "new": "0"})])
        self.assertEqual([1], plan.numbers)


class TablesTest(unittest.TestCase):
    def test_names_are_of_one_mutant_each(self):
        names = [mutant["name"] for mutant in mutants()]
        self.assertEqual([], sorted({name for name in names if names.count(name) > 1}))
        self.assertGreater(len(names), 200)

    def test_every_mutant_has_a_test(self):
        cpp = tests_in_cpp()
        self.assertEqual([], [mutant["name"] for mutant in mutants() if not has_test(mutant["test"], cpp)])


if __name__ == "__main__":
    unittest.main()
