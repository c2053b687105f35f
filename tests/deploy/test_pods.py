"""The pods: what they may do, when they are ready, how they end, what the server is told."""

import re

import pytest

import chart
import chart_files
from chart import one, pods, rendered, server

cases = pytest.mark.parametrize("case", chart.CASES, ids=lambda path: path.stem)


def flags(rendering):
    """The server's arguments as {flag: value or list}."""
    found = {}
    for argument in server(rendering)["args"][1:]:
        name, value = argument.removeprefix("--").split("=", 1)
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


@cases
def test_restricted_pod_security_standard(case):
    """Every rule of the standard that a pod of ours could break."""
    allowed_volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
                       "secret", "image", "name"}
    for name, spec in pods(chart.case_objects(case)):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        for volume in spec.get("volumes", []):
            assert set(volume) <= allowed_volumes, volume
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True
            assert not {"privileged", "procMount", "runAsUser"} & set(context)
            assert not any("hostPort" in port for port in container.get("ports", []))


@cases
def test_no_token_and_no_service_links(case):
    """A Service named batucada would set BATUCADA_PORT=tcp://…, which the server reads as its own setting."""
    for _, spec in pods(chart.case_objects(case)):
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False


@cases
def test_probes(case):
    container = server(chart.case_objects(case))
    for probe, path in [("startup", "live"), ("readiness", "ready"), ("liveness", "live")]:
        assert container[f"{probe}Probe"]["httpGet"]["path"] == f"/health/{path}"
        assert container[f"{probe}Probe"]["httpGet"]["port"] == "health"
        assert container[f"{probe}Probe"]["httpGet"]["scheme"] == "HTTP"
        assert container[f"{probe}Probe"]["timeoutSeconds"] <= container[f"{probe}Probe"]["periodSeconds"]
    assert {"name": "health", "containerPort": 8081} in container["ports"]
    assert flags(chart.case_objects(case))["health-port"] == "8081"


@cases
def test_nothing_but_the_node_is_led_to_the_port_of_health(case):
    events = {"kv-events", "kv-replay"} if "kv-events-endpoint" in flags(chart.case_objects(case)) else set()
    for each in chart.case_objects(case):
        if each["kind"] == "Service":
            headless = each["spec"].get("clusterIP") == "None"
            assert {port["targetPort"] for port in each["spec"]["ports"]} == {"http", "grpc"} | (events if headless else set())
        if each["kind"] == "NetworkPolicy":
            ports = {port["port"] for rule in each["spec"]["ingress"] for port in rule["ports"]}
            assert ports == {"http", "grpc"} | events
            # Who reads events reads prompts: clients are no subscribers.
            assert all(not events & (here := {port["port"] for port in rule["ports"]}) or here == events
                       for rule in each["spec"]["ingress"])


def test_liveness_is_more_patient_than_the_server_with_idle_connections():
    default = re.search(r"--idle-timeout TIME=(\S+)", chart_files.program("serve", "--help"))[1]
    with pytest.raises(chart.RenderError, match=rf"after 70 s .* more than server.idle-timeout, {default}"):
        rendered(probes={"liveness": {"failureThreshold": 7}})
    for idle, accepted in (("79.9s", True), ("80s", False), ("1m20s", False), ("1m19s999ms", True), ("0.5h", False)):
        if accepted:
            rendered(server={"idle-timeout": idle})
        else:
            with pytest.raises(chart.RenderError, match=f"server.idle-timeout, {idle}"):
                rendered(server={"idle-timeout": idle})


def test_a_look_is_over_before_the_next():
    with pytest.raises(chart.RenderError, match="probes.readiness.timeoutSeconds is 3, more than periodSeconds, 2"):
        rendered(probes={"readiness": {"timeoutSeconds": 3}})


@cases
def test_every_empty_volume_has_a_size(case):
    for name, spec in pods(chart.case_objects(case)):
        for volume in spec.get("volumes", []):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], (name, volume)


def test_a_probe_may_be_more_patient():
    probe = server(rendered(probes={"liveness": {"timeoutSeconds": 9}}))["livenessProbe"]
    assert (probe["timeoutSeconds"], probe["periodSeconds"]) == (9, 10)


def test_labels_of_ones_own_do_not_double_ours():
    labels = {"team": "texts", "app.kubernetes.io/part-of": "site"}
    monitor = {"monitor": "PodMonitor", "labels": {"team": "x"}}
    rendered(commonLabels=labels, podLabels={"team": "pods"}, metrics=monitor, networkPolicy=chart.ANYONE)


@cases
def test_life_cycle_fits_into_the_grace_period(case):
    rendering = chart.case_objects(case)
    container = server(rendering)
    spec = next(spec for _, spec in pods(rendering) if container in spec["containers"])
    told = flags(rendering)
    seconds = [int(told[flag].removesuffix("s")) for flag in ("shutdown-grace", "drain-timeout")]
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] > before + sum(seconds) + 5


