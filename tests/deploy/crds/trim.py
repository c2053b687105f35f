"""Makes the files beside this one: `python tests/deploy/crds/trim.py CRD.yaml…` keeps of each CustomResourceDefinition
the schema of the newest served version, without descriptions, rules in CEL and status."""

import pathlib
import sys

import yaml


def trimmed(node):
    if isinstance(node, list):
        return [trimmed(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: trimmed(value) for key, value in node.items()
            if key != "x-kubernetes-validations" and not (key == "description" and isinstance(value, str))}


def trim(crd):
    version = next(version for version in crd["spec"]["versions"] if version["storage"])
    schema = trimmed(version["schema"]["openAPIV3Schema"])
    schema["properties"].pop("status", None)
    return {"apiVersion": f"{crd['spec']['group']}/{version['name']}", "kind": crd["spec"]["names"]["kind"],
            "schema": schema}


if __name__ == "__main__":
    for name in sys.argv[1:]:
        made = trim(yaml.safe_load(pathlib.Path(name).read_text(encoding="utf-8")))
        path = pathlib.Path(__file__).with_name(f"{made['kind'].lower()}.yaml")
        path.write_text(yaml.safe_dump(made, sort_keys=False, width=120), encoding="utf-8")
