"""What our pages point at is there: their links, the files of ours that they name, and the clients that the README says
were tried, in the versions that tests/clients installs."""

import pathlib
import re
import sys
import unittest

from house_rules_test import ROOT, our_paths

sys.path.insert(0, str(ROOT / "tests/clients"))
import environments  # noqa: E402

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
# A path in backticks whose first part is a folder of the tree; a header and its source go by their common name.
NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.-]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def broken(page, text, paths):
    """Targets in `text`, the page at `page` (relative to the root), that are not among `paths`."""
    folders = {str(parent) for path in paths for parent in pathlib.PurePosixPath(path).parents}
    there = paths | folders
    text = FENCE.sub("", text)
    here = pathlib.PurePosixPath(page).parent
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:") and within(here, target) not in there:
            yield target
    for target in NAMED.findall(text):
        first = target.split("/")[0]
        if first in folders - {".", "build"} and not {target, target + ".h", within(here, target)} & there:
            yield target


def within(here, target):
    """`target`, as seen from the folder `here`, relative to the root."""
    parts = []
    for part in (here / target.rstrip("/")).parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


class LinksTest(unittest.TestCase):
    def test_what_pages_point_at_is_there(self):
        paths = set(our_paths(ROOT))
        pages = [path for path in paths if path.endswith(".md") and (ROOT / path).is_file()]
        self.assertGreater(len(pages), 10)
        found = {page: list(broken(page, (ROOT / page).read_text(encoding="utf-8"), paths)) for page in pages}
        self.assertEqual({page: targets for page, targets in found.items() if targets}, {})

    def test_planted_links_are_found(self):
        paths = {"docs/a.md", "docs/b.md", "engine/x/y.h", "README.md"}
        sound = "[a](b.md) [c](../README.md#top) [d](https://github.com/x) `engine/x/y.h` `other/thing` [e](../engine)"
        self.assertEqual(list(broken("docs/a.md", sound, paths)), [])
        wrong = "[a](c.md) [b](/docs/b.md) `engine/x/z.h` `docs/c.md` [c](../../README.md2)"
        self.assertEqual(list(broken("docs/a.md", wrong, paths)),
                         ["c.md", "/docs/b.md", "../../README.md2", "engine/x/z.h", "docs/c.md"])

    def test_the_readme_names_the_clients_that_are_run(self):
        table = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Clients\n")[2].partition("\nTried by hand")[0]
        told = re.findall(r"\b\d+\.\d+(?:\.\d+)?\b", table)
        ours = re.findall(r"^(?:openai|tritonclient\S*)==(\S+)", (ROOT / "tests/requirements.txt").read_text(), re.MULTILINE)
        versions = [version for _, version in environments.versions()]
        self.assertGreater(len(versions), 10)
        self.assertEqual(sorted(set(told)), sorted({*versions, *ours}))


if __name__ == "__main__":
    unittest.main()
