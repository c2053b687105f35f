"""The table of limits in docs/operations.md, made of `batucada serve --help`: chart_files.py writes it."""

import re

BEGIN, END = "<!-- Limits, written by tests/deploy/chart_files.py -->\n", "<!-- End of limits -->\n"
OPTION = re.compile(r"^  --(?P<name>[a-z0-9-]+) (?P<type>[^ =]+)(?:=(?P<default>\S+))?(?: +(?P<help>\S.*))?$")
# A limit by its group, or by its name wherever it stands.
GROUP = re.compile(r"^(Limits|Batching|gRPC|Work)", re.IGNORECASE)
NAME = re.compile(r"^(max|min|default-max)-|-(timeout|memory|grace|age|rate|connections|streams|bytes|backlog|size|ttl)$|^(urgent|text|io)-")


def options(text):
    """Every option of a help text as {group, name, type, default, help}."""
    group, last = "", None
    for line in text.split("\n"):
        if re.match(r"^[A-Z].*:$", line):
            group = line[:-1]
        elif match := OPTION.match(line):
            last = {"group": group, **match.groupdict(default="")}
            yield last
        elif last and not last["help"] and line.startswith("    "):
            last["help"] = line.strip()


def limits(text):
    return [each for each in options(text) if GROUP.match(each["group"]) or NAME.search(each["name"])]


def table(text):
    rows = ["| what | flag | default | bounds |", "|---|---|---|---|"]
    group = None
    for each in limits(text):
        said = "" if each["group"] == group else each["group"]
        group = each["group"]
        default = f"`{each['default']}`" if each["default"] else ""
        rows.append(f"| {said} | `--{each['name']}` | {default} | {each['help'].replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def written(page, text):
    """`page` with the table of a help text in it."""
    head, rest = page.split(BEGIN)
    return head + BEGIN + "\n" + table(text) + "\n" + END + rest.split(END)[1]
