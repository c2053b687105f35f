"""The objects around the pods: who finds them, who may reach them, what scales them."""

import re

import pytest

import chart
from chart import ANYONE, one, kinds, rendered

PODS = {"app.kubernetes.io/name": "batucada", "app.kubernetes.io/instance": "try",
        "app.kubernetes.io/component": "server"}


def test_everything_that_selects_pods_selects_the_servers():
    rendering = rendered(replicas=2, metrics={"monitor": "PodMonitor"}, service={"headless": True}, networkPolicy=ANYONE,
                         inferencePool={"enabled": True, "endpointPicker": {"name": "picker"}})
    labels = one(rendering, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert PODS.items() <= labels.items()
    for kind, suffix, path in [
        ("Deployment", "", "selector.matchLabels"), ("Service", "batucada", "selector"),
        ("Service", "-headless", "selector"), ("PodDisruptionBudget", "", "selector.matchLabels"),
        ("NetworkPolicy", "", "podSelector.matchLabels"), ("PodMonitor", "", "selector.matchLabels"),
        ("InferencePool", "", "selector.matchLabels"),
    ]:
        found = one(rendering, kind, suffix)["spec"]
        for step in path.split("."):
            found = found[step]
        assert found == PODS, kind
    assert not PODS.items() <= one(rendering, "Pod")["metadata"]["labels"].items(), "the test pod would get requests"


def test_a_service_monitor_finds_each_pod_once():
    rendering = rendered(metrics={"monitor": "ServiceMonitor"}, service={"headless": True}, networkPolicy=ANYONE)
    wanted = one(rendering, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    found = [each for each in rendering if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()]
    assert [each["metadata"]["name"] for each in found] == ["try-batucada"]
    ports = {port["name"] for port in found[0]["spec"]["ports"]}
    assert one(rendering, "ServiceMonitor")["spec"]["endpoints"][0]["port"] in ports


def test_a_monitor_can_get_through_tls_and_keys():
    key = {"type": "Bearer", "credentials": {"name": "scrape", "key": "token"}}
    rendering = rendered(metrics={"monitor": "PodMonitor", "authorization": key}, tls={"existingSecret": "t"},
                         networkPolicy=ANYONE, server={"metrics-access": "key"})
    endpoint = one(rendering, "PodMonitor")["spec"]["podMetricsEndpoints"][0]
    assert (endpoint["scheme"], endpoint["authorization"]) == ("https", key)
    with pytest.raises(chart.RenderError, match="metrics.authorization"):
        rendered(metrics={"monitor": "PodMonitor"}, server={"metrics-access": "key"})


@pytest.mark.parametrize("workload", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize("scaler", ["none", "hpa", "keda"])
def test_one_owner_of_replicas(workload, scaler):
    scaling = {"type": scaler, "keda": {"serverAddress": "http://prometheus.example.com:9090"}}
    rendering = rendered(workload=workload, autoscaling=scaling, replicas=3)
    assert one(rendering, workload)["spec"].get("replicas") == (3 if scaler == "none" else None)
    owners = kinds(rendering) & {"HorizontalPodAutoscaler", "ScaledObject"}
    assert owners == {"none": set(), "hpa": {"HorizontalPodAutoscaler"}, "keda": {"ScaledObject"}}[scaler]
    for owner in owners:
        target = one(rendering, owner)["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == (workload, one(rendering, workload)["metadata"]["name"])


def test_keda_looks_at_the_queue_and_at_time_to_first_token():
    scaling = {"type": "keda", "keda": {"serverAddress": "http://prometheus.example.com:9090"}}
    waiting, first = one(rendered(autoscaling=scaling), "ScaledObject")["spec"]["triggers"]
    assert re.fullmatch(r'sum\(batucada_requests_waiting\{namespace="here",pod=~".*"\}\)', waiting["metadata"]["query"])
    assert waiting["metricType"] == "AverageValue"
    assert "batucada_time_to_first_token_seconds_bucket{namespace=" in first["metadata"]["query"]
    assert first["metadata"]["query"].endswith("or vector(0)") and first["metricType"] == "Value"


def test_a_disruption_budget_only_where_pods_can_be_spared():
    assert "PodDisruptionBudget" not in kinds(rendered())
    assert "PodDisruptionBudget" in kinds(rendered(replicas=2))
    assert "PodDisruptionBudget" in kinds(rendered(autoscaling={"type": "hpa"}))
    assert "PodDisruptionBudget" not in kinds(rendered(replicas=2, podDisruptionBudget={"enabled": False}))


def test_the_network_policy_lets_nothing_out_but_what_is_needed():
    def ports(**values):
        policy = one(rendered(**values), "NetworkPolicy")["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        return {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    hub = "https://models.example.com"
    download = {"endpoint": hub, "repository": "a/m", "revision": "r", "files": {"c": "0" * 64}}
    assert ports() == {53}
    assert ports(model={"source": "download", "download": download}) == {53, 443}
    assert ports(networkPolicy={"egress": [{"ports": [{"port": 4318}]}]}) == {53, 4318}


def test_named_clients_are_the_only_ones_besides_the_test_pod():
    peer = {"podSelector": {"matchLabels": {"app": "gateway"}}}
    rendering = rendered(networkPolicy={"clients": [peer], "scrapers": [peer]})
    clients, scrapers = one(rendering, "NetworkPolicy")["spec"]["ingress"]
    assert clients["from"][1] == peer and len(clients["from"]) == 2
    labels = one(rendering, "Pod")["metadata"]["labels"]
    assert clients["from"][0]["podSelector"]["matchLabels"].items() <= labels.items()
    assert [port["port"] for port in scrapers["ports"]] == ["http"]


def test_nobody_may_come_who_is_not_named():
    """A rule without `from` lets everyone in. Health is asked by the node, and never from elsewhere."""
    for policy, peers in (({}, 2), ({"clients": []}, 1)):
        [rule] = one(rendered(networkPolicy=policy), "NetworkPolicy")["spec"]["ingress"]
        assert len(rule["from"]) == peers and [port["port"] for port in rule["ports"]] == ["http", "grpc"]
    [rule] = one(rendered(), "NetworkPolicy")["spec"]["ingress"]
    assert rule["from"][1] == {"podSelector": {}}, "this namespace's pods"


@pytest.mark.parametrize("values, says", [
    ({"ingress": {"enabled": True, "hosts": ["a.example.com"]}}, "ingress.enabled: name who comes through it"),
    ({"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}, "httpRoute.enabled: name who"),
    ({"grpcRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}, "grpcRoute.enabled: name who"),
    ({"inferencePool": {"enabled": True, "endpointPicker": {"name": "p"}}}, "inferencePool.enabled: name who"),
    ({"service": {"type": "LoadBalancer"}}, "service.type is LoadBalancer: name who may come in networkPolicy.clients"),
    ({"metrics": {"monitor": "PodMonitor"}}, "name Prometheus' pods in networkPolicy.scrapers"),
])
def test_a_way_in_that_the_network_policy_closes_is_refused(values, says):
    with pytest.raises(chart.RenderError, match=says):
        rendered(**values)
    rendered(**values, networkPolicy=ANYONE)
    rendered(**values, networkPolicy={"enabled": False})


def test_the_route_leads_to_the_pool_where_there_is_one():
    route = {"enabled": True, "parentRefs": [{"name": "g"}]}
    backend = one(rendered(httpRoute=route, networkPolicy=ANYONE), "HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    assert backend == [{"name": "try-batucada", "port": 8000}]
    pool = {"enabled": True, "endpointPicker": {"name": "picker"}}
    rendering = rendered(httpRoute=route, inferencePool=pool, networkPolicy=ANYONE)
    backend = one(rendering, "HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    assert backend == [{"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "try-batucada"}]
    made = one(rendering, "InferencePool")["spec"]
    assert made["endpointPickerRef"] == {"name": "picker", "port": {"number": 9002}, "failureMode": "FailOpen"}
    assert made["targetPorts"] == [{"number": 8000}]


def test_a_pool_speaks_the_metrics_that_pickers_read():
    rendering = rendered(inferencePool={"enabled": True, "endpointPicker": {"name": "picker"}}, networkPolicy=ANYONE)
    assert "--metrics-aliases=vllm" in chart.server(rendering)["args"]
    labels = one(rendering, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels["llm-d.ai/engine-type"] == "vllm"
    assert "--metrics-aliases=vllm" not in chart.server(rendered())["args"]


def test_rules_and_dashboards_arrive_unchanged():
    """Rules as they are written, dashboards to the byte: nothing in braces is taken for a template of Helm's."""
    files = sorted((chart.CHART / "files/rules").glob("*.yaml"))
    assert [path.name for path in files] == ["alerts.yaml", "recording.yaml"]
    rendering = rendered(rules={"enabled": True, "labels": {"release": "p"}}, dashboards={"enabled": True})
    made = one(rendering, "PrometheusRule")
    assert made["spec"] == {"groups": [group for path in files for group in chart.objects(path.read_text())[0]["groups"]]}
    assert made["metadata"]["labels"]["release"] == "p"
    files = sorted((chart.CHART / "files/dashboards").glob("*.json"))
    assert [path.name for path in files] == ["batucada-engine.json", "batucada-service.json"]
    made = one(rendering, "ConfigMap", "-dashboards")
    assert made["data"] == {path.name: path.read_text(encoding="utf-8") for path in files}
    assert set(made) == {"apiVersion", "kind", "metadata", "data"}
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1", "Grafana's sidecar looks for it"
    assert sum(map(len, made["data"].values())) < 900_000, "a ConfigMap holds 1 MiB"


def test_runbooks_are_where_the_operator_publishes_them():
    prefix = "https://git.example.com/batucada/blob/main/"
    rule = one(rendered(rules={"enabled": True, "runbookPrefix": prefix}), "PrometheusRule")
    alerts = [each for group in rule["spec"]["groups"] for each in group["rules"] if "alert" in each]
    assert alerts and all(alert["annotations"]["runbook_url"].startswith(prefix + "docs/") for alert in alerts)


def test_only_these_paths_are_let_through():
    paths = ["/", "/v1", "/v2/"]
    rendering = rendered(ingress={"enabled": True, "hosts": ["a.example.com"], "paths": paths}, networkPolicy=ANYONE,
                         httpRoute={"enabled": True, "parentRefs": [{"name": "g"}], "paths": paths})
    [rule] = one(rendering, "Ingress")["spec"]["rules"]
    assert [(each["path"], each["pathType"]) for each in rule["http"]["paths"]] == [
        ("/", "Exact"), ("/v1", "Exact"), ("/v2/", "Prefix")]
    [rule] = one(rendering, "HTTPRoute")["spec"]["rules"]
    assert [(each["path"]["value"], each["path"]["type"]) for each in rule["matches"]] == [
        ("/", "Exact"), ("/v1", "Exact"), ("/v2/", "PathPrefix")]


def passes(path, rules):
    """Whether a rule of (path, type) lets a path through, as an Ingress and an HTTPRoute define it."""
    return any(path == rule if kind == "Exact" else f"{path}/".startswith(f"{rule.rstrip('/')}/") for rule, kind in rules)


def routed(rendering):
    [ingress] = one(rendering, "Ingress")["spec"]["rules"]
    [route] = one(rendering, "HTTPRoute")["spec"]["rules"]
    return ([(each["path"], each["pathType"]) for each in ingress["http"]["paths"]],
            [(each["path"]["value"], each["path"]["type"]) for each in route["matches"]])


def test_routes_lead_users_and_nobody_to_what_is_for_the_inside():
    """Of all paths that the server has, those of its users and no more."""
    rendering = rendered(ingress={"enabled": True, "hosts": ["a.example.com"]}, networkPolicy=ANYONE,
                         httpRoute={"enabled": True, "parentRefs": [{"name": "g"}]})
    served = re.findall(r'"(/[^" ]*)"', (chart.ROOT / "server/api/routes.cc").read_text(encoding="utf-8"))
    assert {"/metrics", "/admin/log", "/v1/completions"} <= set(served)
    for rules in routed(rendering):
        let = {path for path in served if passes(path, rules)}
        assert {"/v1/completions", "/v1/chat/completions", "/v1/models", "/v1/models/*"} <= let
        assert all(path.startswith("/v1/") or path in {"/tokenize", "/detokenize"} for path in let)
        assert not any(passes(path, rules) for path in ("/", "/metrics", "/admin/log", "/v1", "/v1/../admin/log", "/openapi.json"))


def test_grpc_routes_lead_to_methods_for_users():
    rendering = rendered(grpcRoute={"enabled": True, "parentRefs": [{"name": "g"}]}, networkPolicy=ANYONE)
    [rule] = one(rendering, "GRPCRoute")["spec"]["rules"]
    let = {f"{each['method']['service']}/{each['method']['method']}" for each in rule["matches"]}
    assert all(each["method"]["type"] == "Exact" for each in rule["matches"])
    there = set()
    for file in (chart.ROOT / "proto").rglob("*.proto"):
        text = file.read_text(encoding="utf-8")
        package = re.search(r"^package (\S+);", text, re.MULTILINE)[1]
        service = re.search(r"^service (\w+)", text, re.MULTILINE)[1]
        there |= {f"{package}.{service}/{method}" for method in re.findall(r"^ *rpc (\w+)", text, re.MULTILINE)}
    inside = {"batucada.v1.Inference/Abort", "batucada.v1.Inference/GetServerInfo",
              "batucada.v1.Inference/GetCheckpoint", "batucada.v1.Inference/PutCheckpoint",
              "inference.GRPCInferenceService/RepositoryIndex"}
    inside |= {method for method in there if method.startswith("grpc.")}  # health and reflection
    assert let == there - inside and inside <= there


def test_reflection_is_off_unless_it_is_asked_for():
    assert "--grpc-reflection=off" in chart.server(rendered())["args"]
    for on in ("on", True):
        assert "--grpc-reflection=on" in chart.server(rendered(server={"grpc-reflection": on}))["args"]


def test_a_route_to_a_port_that_is_closed_is_refused():
    for off in ("off", False):
        with pytest.raises(chart.RenderError, match="server.grpc is off"):
            rendered(grpcRoute={"enabled": True, "parentRefs": [{"name": "g"}]}, server={"grpc": off}, networkPolicy=ANYONE)


def test_metrics_want_a_key_where_a_balancer_leads_to_the_port():
    keys = {"mode": "keys", "existingSecret": "k"}
    outside = {"service": {"type": "LoadBalancer"}, "networkPolicy": ANYONE}
    assert "--metrics-access=key" in chart.server(rendered(auth=keys, **outside))["args"]
    assert "--metrics-access=key" not in chart.server(rendered(auth=keys))["args"]
    said = {"metrics-access": "open"}
    assert "--metrics-access=open" in chart.server(rendered(auth=keys, server=said, **outside))["args"]
    with pytest.raises(chart.RenderError, match="metrics.authorization"):
        rendered(auth=keys, metrics={"monitor": "PodMonitor"}, **outside)


def test_rules_and_dashboards_only_when_asked_for():
    assert not kinds(rendered()) & {"PrometheusRule", "ConfigMap"}


def test_extra_objects_are_templates():
    case = chart.case_objects(chart.CHART / "ci/extras.yaml")
    assert one(case, "ConfigMap", "-extra")["data"] == {"release": "try"}
    assert one(case, "ConfigMap", "try-text")


@pytest.mark.parametrize("release,names,wanted", [
    ("my", {}, "my-batucada"), ("batucada", {}, "batucada"), ("batucada-eu", {}, "batucada-eu"),
    ("my", {"nameOverride": "players"}, "my-players"), ("my", {"fullnameOverride": "other"}, "other"),
    ("a" * 53, {}, "a" * 52),
])
def test_names(release, names, wanted):
    sets = [f"--set={key}={value}" for key, value in names.items()]
    done = chart.tools.run("helm", "template", release, chart.CHART, "--set=auth.mode=none", *sets)
    assert done.returncode == 0, done.stderr
    assert one(chart.objects(done.stdout), "Deployment")["metadata"]["name"] == wanted
