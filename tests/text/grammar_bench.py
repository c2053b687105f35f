"""Runs grammar_bench over schemas as people write them: random ones, and those of JSON-Schema-Test-Suite.

  BATUCADA_BINARY=build/release/bin/batucada python tests/text/grammar_bench.py [IDS…]
"""

import json
import os
import pathlib
import random
import subprocess
import sys

from grammar_conformance import CASES, ROOT, random_schema
from schema_suite import fetched


def main():
    program = pathlib.Path(os.environ["BATUCADA_BINARY"]).with_name("grammar_bench")
    r = random.Random(1)
    schemas = [*CASES.values(), *(random_schema(r) for _ in range(600))]
    for path in sorted(fetched().glob("*.json")):
        schemas += [group["schema"] for group in json.loads(path.read_text(encoding="utf-8"))]
    lines = "".join(json.dumps(schema) + "\n" for schema in schemas)
    texts = sorted(path for pattern in ("docs/*.md", "*.md", "text/**/*.cc", "server/**/*.cc", "engine/**/*.cc", "tests/**/*.py", "models/**/*.json")
                   for path in ROOT.glob(pattern))
    for ids in sys.argv[1:] or ["50304", "200064"]:
        subprocess.run([program, ids, *texts], input=lines, text=True, check=True)


if __name__ == "__main__":
    main()
