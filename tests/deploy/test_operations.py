"""docs/operations.md keeps up with what it speaks of: alerts, values, flags."""

import re

import yaml

import chart
import chart_files
import limits

TEXT = (chart.ROOT / "docs/operations.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load((chart.CHART / "values.yaml").read_text(encoding="utf-8"))


def alerts():
    for path in sorted((chart.CHART / "files/rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def sections():
    """{heading: text} under "## Alerts"."""
    chapter = re.search(r"\n## Alerts\n(.*?)\n## ", TEXT, re.DOTALL)[1]
    parts = re.split(r"\n### (\S+)\n", chapter)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def test_every_alert_has_its_heading_and_no_heading_is_left_over():
    assert {alert["alert"] for alert in alerts()} == set(sections())
    assert all(len(text.split()) > 10 for text in sections().values())


def test_runbook_links_lead_there():
    for alert in alerts():
        assert alert["annotations"]["runbook_url"].endswith(f"docs/operations.md#{alert['alert'].lower()}")


def test_every_value_that_is_named_exists():
    flags = set(chart_files.flags()) - chart_files.OWN
    named = set(re.findall(r"`([a-z]\w+(?:\.[\w-]+)+)(?::[^`]*)?`", TEXT))
    ours = {name for name in named if name.split(".")[0] in VALUES and not name.endswith(".safetensors")
            and not name.startswith("store.db")}
    assert len(ours) > 20
    for name in ours:
        if name.startswith("server."):
            assert name.removeprefix("server.") in flags, name
            continue
        place = VALUES
        for key in name.split("."):
            assert key in place, name
            place = place[key]


def test_every_flag_that_is_named_exists():
    named = set(re.findall(r"`--([a-z-]+)", TEXT)) - {"activations"}  # of batucada inspect
    assert named and named <= set(chart_files.flags())


def test_sizing_is_what_inspect_says():
    """A row of the table for every configuration, recomputed."""
    rows = re.findall(r"^\| (samba-\S+) \| .* \| .* \| ([\d,]+) \| ([\d,]+) \|$", TEXT, re.MULTILINE)
    assert len(rows) == 4
    for model, *counts in rows:
        for memory, count in zip(("80GiB", "141GiB"), counts):
            told = chart_files.program("inspect", chart.ROOT / "configs" / model, "--memory", memory)
            assert f"at most {count.replace(',', '')} sequences" in told, (model, memory, told)


def test_the_table_of_limits_has_every_limit():
    """test_values.py compares it with what it is made of; here, that what it is made of leaves none out."""
    text = chart_files.program("serve", "--help")
    there = {each["name"] for each in limits.options(text)}
    assert there == set(re.findall(r"^  --([a-z0-9-]+) ", text, re.MULTILINE)) and len(there) > 40
    in_table = {each["name"] for each in limits.limits(text)}
    table = TEXT.split(limits.BEGIN)[1].split(limits.END)[0]
    told = set(re.findall(r"^\| .*\| `--([a-z0-9-]+)` \|", table, re.MULTILINE))
    assert told == in_table
    # A help text that speaks of a bound is a limit's.
    bounds = re.compile(r"past it|at most|at once|largest|longest|smallest|may hold|may take")
    assert {each["name"] for each in limits.options(text) if bounds.search(each["help"].lower())} <= in_table


def test_the_security_model_names_every_port_and_right():
    section = TEXT.split("\n## Security model\n")[1]
    for word in ("--port", "--grpc-port", "--health-port", "--kv-events-endpoint", "admin", "/metrics", "/admin/log", "Abort", "reflection"):
        assert word in section, word
