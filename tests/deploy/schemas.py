"""Checks objects against the schemas of their kinds: Kubernetes' own, and those in crds/."""

import pathlib

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.37"
OLDEST = "1.31"  # the oldest that kubernetes-validate still has


def closed(schema):
    """A CRD's schema with unknown keys refused: the API server drops them silently, which is never what was meant."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and not made.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if made.pop("nullable", False) and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def load():
    found = {}
    for path in pathlib.Path(__file__).with_name("crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text(encoding="utf-8"))
        found[crd["apiVersion"], crd["kind"]] = jsonschema.Draft7Validator(closed(crd["schema"]))
    return found


CRDS = load()


def check(thing, version=KUBERNETES):
    """Raises with the path to what is wrong."""
    crd = CRDS.get((thing["apiVersion"], thing["kind"]))
    if crd:
        crd.validate(thing)
    else:
        kubernetes_validate.validate(thing, version, strict=True)
