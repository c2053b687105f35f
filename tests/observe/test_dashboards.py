"""The dashboards obey the rules of Grafana's dashboard-linter (github.com/grafana/dashboard-linter), without exception.

The linter itself is not run. Each test names the rules that it holds, which are all but those for Loki. That expressions
are valid (target-promql-rule, template-label-promql-rule) is known from a real Prometheus: test_prometheus.py."""

import re

import pytest

from tools import dashboards

# Of the linter's list, those that we use.
UNITS = {"none", "short", "s", "percentunit", "bytes", "reqps", "cps", "ops"}
SELECTOR = re.compile(r"\b((?:batucada|process)_\w+)(\{[^}]*\})?(\[[^\]]*\])?")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard):
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


@pytest.fixture(params=dashboards(), ids=lambda dashboard: dashboard["uid"])
def dashboard(request):
    return request.param


def test_there_are_two():
    assert sorted(dashboard["uid"] for dashboard in dashboards()) == ["batucada-engine", "batucada-service"]


def test_variables(dashboard):
    """template-datasource-, template-job-, template-instance-, template-on-time-change-reload-rule"""
    source, namespace, job, instance = dashboard["templating"]["list"]
    assert (source["type"], source["query"], source["name"], source["label"]) == (
        "datasource", "prometheus", "datasource", "Data source")
    for variable, name in ((namespace, "namespace"), (job, "job"), (instance, "instance")):
        assert (variable["name"], variable["label"], variable["type"]) == (name, name.capitalize(), "query")
        assert variable["datasource"] == SOURCE and variable["refresh"] == 2  # on a change of the time range
        # Outside Kubernetes there is no namespace: all of them is also none.
        assert variable["multi"] and variable["includeAll"] and variable["allValue"] == (".*" if name == "namespace" else ".+")
    assert namespace["query"] == "label_values(batucada_build_info, namespace)"
    assert job["query"] == 'label_values(batucada_build_info{namespace=~"$namespace"}, job)'
    assert instance["query"] == 'label_values(batucada_build_info{namespace=~"$namespace", job=~"$job"}, instance)'


def test_it_cannot_be_edited_in_place(dashboard):
    """uneditable-dashboard"""
    assert dashboard["editable"] is False


def test_panels_say_what_they_show(dashboard):
    """panel-datasource-, panel-title-description-, panel-units-, panel-no-targets-rule"""
    assert len(panels(dashboard)) > 10
    for panel in panels(dashboard):
        assert panel["title"] and panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == SOURCE and all(target["datasource"] == SOURCE for target in panel["targets"])
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"]
    titles = [panel["title"] for panel in panels(dashboard)]
    assert len(set(titles)) == len(titles)


def test_panels_do_not_lie_on_each_other(dashboard):
    cells = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not own & cells, panel["title"]
        cells |= own


def test_expressions(dashboard):
    """target-job-, target-instance-, target-rate-interval-, target-counter-agg-rule"""
    for expression in expressions(dashboard):
        found = SELECTOR.findall(expression)
        assert found, expression
        for name, matchers, window in found:
            for label in ("namespace", "job", "instance"):
                assert f'{label}=~"${label}"' in matchers, expression
            assert window in ("", "[$__rate_interval]"), expression
            counter = name.endswith(("_total", "_bucket", "_sum", "_count"))
            assert counter == bool(window), f"{name} in {expression}"
        for call in re.findall(r"(\w+)\([^()]*\[", expression):
            assert call in ("rate", "increase"), expression
