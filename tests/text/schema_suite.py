"""JSON-Schema-Test-Suite (draft 2020-12) against the grammars: what they allow must be valid, what they draw too, and a
schema that is not served is refused by name. Not every valid value can be drawn: members come in the schema's order, and
no others where additionalProperties says nothing. A server reads no other documents: schemas that refer to some are asked for
as they are, and once more with these bundled in $defs (JSON Schema core, 9.3), as a user would have to.

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
import jsonschema_specifications

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


def remotes(suite):
    """The documents that the suite serves, and JSON Schema's own, by the address where they are found."""
    folder = suite.parents[1] / "remotes"
    found = {f"http://localhost:1234/{path.relative_to(folder)}": json.loads(path.read_text(encoding="utf-8"))
             for path in sorted(folder.rglob("*.json"))}
    found.update({address: jsonschema_specifications.REGISTRY.contents(address) for address in jsonschema_specifications.REGISTRY
                  if "2020-12" in address})
    return found


def references(value):
    if isinstance(value, dict):
        yield from (one for key, one in value.items() if key in ("$ref", "$dynamicRef") and isinstance(one, str))
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from references(one)


def bundled(schema, documents):
    """The same schema with all that it refers to among its $defs; itself if that is nothing."""
    wanted, embedded, open_ = {}, {}, [schema]
    while open_:
        for reference in references(open_.pop()):
            ends = reference.partition("#")[0]
            for address, document in documents.items():
                own = ends and (address.endswith("/" + ends.rpartition("/")[2]) or address == ends)
                if own and address not in wanted and ("2020-12" in address or address == ends):
                    wanted[address] = document
                    open_.append(document)
    for address, document in wanted.items():
        if document.get("$id") in (None, address):
            embedded[address] = {"$id": address} | document
        else:  # found at another address than it gives itself
            embedded[address] = {"$id": address, "$ref": document["$id"], "$defs": {"found": document}}
    return {**schema, "$defs": {**schema.get("$defs", {}), **embedded}} if embedded else schema


def texts_of(value):
    """JSON without blanks, and with one behind commas and colons."""
    return [json.dumps(value, ensure_ascii=False, separators=pair) for pair in ((",", ":"), (", ", ": "))]


def main():
    suite = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else fetched()
    draws = Draws(str(pathlib.Path(os.environ["BATUCADA_BINARY"]).with_name("grammar_draws")), "")
    documents = remotes(suite)
    served, by_bundle, valid, drawn, taken, empty = 0, 0, 0, 0, 0, 0
    refused, failures = collections.Counter(), []
    for path in sorted(suite.glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            schema, judged = group["schema"], [(test, text) for test in group["tests"] for text in texts_of(test["data"])]
            judge = [text for _, text in judged]
            answer = draws.ask("json_schema", json.dumps(schema), 5, 1, judge=judge)
            if "refers to" in answer.get("error", "") and isinstance(schema, dict):
                schema = bundled(schema, documents)
                answer = draws.ask("json_schema", json.dumps(schema), 5, 1, judge=judge)
                by_bundle += "error" not in answer
            if "error" in answer:
                nothing = "no text at all" in answer["error"]
                empty += nothing
                if nothing and any(test["valid"] for test in group["tests"]):
                    failures.append((path.name, group["description"], "has valid values", answer["error"]))
                if not answer["error"].startswith("$") and not nothing:
                    failures.append((path.name, group["description"], answer["error"]))
                refused[path.stem] += 1
                if os.environ.get("VERBOSE"):
                    print(path.stem, "|", group["description"], "|", answer["error"][:200])
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
    total = served + sum(refused.values())
    print(f"{served} of {total} schemas served, {by_bundle} of them with the documents that they refer to; {total - served} refused, "
          f"of which {empty} have no valid value; of {valid} valid texts {taken} allowed; {drawn} texts drawn; {len(failures)} failures")
    print("refused by file:", dict(refused.most_common()))
    for failure in failures[:40]:
        print("FAILURE", failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
