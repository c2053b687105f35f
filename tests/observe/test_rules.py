"""Recording and alert rules: sound, tested, and each alert with what a person needs who is woken by it."""

import pathlib

from server import ROOT
from tools import RULES, promtool, rules

CASES = sorted((pathlib.Path(__file__).parent / "rules").glob("*.yaml"))
RUNBOOK = "docs/operations.md"


def test_promtool_finds_nothing_wrong():
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)


def test_alerts_fire_when_they_should():
    promtool("test", "rules", *CASES)


def test_every_alert_is_tested():
    cases = "".join(path.read_text() for path in CASES)
    assert [rule["alert"] for rule in rules() if "alert" in rule and rule["alert"] not in cases] == []


def test_alerts_say_what_is_wrong_and_what_to_do():
    alerts = [rule for rule in rules() if "alert" in rule]
    names = [alert["alert"] for alert in alerts]
    assert len(names) > 10 and len(set(names)) == len(names)
    for alert in alerts:
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}, alert
        assert alert["labels"]["severity"] in ("critical", "warning", "info"), alert
        assert alert["annotations"]["runbook_url"] == f"{RUNBOOK}#{alert['alert'].lower()}"


def test_the_runbook_has_a_section_for_every_alert():
    headings = [line.lstrip("# ").strip().lower() for line in (ROOT / RUNBOOK).read_text().splitlines()
                if line.startswith("#")]
    assert [rule["alert"] for rule in rules() if "alert" in rule and rule["alert"].lower() not in headings] == []
