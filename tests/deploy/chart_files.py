"""Makes what is derived of the chart's values, of flags and of the version: `python tests/deploy/chart_files.py` writes
it, and tests compare.

README.md comes from the comments of values.yaml; `server` in values.schema.json, and the limits in docs/operations.md,
from `batucada serve --help`; the version everywhere from project() in CMakeLists.txt."""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

import limits

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/batucada"
BINARY = os.environ.get("BATUCADA_BINARY", str(ROOT / "build/release/bin/batucada"))

# Flags that the chart sets itself, from other values.
OWN = {"config", "model", "backend", "port", "grpc-port", "health-port", "port-file", "api-key", "api-key-file", "tls-cert", "tls-key", "store",
       "shutdown-grace", "drain-timeout"}

HEAD = """# The batucada chart

Installs [Batucada](../../../README.md) on Kubernetes 1.30 or later, with Helm 3 or 4:

```sh
docker build -f deploy/Dockerfile --target cpu -t batucada:VERSION-cpu .   # and push it to where the cluster pulls from
helm install my deploy/helm/batucada --set image.registry=registry.example.com --set auth.mode=none
helm test my
```

The defaults run the embedded model on a CPU: one pod that pods of its own namespace can reach. Whether clients need a
key has no default: `auth.mode` is `keys` or `none`, and without either nothing is installed. [ci/](ci/) has values for
larger things, among them [GPUs behind a Gateway](ci/production-cuda.yaml);
[docs/operations.md](../../../docs/operations.md) says how to size, scale, roll and secure it, and what to do when an
alert fires.

Upgrades: `model.name`, `nameOverride`, `fullnameOverride` and `workload` are part of what Kubernetes cannot change in
place, or of what clients see; everything else rolls, without a lost token.

## Values

Made of the comments in [values.yaml](values.yaml). An unknown key is an error.
"""

FLAG = re.compile(r"^  --(?P<name>[a-z-]+) (?P<type>[^ =]+)(=\S*)? *(?P<help>.*)$")


# Where a version stands that is the project's.
VERSIONS = re.compile(r"((?:\bbatucada:|^ARG VERSION=|^version: |^appVersion: ))\d+\.\d+\.\d+\b", re.MULTILINE)


def version():
    """The project's, which is also the chart's."""
    return re.search(r"^project\(batucada VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text("utf-8"), re.MULTILINE)[1]


def with_version(path):
    """A file's text with the version in the places where it has one."""
    return VERSIONS.sub(rf"\g<1>{version()}", path.read_text(encoding="utf-8"))


def default_text(value):
    text = json.dumps(value)
    return f"`{text}`" if text not in ('""', "{}", "[]") else ""


def rows(lines, values):
    """(key, default, what it is) for every commented value, by walking the lines; headings as one string."""
    path, comment = [], []
    for line in lines:
        bare = line.strip()
        if bare.startswith("## "):
            yield bare[3:]
        elif bare.startswith("# -- "):
            comment = [bare[5:]]
        elif bare.startswith("# ") and comment:
            comment.append(bare[2:])
        elif match := re.match(r"^( *)([A-Za-z]+):", line):
            depth = len(match[1]) // 2
            if depth > len(path):
                continue  # inside a value that has its comment
            path = [*path[:depth], match[2]]
            if comment:
                value = values
                for key in path:
                    value = value[key]
                yield ".".join(path), default_text(value), " ".join(comment)
                path[-1:] = [match[2]]
            comment = []


def readme():
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    out = [HEAD.replace("VERSION", version())]
    for row in rows(text.split("\n"), yaml.safe_load(text)):
        if isinstance(row, str):
            out.append(f"\n### {row}\n\n| key | default | what it is |\n|---|---|---|\n")
        else:
            key, value, what = (cell.replace("|", "\\|") for cell in row)
            out.append(f"| `{key}` | {value} | {what} |\n")
    return "".join(out)


def program(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


@functools.cache
def flags():
    """{name: (type, help)} of `batucada serve --help`."""
    lines = program("serve", "--help").split("\n")
    return {match["name"]: (match["type"], match["help"]) for match in map(FLAG.match, lines) if match}


def flag_schema(kind, text):
    schema = {"description": text} if text else {}
    if kind == "INT":
        return {**schema, "type": "integer"}
    if kind == "NUMBER":
        return {**schema, "type": "number"}
    if kind == "SIZE":
        return {**schema, "type": ["string", "integer"], "pattern": "^[0-9.]+ ?([KMGT]i?)?B?$"}
    if kind == "TIME":
        return {**schema, "type": "string", "pattern": "^([0-9.]+(ms|s|m|h))+$"}
    if kind == "TEXT...":
        return {**schema, "type": ["string", "array"], "items": {"type": "string"}}
    if set(kind.split("|")) == {"off", "on"}:
        return {**schema, "enum": ["off", "on", False, True]}  # YAML reads either
    if "|" in kind:
        return {**schema, "enum": kind.split("|")}
    return {**schema, "type": "string"}


def schema():
    made = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    made["properties"]["server"]["properties"] = {
        name: flag_schema(*told) for name, told in sorted(flags().items()) if name not in OWN}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def operations():
    return limits.written(with_version(ROOT / "docs/operations.md"), program("serve", "--help"))


FILES = {CHART / "README.md": readme, CHART / "values.schema.json": schema, ROOT / "docs/operations.md": operations,
         CHART / "Chart.yaml": lambda: with_version(CHART / "Chart.yaml"),
         ROOT / "deploy/Dockerfile": lambda: with_version(ROOT / "deploy/Dockerfile")}

if __name__ == "__main__":
    for path, make in FILES.items():
        path.write_text(make(), encoding="utf-8")
        print(path.relative_to(ROOT), file=sys.stderr)
