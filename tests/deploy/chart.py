"""The chart, rendered."""

import functools
import json
import pathlib

import yaml

import tools

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/batucada"
CASES = sorted((CHART / "ci").glob("*.yaml"))


class RenderError(Exception):
    """What helm said."""


# Peers that come through a gateway, which the network policy has to name.
ANYONE = {"clients": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "scrapers": [{"namespaceSelector": {}}]}


def template(*arguments, values=None, release="try"):
    """The text that helm makes of the chart for a release in the namespace "here"."""
    files = []
    for value in [values] if isinstance(values, (str, pathlib.Path)) else values or []:
        files += ["--values", value]
    done = tools.run("helm", "template", release, CHART, "--namespace", "here", *files, *arguments)
    if done.returncode != 0:
        raise RenderError(done.stderr)
    return done.stdout


class Loader(yaml.CSafeLoader):
    """Refuses a key that is there twice, which YAML's readers settle in different ways."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key twice among {keys}"
        return super().construct_mapping(node, deep)


def objects(text):
    return [each for each in yaml.load_all(text, Loader) if each]


@functools.cache
def case_text(case):
    return template(values=case)


def recorded_text(case):
    """What golden/ holds of a case: all but rules and dashboards, which are recorded in files/ already."""
    parts = case_text(case).split("---\n")
    return "---\n".join(part for part in parts if not part.startswith(
        ("# Source: batucada/templates/prometheusrule.yaml", "# Source: batucada/templates/dashboards.yaml")))


def case_objects(case):
    return objects(case_text(case))


def rendered(release="try", **values):
    """The objects for `values`, given as nested dicts; without keys where nothing is said of them."""
    sets = []
    values.setdefault("auth", {"mode": "none"})
    for name, value in values.items():
        sets += ["--set-json", f"{name}={json.dumps(value)}"]
    return objects(template(*sets, release=release))


def one(rendering, kind, suffix=""):
    found = [each for each in rendering if each["kind"] == kind and each["metadata"]["name"].endswith(suffix)]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


def kinds(rendering):
    return {each["kind"] for each in rendering}


def pods(rendering):
    """The (name, pod spec) of everything that makes pods."""
    for each in rendering:
        if each["kind"] == "Pod":
            yield each["metadata"]["name"], each["spec"]
        elif each["kind"] in {"Deployment", "StatefulSet"}:
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def server(rendering):
    """The server's container."""
    for _, spec in pods(rendering):
        for container in spec["containers"]:
            if container["name"] == "server":
                return container
    raise AssertionError("no server")
