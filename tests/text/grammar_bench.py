"""Runs grammar_bench over schemas as people write them: random ones, and those of JSON-Schema-Test-Suite.

  BATUCADA_BINARY=build/release/bin/batucada python tests/text/grammar_bench.py [--schemas N] [--every N] [--ranks FILE] [IDS…]
"""

import argparse
import json
import os
import pathlib
import random
import subprocess

from grammar_conformance import CASES, ROOT, random_schema
from schema_suite import fetched


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--schemas", type=int, default=600, help="random ones")
    parser.add_argument("--every", type=int, default=1, help="of the suite, one in so many")
    parser.add_argument("--ranks", help="a vocabulary as OpenAI publishes them (o200k_base.tiktoken, in many packages); else one is made of texts")
    parser.add_argument("ids", nargs="*", default=["50304", "200064"])
    args = parser.parse_args()
    program = pathlib.Path(os.environ["BATUCADA_BINARY"]).with_name("grammar_bench")
    r = random.Random(1)
    schemas = [*CASES.values(), *(random_schema(r) for _ in range(args.schemas))]
    for path in sorted(fetched().glob("*.json")):
        schemas += [group["schema"] for group in json.loads(path.read_text(encoding="utf-8"))][::args.every]
    lines = "".join(json.dumps(schema) + "\n" for schema in schemas)
    texts = sorted(path for pattern in ("docs/*.md", "*.md", "text/**/*.cc", "server/**/*.cc", "engine/**/*.cc", "tests/**/*.py", "models/**/*.json")
                   for path in ROOT.glob(pattern))
    for ids in args.ids:
        subprocess.run([program, ids, *(["--ranks", args.ranks] if args.ranks else texts)], input=lines, text=True, check=True)


if __name__ == "__main__":
    main()
