"""Names that files of one room, or of one test program, keep to themselves differ, so that they can be compiled together
(BATUCADA_UNITY).

The same name in the unnamed namespaces of two files would be an error there or, of two functions, change which of them
is meant."""

import collections
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Folders with rooms that are compiled so. The kernels are not.
FOLDERS = ["base", "engine", "hub", "loadtest", "server", "text"]

TEST_PROGRAM = re.compile(r"(?:batucada_test|add_library)\((\w+)([^)]*)\)")
TEST = re.compile(r"(?:INSTANTIATE_)?TEST\w*")

NO_CODE = re.compile(r'//(?! namespace)[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
TYPE = re.compile(r"(?:struct|class|union|enum(?: class)?) (\w+)")
ALIAS = re.compile(r"(?:using|namespace) (\w+) =")
# A function or variable, and more constants on its line; not what a type has (Type::name).
OTHER = re.compile(r"(?<![:\w])(\w+)(?=\(|(?:\[\w*\])?(?: [={]|[;,{]))")
ANOTHER = re.compile(r", (k[A-Z]\w*)(?= =|\{)")


def own_names(text):
    """(namespace, name, declaration) of what no other file sees: all in unnamed namespaces, and constants and other
    names for things outside them. As clang-format leaves them, declarations begin at the left edge and nothing else
    does."""
    text = NO_CODE.sub(lambda match: "\n" * match.group().count("\n"), text)
    text = re.sub(r"\n {4,}(?=\S)", " ", text)  # a line that goes on
    inside = []
    for line in text.split("\n"):
        if opened := re.match(r"namespace ?([\w:]*) \{", line):
            inside.append(opened.group(1))
        elif line.startswith("}  // namespace"):
            inside.pop()
        elif re.match(r"[\w\[]" if "" in inside else r"constexpr |static |" + ALIAS.pattern, line):
            namespace = "::".join(filter(None, inside))
            line = re.sub(r"^\[\[[\w:]*\]\] ", "", line)
            if own := TYPE.match(line) or ALIAS.match(line):
                yield namespace, own.group(1), line
                continue
            while line != (line := re.sub(r"<[^<>]*>", "", line)):  # what templates are given
                pass
            until = re.split(r"\(|(?<= )=|\{", line)[0]
            for name in OTHER.findall(line[:len(until) + 1]) + ANOTHER.findall(line[len(until):]):
                if not TEST.fullmatch(name):
                    yield namespace, name, line


def clashes(files):
    """One line for each name that several of the files, {path: text} of one room, have for themselves."""
    owners = collections.defaultdict(dict)
    for path, text in files.items():
        for namespace, name, declaration in own_names(text):
            owners[namespace, name].setdefault(path, declaration)
    for (_, name), where in owners.items():
        # Two files may call the same thing by the same other name.
        if len(where) > 1 and not (len(set(where.values())) == 1 and ALIAS.match(next(iter(where.values())))):
            yield f"{', '.join(where)}: each has a {name} of its own; what is it in each?"


def rooms(root):
    """The sources of each room, as {path: text}: a file is of the nearest folder that has a CMakeLists.txt."""
    of_room = collections.defaultdict(dict)
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.cc")):
            room = next(parent for parent in file.parents if (parent / "CMakeLists.txt").is_file())
            of_room[room][file.relative_to(root).as_posix()] = file.read_text(encoding="utf-8")
    return of_room


def test_programs(root):
    """The sources of each test program that has several, as {path: text}."""
    for build in sorted(root.glob("tests/*/CMakeLists.txt")):
        for program in TEST_PROGRAM.finditer(build.read_text(encoding="utf-8")):
            files = [build.parent / name for name in re.findall(r"(?<![\w}/])[\w/]+\.cc", program.group(2))]
            if len(files) > 1:
                yield {file.relative_to(root).as_posix(): file.read_text(encoding="utf-8") for file in files}


class OwnNamesTest(unittest.TestCase):

    def test_names_differ(self):
        of_room = rooms(ROOT)
        self.assertGreater(len(of_room), 20, "the test found no rooms")
        programs = list(test_programs(ROOT))
        self.assertGreater(sum(map(len, programs)), 100, "the test found no test programs")
        found = [line for files in [*of_room.values(), *programs] for line in clashes(files)]
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_names_are_read(self):
        text = '''namespace batucada {
namespace {

using Kind = Piece::Kind;
namespace bj = boost::json;

constexpr char kText[] = R"(
int inside = 0;
)";
constexpr long kSeconds = 10, kMost{60};  // of a = b
const std::array<const Family*, 6> kFamilies = {
    {"a", F(1)},
};
struct Row {
  int x = 0;
};
enum class Way : uint8_t { kThis };

// Why (not)?
template <typename List>
absl::StatusOr<std::vector<int>> Read(const List& list, int most = 5) {
  return Write(list);
}
std::unordered_map<std::string, std::string> AVeryLongFunction(const std::string& first,
                                                               const std::string& second) {
  return {};
}
int Row::Sum() { return x; }
std::atomic<int> count;
[[noreturn]] void End() { std::abort(); }

}  // namespace

constexpr int kTold = 7;
int Public() { return 1; }

}  // namespace batucada
'''
        self.assertEqual(["Kind", "bj", "kText", "kSeconds", "kMost", "kFamilies", "Row", "Way", "Read", "AVeryLongFunction",
                          "count", "End", "kTold"], [name for _, name, _ in own_names(text)])

    def test_clashes_are_found(self):
        def file(*lines, name="batucada"):
            return "\n".join([f"namespace {name} {{", "namespace {", *lines, "}  // namespace", f"}}  // namespace {name}", ""])

        def count(*texts):
            return len(list(clashes({f"{i}.cc": text for i, text in enumerate(texts)})))

        self.assertEqual(1, count(file("int F() { return 1; }"), file("int F() { return 1; }")))
        self.assertEqual(1, count(file("int F() { return 1; }"), file("int F(int x) { return x; }")))
        self.assertEqual(1, count(file("using T = int;"), file("using T = long;")))
        self.assertEqual(0, count(file("using T = int;"), file("using T = int;")))
        self.assertEqual(0, count(file("int F() { return 1; }"), file("int F() { return 1; }", name="batucada::jinja")))
        self.assertEqual(0, count(file("void F(int x);", "void F() {}"), file("int G();")))


if __name__ == "__main__":
    unittest.main()