@pytest.mark.parametrize("grace,accepted", [(68, False), (72, False), (73, True)])
def test_a_grace_period_that_is_too_short_is_refused(grace, accepted):
    life = {"preStopSeconds": 5, "shutdownGraceSeconds": 2, "drainSeconds": 60, "terminationGracePeriodSeconds": grace}
    if accepted:
        rendered(lifecycle=life)
        return
    with pytest.raises(chart.RenderError, match="must be more than 72"):
        rendered(lifecycle=life)


@cases
def test_the_server_knows_every_flag(case):
    known = chart_files.flags()
    unknown = set(flags(chart.case_objects(case))) - set(known)
    assert not unknown, f"no such flags of batucada serve: {unknown}"


def test_numbers_arrive_as_they_were_written():
    told = flags(rendered(server={"max-waiting-tokens": 40_000_000, "memory-fraction": 0.85, "pool-memory": "4GiB"}))
    assert (told["max-waiting-tokens"], told["memory-fraction"], told["pool-memory"]) == ("40000000", "0.85", "4GiB")


def test_a_list_repeats_its_flag():
    assert flags(rendered(server={"served-model-name": ["a", "b"]}))["served-model-name"] == ["a", "b"]


def test_the_address_can_be_chosen_and_the_ports_cannot():
    assert flags(rendered(server={"host": "::"}))["host"] == "::"
    with pytest.raises(chart.RenderError, match="port"):
        rendered(server={"port": 1})


def test_the_gpu_is_added_to_what_the_operator_asked_for():
    rendering = rendered(device="cuda", resources={"limits": {"memory": "64Gi"}})
    assert server(rendering)["resources"]["limits"] == {"memory": "64Gi", "nvidia.com/gpu": 1}
    assert server(rendering)["image"].endswith("-cuda")
    assert flags(rendering)["backend"] == "cuda"
    spec = one(rendering, "Deployment")["spec"]["template"]["spec"]
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_a_cpu_pod_asks_for_no_gpu():
    rendering = rendered()
    assert server(rendering)["resources"]["limits"] == {"memory": "2Gi"}
    assert server(rendering)["image"] == f"batucada:{chart_files.version()}-cpu"
    assert "tolerations" not in one(rendering, "Deployment")["spec"]["template"]["spec"]


def test_a_digest_wins_over_the_tag():
    digest = "sha256:" + "0" * 64
    image = {"registry": "registry.example.com", "tag": "latest", "digest": digest}
    assert server(rendered(image=image))["image"] == f"registry.example.com/batucada@{digest}"


def model_volume(model, called="/models/m", **values):
    rendering = rendered(model={"name": "m", **model}, **values)
    container = server(rendering)
    assert flags(rendering)["model"] == called
    mounts = [mount for mount in container["volumeMounts"] if mount["name"] == "model"]
    spec = next(spec for _, spec in pods(rendering) if container in spec["containers"])
    volumes = [volume for volume in spec["volumes"] if volume["name"] == "model"]
    return mounts, volumes, spec


def test_the_model_of_the_image_needs_no_volume():
    assert model_volume({"source": "image"})[:2] == ([], [])


def test_a_model_on_a_claim_is_read_only():
    mounts, volumes, _ = model_volume({"source": "pvc", "pvc": {"claimName": "c", "subPath": "x/y"}})
    assert mounts == [{"name": "model", "mountPath": "/models/m", "readOnly": True, "subPath": "x/y"}]
    assert volumes == [{"name": "model", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}]


def test_a_model_on_a_claim_can_have_checksums():
    files = {"config.json": "0" * 64, "part/b.safetensors": "1" * 64}
    claim = {"claimName": "c", "subPath": "x"}
    mounts, _, spec = model_volume({"source": "pvc", "pvc": {**claim, "files": files}})
    [check] = spec["initContainers"]
    assert check["volumeMounts"] == mounts
    assert check["args"][1:] == ["/models/m", f"{'0' * 64}  config.json", f"{'1' * 64}  part/b.safetensors"]
    assert check["image"] == spec["containers"][0]["image"]
    assert "initContainers" not in model_volume({"source": "pvc", "pvc": claim})[2]


def test_a_model_may_be_an_image_volume():
    reference = "registry.example.com/m@sha256:" + "0" * 64
    mounts, volumes, _ = model_volume({"source": "imageVolume", "imageVolume": {"reference": reference}})
    assert mounts == [{"name": "model", "mountPath": "/models/m", "readOnly": True}]
    assert volumes == [{"name": "model", "image": {"reference": reference, "pullPolicy": "IfNotPresent"}}]


