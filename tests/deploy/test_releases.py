"""Two releases in one namespace, one's name beginning with the other's: what is selected is one release's, and no other's."""

import json
import re
import subprocess

import pytest
import yaml

import chart
import tools
from chart import ANYONE, one, rendered

KEDA = {"type": "keda", "keda": {"serverAddress": "http://prometheus.example.com:9090"}}
# Names as Kubernetes makes them: of a Deployment's pods, of one whose long name leaves no room, of a StatefulSet's.
SUFFIXES = ["7d9c5b8f6-x2x4z", "6fb87d94-k8wqz", "5c8d7b9c6d-2pq7v", "0", "12"]
RELEASES = ["batucada", "batucada-canary", "batucada-eu-7d9c5b8f6", "batucada-0", "my-batucada"]


def pods_of(name):
    return [f"{name}-{suffix}" for suffix in SUFFIXES]


def values_for(release, workload):
    return {"release": release, "workload": workload, "replicas": 2, "networkPolicy": ANYONE, "autoscaling": KEDA}


@pytest.mark.parametrize("workload", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize("release", RELEASES)
def test_queries_count_this_release_and_no_other(release, workload, tmp_path):
    """Put to promtool's own evaluation: each of the others' pods has a queue that would be seen in the sum."""
    scaled = one(rendered(**values_for(release, workload)), "ScaledObject")["spec"]
    waiting, first = [trigger["metadata"]["query"] for trigger in scaled["triggers"]]
    series, own, number = [], 0, 1
    for other in RELEASES:
        for pod in pods_of(other):
            labels = f'namespace="here",pod="{pod}",instance="{pod}:8000"'
            series.append({"series": f"batucada_requests_waiting{{{labels}}}", "values": f"{number}x10"})
            slow = 1 if other == release else 0  # of the others' requests none is within the first bucket
            bucket = f"batucada_time_to_first_token_seconds_bucket{{{labels},le="
            series += [{"series": f'{bucket}"1"}}', "values": f"0+{60 * slow}x10"}, {"series": f'{bucket}"+Inf"}}', "values": "0+60x10"}]
            own += number if other == release else 0
            number *= 2
    series.append({"series": f'batucada_requests_waiting{{namespace="there",pod="{pods_of(release)[0]}"}}', "values": f"{number}x10"})
    test = {"evaluation_interval": "1m", "rule_files": [], "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [
        {"expr": waiting, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": own}]},
        {"expr": first, "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 0.95}]}]}]}
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps(test), encoding="utf-8")
    done = subprocess.run([tools.promtool(), "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_names_that_kubernetes_shortens_are_found():
    """A pod's name has 63 characters at most: of a long name the dash before the last five goes, and part of the hash."""
    release = "b" * 53
    query = one(rendered(**values_for(release, "Deployment")), "ScaledObject")["spec"]["triggers"][0]["metadata"]["query"]
    pattern = re.search(r'pod=~"(.*)"', query)[1]
    name = "b" * 52
    for digits in ("5c8d7b9c6d", "7d9c5b8f6"):
        assert re.fullmatch(pattern, f"{name}-{digits}-"[:58] + "x2x4z")


def selectors(thing):
    """Every label selector in an object, with the path to it."""
    def walk(value, path):
        if isinstance(value, list):
            for i, each in enumerate(value):
                yield from walk(each, f"{path}[{i}]")
        elif isinstance(value, dict):
            for key, each in value.items():
                if key == "matchLabels" or (key == "selector" and thing["kind"] == "Service"):
                    yield f"{path}.{key}", each
                else:
                    yield from walk(each, f"{path}.{key}")
    yield from walk(thing["spec"] if "spec" in thing else {}, thing["kind"])


@pytest.mark.parametrize("workload", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize("monitor", ["ServiceMonitor", "PodMonitor"])
def test_labels_select_this_release_and_no_other(workload, monitor):
    def made(release):
        values = values_for(release, workload)
        return rendered(**values, metrics={"monitor": monitor}, service={"headless": True},
                        inferencePool={"enabled": True, "endpointPicker": {"name": "p"}})
    here, other = made("batucada"), made("batucada-canary")
    found = [each for thing in here for each in selectors(thing)]
    kinds = {path.split(".")[0] for path, _ in found}
    assert kinds >= {workload, "Service", "PodDisruptionBudget", "NetworkPolicy", "InferencePool", monitor}
    labels = [thing["metadata"]["labels"] for thing in other]
    labels += [one(other, workload)["spec"]["template"]["metadata"]["labels"]]
    for path, wanted in found:
        assert wanted, path
        assert not any(wanted.items() <= each.items() for each in labels), f"{path} finds another release's"


@pytest.mark.parametrize("monitor", ["ServiceMonitor", "PodMonitor"])
def test_a_job_is_one_release(monitor):
    """Recording rules and alerts sum by namespace and job."""
    def job(release):
        values = {"metrics": {"monitor": monitor, "relabelings": [{"targetLabel": "team", "replacement": "x"}]}}
        spec = one(rendered(release=release, networkPolicy=ANYONE, **values), monitor)["spec"]
        assert "jobLabel" not in spec
        first, second = (spec.get("endpoints") or spec["podMetricsEndpoints"])[0]["relabelings"]
        assert first["targetLabel"] == "job" and second["targetLabel"] == "team"
        return first["replacement"]
    assert [job(release) for release in RELEASES] == RELEASES
    rules = yaml.safe_load((chart.CHART / "files/rules/recording.yaml").read_text(encoding="utf-8"))
    sums = [rule["expr"] for group in rules["groups"] for rule in group["rules"] if "sum by" in rule["expr"]]
    assert sums and all("sum by (namespace, job)" in each for each in sums)
