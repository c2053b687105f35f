"""Install, upgrade, rollback and removal against a real API server, in a namespace that enforces the restricted Pod
Security Standard. Skipped where etcd and kube-apiserver are not installed."""

import pytest
import yaml

import chart
import cluster

pytestmark = [pytest.mark.skipif(bool(cluster.MISSING), reason=f"not installed: {', '.join(cluster.MISSING)}"),
              pytest.mark.timeout(180)]

PRODUCTION = chart.CHART / "ci/production-cuda.yaml"


@pytest.fixture(scope="module")
def kube(tmp_path_factory):
    with cluster.Cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.define_others()
        made.run("kubectl", "create", "namespace", "here")
        made.run("kubectl", "label", "namespace", "here", "pod-security.kubernetes.io/enforce=restricted",
                 "pod-security.kubernetes.io/warn=restricted")
        made.run("kubectl", "create", "serviceaccount", "default", "-n", "here")  # a controller's work elsewhere
        yield made


@pytest.mark.parametrize("case", chart.CASES, ids=lambda path: path.stem)
def test_the_server_accepts_every_rendering_without_a_warning(kube, case):
    text = yaml.safe_dump_all(each for each in chart.case_objects(case) if each["kind"] != "Pod")
    said = kube.run("kubectl", "apply", "-n", "here", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert "Warning" not in said, said


@pytest.mark.parametrize("case", chart.CASES, ids=lambda path: path.stem)
def test_every_pod_is_admitted_as_restricted(kube, case):
    rendering = chart.case_objects(case)
    templates = [each["spec"].get("volumeClaimTemplates", []) for each in rendering if each["kind"] == "StatefulSet"]
    claims = [claim["metadata"]["name"] for claim in sum(templates, [])]
    for name, spec in chart.pods(rendering):
        spec = {key: value for key, value in spec.items()
                if key not in {"serviceAccountName", "priorityClassName", "runtimeClassName"}}  # not here
        volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
        spec["volumes"] = [*spec.get("volumes", []), *volumes]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        create = ["kubectl", "create", "-n", "here", "--dry-run=server", "-f", "-"]
        kube.run(*create, stdin=yaml.safe_dump(pod))
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        refused = kube.try_run(*create, stdin=yaml.safe_dump(pod))
        assert "violates PodSecurity" in refused.stderr


def test_install_upgrade_rollback_uninstall(kube):
    def helm(*arguments):
        return kube.run("helm", "-n", "here", *arguments)

    def arguments():
        return kube.get("deployment", "my-batucada", "-n", "here")["spec"]["template"]["spec"]["containers"][0]["args"]

    helm("install", "my", str(chart.CHART), "--values", str(PRODUCTION))
    first = arguments()
    assert "--max-sequences=512" in first
    scaled = kube.try_run("kubectl", "scale", "deployment/my-batucada", "-n", "here", "--replicas=7")
    assert scaled.returncode == 0, scaled.stderr

    helm("upgrade", "my", str(chart.CHART), "--values", str(PRODUCTION), "--set", "server.max-sequences=64",
         "--set", "inferencePool.enabled=true", "--set", "inferencePool.endpointPicker.name=picker")
    assert "--max-sequences=64" in arguments()
    assert kube.get("inferencepool", "my-batucada", "-n", "here")["spec"]["selector"]["matchLabels"]
    replicas = kube.get("deployment", "my-batucada", "-n", "here")["spec"]["replicas"]
    assert replicas == 7, "an upgrade took the number of pods from its owner"

    helm("rollback", "my", "1")
    assert arguments() == first
    assert kube.try_run("kubectl", "get", "inferencepool", "my-batucada", "-n", "here").returncode != 0
    history = yaml.safe_load(helm("history", "my", "-o", "yaml"))
    assert [each["status"] for each in history] == ["superseded", "superseded", "deployed"]

    helm("uninstall", "my")
    kinds = ("deployments,services,secrets,configmaps,ingresses,networkpolicies,poddisruptionbudgets,scaledobjects,"
             "httproutes,grpcroutes,servicemonitors,prometheusrules,serviceaccounts")
    left = kube.get(kinds, "-n", "here", "-l", "app.kubernetes.io/instance=my")["items"]
    assert left == []


def test_a_working_release_survives_values_that_are_refused(kube):
    helm = ["helm", "-n", "here"]
    kube.run(*helm, "install", "other", chart.CHART, "--set", "auth.mode=none")
    broken = kube.try_run(*helm, "upgrade", "other", chart.CHART, "--set", "auth.mode=none", "--set", "lifecycle.drainSeconds=600")
    assert "must be more than 612" in broken.stderr
    assert "deployed" in kube.run(*helm, "status", "other")
    kube.run(*helm, "uninstall", "other")
