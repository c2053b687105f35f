"""JSON-Schema-Test-Suite (draft 2020-12) against the grammars: what they allow must be valid, what they draw too, and a
schema that is not served is refused by name. Not every valid value can be drawn: members come in the schema's order, and
no others where additionalProperties says nothing.

  python tests/text/schema_suite.py [SUITE]

SUITE: the suite's folder of the draft; without it the copy in the source distribution of jsonschema, from PyPI.
"""

import collections
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tarfile

import jsonschema

from grammar_conformance import ROOT, Draws

RELEASE = "jsonschema==4.26.0"
DIGEST = "0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326"


def fetched():
    folder = ROOT / "build/schema_suite"
    if not folder.exists():
        folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "jsonschema",
                        "--dest", str(folder), RELEASE], check=True)
    [archive] = folder.glob("*.tar.gz")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == DIGEST, f"{archive} is another"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    [suite] = folder.glob("*/json/tests/draft2020-12")
    return suite


def texts_of(value):
    """JSON without blanks, and with one behind commas and colons."""
    return [json.dumps(value, ensure_ascii=False, separators=pair) for pair in ((",", ":"), (", ", ": "))]


def main():
    suite = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else fetched()
    draws = Draws(str(pathlib.Path(os.environ["BATUCADA_BINARY"]).with_name("grammar_draws")), "")
    served, valid, drawn, taken = 0, 0, 0, 0
    refused, failures = collections.Counter(), []
    for path in sorted(suite.glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            schema, judged = group["schema"], [(test, text) for test in group["tests"] for text in texts_of(test["data"])]
            answer = draws.ask("json_schema", json.dumps(schema), 5, 1, judge=[text for _, text in judged])
            if "error" in answer:
                if not answer["error"].startswith("$") and "no text at all" not in answer["error"]:
                    failures.append((path.name, group["description"], answer["error"]))
                refused[path.stem] += 1
                continue
            served += 1
            for (test, text), allowed in zip(judged, answer["allowed"], strict=True):
                if allowed and not test["valid"]:
                    failures.append((path.name, group["description"], test["description"], text))
                valid += test["valid"]
                taken += allowed and test["valid"]
            for text in answer["texts"]:
                drawn += 1
                try:
                    jsonschema.Draft202012Validator(schema).validate(json.loads(text))  # formats say nothing by themselves
                except (ValueError, jsonschema.ValidationError) as error:
                    failures.append((path.name, group["description"], "drawn", text, str(error)[:200]))
    print(f"{served} schemas served, {sum(refused.values())} refused; of {valid} valid texts {taken} allowed; "
          f"{drawn} texts drawn; {len(failures)} failures")
    print("refused by file:", dict(refused.most_common()))
    for failure in failures[:40]:
        print("FAILURE", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
