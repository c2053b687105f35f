"""End to end without Grafana: a real Prometheus scrapes a server under load, and every expression of every dashboard and
rule is put to it."""

import re
import threading

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from prometheus import Prometheus
from server import Server, wait_until
from tools import dashboards, rules

# A recording rule's name, or a metric's.
METRIC = re.compile(r"\b(?:(?:job|instance):batucada_\w+:\w+|(?:batucada|process)_\w+)")
# Their inputs are there, but an hour has not passed, and nothing goes wrong in this test.
WINDOW = "10s"


def ask(url, stop):
    """Sends requests until told to stop: good ones, one that is wrong, one whose client leaves."""
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as http:
        while not stop.is_set():
            http.post("/v1/completions", json={"prompt": "It was a dark and", "max_tokens": 24})
            http.post("/v1/completions", json={"prompt": "It was a dark and stormy night. " * 60, "max_tokens": 4})
            http.post("/v1/completions", json={"prompt": "It was", "max_tokens": -1})
            with http.stream("POST", "/v1/completions", json={"prompt": "a", "max_tokens": 500_000, "stream": True}) as answer:
                next(answer.iter_bytes())


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """One that has watched a server under load for a while."""
    flags = ("--backend", "fake", "--fake-step-time", "2ms", "--otlp-endpoint", "http://127.0.0.1:9", "--prefix-cache", "on",
             "--host-cache", "64MiB", "--disk-cache", str(tmp_path_factory.mktemp("disk")))
    with Server(*flags) as server, Prometheus({"batucada": [f"127.0.0.1:{server.http_port}"]}) as prometheus:
        stop = threading.Event()
        clients = [threading.Thread(target=ask, args=(server.url, stop)) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                service_pb2_grpc.GRPCInferenceServiceStub(channel).ServerLive(service_pb2.ServerLiveRequest())
            # Rates need two scrapes, and the rules their results.
            wait_until(lambda: prometheus.query("min(count_over_time(batucada_alive[1m])) >= 8"), "eight scrapes")
            wait_until(lambda: prometheus.query("job:batucada_inter_token_latency:slow_ratio6h"), "the rules' results")
            yield prometheus
        finally:
            stop.set()
            for client in clients:
                client.join()


def filled_in(expression):
    """As Grafana does for a person who has chosen everything."""
    return expression.replace("$namespace", ".*").replace("$job", ".+").replace("$instance", ".+").replace("$__rate_interval", WINDOW)


def metrics_of(expression):
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in METRIC.findall(expression)}
    assert names, expression
    return names


def exists(prometheus, name):
    return any(prometheus.query(f"count({{__name__=\"{name}{suffix}\"}})") for suffix in ("", "_count"))


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard["uid"])
def test_every_panel_shows_something(prometheus, dashboard):
    empty = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            samples = prometheus.query(filled_in(target["expr"]))
            if not samples or all(sample["value"][1] == "NaN" for sample in samples):
                empty.append(f"{panel['title']}: {target['expr']}")
    assert empty == []
    assert {name for target in expressions(dashboard) for name in metrics_of(target) if not exists(prometheus, name)} == set()


def expressions(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard["uid"])
def test_variables_have_values(prometheus, dashboard):
    assert prometheus.get("label/job/values", **{"match[]": "batucada_build_info"}) == ["batucada"]
    selector = re.search(r"\((.*), instance\)", dashboard["templating"]["list"][3]["query"])[1]
    assert len(prometheus.get("label/instance/values", **{"match[]": filled_in(selector)})) == 1


def test_recording_rules_give_results(prometheus):
    names = [rule["record"] for rule in rules() if "record" in rule]
    assert len(names) > 10
    assert [name for name in names if not prometheus.query(name)] == []


def test_alerts_can_be_evaluated_and_their_inputs_exist(prometheus):
    for rule in rules():
        if "alert" in rule:
            prometheus.query(rule["expr"])  # fails if it cannot be
            assert [name for name in metrics_of(rule["expr"]) if not exists(prometheus, name)] == [], rule["alert"]
    evaluated = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in evaluated} == {rule.get("alert") or rule["record"] for rule in rules()}
    assert [rule["lastError"] for rule in evaluated if rule["health"] != "ok"] == []


# A comparison of an alert, and one that everything passes. Bounds inside parentheses only keep zeros from dividing.
THRESHOLD = re.compile(r" (?:==|>|<) [\d.]+(?: \* [\d.]+)?(?!\))")


@pytest.mark.parametrize("rule", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"])
def test_alerts_have_something_to_compare(prometheus, rule):
    """Labels meet and series are there: without its thresholds every alert finds this server."""
    expression = THRESHOLD.sub(" > -1e9", rule["expr"].replace("(up == 0)", "up"))
    assert expression != rule["expr"]
    samples = prometheus.query(expression)
    assert samples and all(sample["value"][1] != "NaN" for sample in samples), expression


def test_an_alert_reaches_its_state(prometheus):
    """The client that leaves is a fault of this test, and seen as one."""
    alerts = {alert["labels"]["alertname"]: alert["state"] for alert in prometheus.get("alerts")["alerts"]}
    assert alerts.get("BatucadaClientsLeave") == "pending" and "BatucadaDown" not in alerts