DOWNLOAD = {"endpoint": "https://models.example.com", "repository": "a/m", "revision": "r1", "tokenSecret": "hub",
            "files": {"config.json": "0" * 64, "part/b.safetensors": "1" * 64}}


OFFLINE = [{"name": "HF_HUB_CACHE", "value": "/hub"}, {"name": "HF_HUB_OFFLINE", "value": "1"}]


def test_a_downloaded_model_is_fetched_by_the_server_s_own_program():
    mounts, volumes, spec = model_volume({"source": "download", "download": DOWNLOAD}, called="a/m@r1")
    assert mounts == [{"name": "model", "mountPath": "/hub", "readOnly": True}]
    assert volumes == [{"name": "model", "emptyDir": {"sizeLimit": "20Gi"}}]
    fetch, check = spec["initContainers"]
    container = spec["containers"][0]
    assert fetch["image"] == check["image"] == container["image"]
    assert fetch["args"] == ["download", "a/m@r1"] and "command" not in fetch
    assert fetch["env"] == [{"name": "HF_HUB_CACHE", "value": "/hub"},
                            {"name": "HF_ENDPOINT", "value": "https://models.example.com"},
                            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}]
    assert {"name": "model", "mountPath": "/hub"} in fetch["volumeMounts"]
    assert check["args"][1:] == ["a/m@r1", f"{'0' * 64}  config.json", f"{'1' * 64}  part/b.safetensors"]
    assert check["env"] == container["env"] == OFFLINE
    assert flags(rendered(model={"name": "m", "source": "download", "download": DOWNLOAD}))["served-model-name"] == "m"


def test_checksums_of_a_download_may_be_the_hub_s_own():
    without = {key: value for key, value in DOWNLOAD.items() if key not in ("files", "endpoint", "tokenSecret")}
    _, _, spec = model_volume({"source": "download", "download": without}, called="a/m@r1")
    assert [each["name"] for each in spec["initContainers"]] == ["fetch-model"]
    assert spec["initContainers"][0]["env"][1:] == [{"name": "HF_ENDPOINT", "value": "https://huggingface.co"}]


def test_a_stateful_pod_keeps_its_download():
    _, volumes, _ = model_volume({"source": "download", "download": DOWNLOAD}, called="a/m@r1", workload="StatefulSet")
    assert volumes == []
    rendering = rendered(model={"name": "m", "source": "download", "download": DOWNLOAD}, workload="StatefulSet")
    claims = one(rendering, "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert [claim["metadata"]["name"] for claim in claims] == ["model"]


def test_what_is_stored_lies_where_it_is_said():
    def of(kind, **values):
        rendering = rendered(store={"kind": kind, "size": "3Gi"}, **values)
        name = values.get("workload", "Deployment")
        spec = one(rendering, name)["spec"]
        mounts = [mount for mount in server(rendering)["volumeMounts"] if mount["name"] == "store"]
        volumes = [volume for volume in spec["template"]["spec"]["volumes"] if volume["name"] == "store"]
        return flags(rendering).get("store"), mounts, volumes, spec.get("volumeClaimTemplates", [])
    folder, mounts = "/var/lib/batucada", [{"name": "store", "mountPath": "/var/lib/batucada"}]
    assert of("memory") == (None, [], [], [])
    assert of("emptyDir") == (folder, mounts, [{"name": "store", "emptyDir": {"sizeLimit": "3Gi"}}], [])
    *told, claims = of("volume", workload="StatefulSet")
    assert told == [folder, mounts, []]
    assert [(claim["metadata"]["name"], claim["spec"]["resources"]["requests"]["storage"]) for claim in claims] == [
        ("store", "3Gi")]


def test_keys_and_certificates_come_from_secrets():
    rendering = rendered(auth={"mode": "keys", "existingSecret": "keys-of-ours", "key": "list"}, tls={"existingSecret": "cert"})
    told = flags(rendering)
    assert told["api-key-file"] == "/etc/batucada/auth/list"
    assert (told["tls-cert"], told["tls-key"]) == ("/etc/batucada/tls/tls.crt", "/etc/batucada/tls/tls.key")
    container = server(rendering)
    spec = one(rendering, "Deployment")["spec"]["template"]["spec"]
    secrets = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    assert secrets == {"keys-of-ours", "cert"}
    assert {"/etc/batucada/auth", "/etc/batucada/tls"} <= {mount["mountPath"] for mount in container["volumeMounts"]}


def test_an_update_starts_a_pod_before_it_ends_one():
    strategy = one(rendered(), "Deployment")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_pods_spread_over_nodes_and_zones():
    spread = one(rendered(), "Deployment")["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]


def test_nothing_that_changes_with_the_chart_is_in_the_pods_labels():
    """Else a new version of the chart rolls pods that would stay the same."""
    labels = one(rendered(), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(labels)
