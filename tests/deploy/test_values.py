"""The values: what is refused and in which words, and that what is derived of them is up to date."""

import json

import pytest
import yaml

import chart
import chart_files
import tools

VALUES = yaml.safe_load((chart.CHART / "values.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((chart.CHART / "values.schema.json").read_text(encoding="utf-8"))
# Keys below these are the operator's or Kubernetes' own.
FREE = {"resources.requests", "resources.limits", "model.download.files", "model.pvc.files", "autoscaling.behavior",
        "updateStrategy", "metrics.authorization", "podSecurityContext", "securityContext", "affinity", "nodeSelector",
        "server", "service.annotations", "ingress.annotations", "httpRoute.annotations", "grpcRoute.annotations",
        "metrics.labels", "rules.labels", "dashboards.labels", "dashboards.annotations", "commonLabels", "podLabels",
        "podAnnotations", "serviceAccount.annotations"}


def maps(values, path=()):
    """The path of every map of the values that is ours."""
    yield path
    for key, value in values.items():
        if isinstance(value, dict) and ".".join([*path, key]) not in FREE:
            yield from maps(value, (*path, key))


def test_unknown_keys_are_refused_everywhere(tmp_path):
    values, paths = {}, list(maps(VALUES))
    for path in paths:
        place = values
        for key in path:
            place = place.setdefault(key, {})
        place["unheardOf"] = 1
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(chart.RenderError) as refused:
        chart.template(values=file)
    for path in paths:
        place = "".join(f"/{key}" for key in path)
        assert f"- at '{place}': additional properties 'unheardOf' not allowed" in str(refused.value)


def test_schema_and_values_have_the_same_keys():
    def compare(values, schema, path):
        known = set(schema["properties"])
        # `global` is Helm's; probes may say more than their defaults do, and so may resources.
        extra = known - set(values) - {"global", "timeoutSeconds", "initialDelaySeconds", "claims"}
        assert set(values) <= known and not extra, (path, extra)
        for key, value in values.items():
            below = schema["properties"][key]
            below = SCHEMA["definitions"][below["$ref"].split("/")[-1]] if "$ref" in below else below
            if isinstance(value, dict) and ".".join([*path, key]) not in FREE:
                compare(value, below, [*path, key])
    compare(VALUES, SCHEMA, [])


@pytest.mark.parametrize("values,says", [
    ({"replicas": -1}, "replicas"),
    ({"device": "tpu"}, "device"),
    ({"workload": "DaemonSet"}, "workload"),
    ({"server": {"max-sequence": 1}}, "max-sequence"),
    ({"server": {"max-sequences": "many"}}, "max-sequences"),
    ({"server": {"api-key": "secret"}}, "api-key"),
    ({"server": {"drain-timeout": "9s"}}, "drain-timeout"),
    ({"image": {"digest": "sha256:1"}}, "digest"),
    ({"model": {"name": "../etc"}}, "name"),
    ({"model": {"pvc": {"subPath": "../other"}}}, "subPath"),
    ({"model": {"source": "pvc"}}, "give model.pvc.claimName"),
    ({"model": {"pvc": {"files": {"config.json": "abc"}}}}, "config.json"),
    ({"model": {"source": "imageVolume"}}, "give model.imageVolume.reference"),
    ({"model": {"imageVolume": {"reference": "registry.example.com/m:latest"}}}, "reference"),
    ({"kvEvents": {"enabled": True}}, "set server.prefix-cache to on"),
    ({"kvEvents": {"enabled": True}, "server": {"prefix-cache": "on"}}, "name the router's pods in kvEvents.subscribers"),
    ({"model": {"source": "download"}}, "give model.download.repository"),
    ({"model": {"source": "download", "download": {"repository": "a/b"}}}, "give model.download.revision"),
    ({"model": {"source": "download", "download": {"repository": "https://models.example.com/b"}}}, "repository"),
    ({"model": {"download": {"files": {"config.json": "abc"}}}}, "config.json"),
    ({"model": {"download": {"files": {"../../etc/x": "0" * 64}}}}, "etc/x"),
    ({"autoscaling": {"type": "both"}}, "type"),
    ({"autoscaling": {"type": "keda"}}, "give autoscaling.keda.serverAddress"),
    ({"autoscaling": {"minReplicas": 9}}, "minReplicas is 9, more than maxReplicas, 8"),
    ({"inferencePool": {"enabled": True}}, "give inferencePool.endpointPicker.name"),
    ({"ingress": {"enabled": True}}, "hosts"),
    ({"httpRoute": {"enabled": True}}, "parentRefs"),
    ({"metrics": {"monitor": "Both"}}, "monitor"),
    ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "maxUnavailable"),
    ({"auth": {}}, "auth.mode is not said: set it to keys, .* auth.existingSecret; or to none, and everyone"),
    ({"auth": {"mode": "keys"}}, "auth.mode is keys: give auth.existingSecret"),
    ({"auth": {"existingSecret": "k"}}, "auth.mode is not said"),
    ({"auth": {"mode": "none", "existingSecret": "k"}}, "auth.mode is none, but auth.existingSecret is k"),
    ({"auth": {"mode": "maybe"}}, "mode"),
    ({"ingress": {"paths": ["v1"]}}, "paths"),
    ({"grpcRoute": {"methods": ["Chat"]}}, "methods"),
    ({"tmp": {"sizeLimit": "much"}}, "sizeLimit"),
    ({"store": {"kind": "tape"}}, "kind"),
    ({"store": {"kind": "volume"}}, "store.kind is volume: set workload to StatefulSet"),
])
def test_wrong_values_are_refused_by_name(values, says):
    with pytest.raises(chart.RenderError, match=says):
        chart.rendered(**values)


def test_notes_say_what_to_do_next_and_warn_of_an_open_door():
    def notes(*sets):
        done = tools.run("helm", "install", "my", chart.CHART, "--dry-run=client", *(f"--set={each}" for each in sets))
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\nNOTES:\n")[1]
    none, outside = "auth.mode=none", ("service.type=LoadBalancer", "networkPolicy.enabled=false")
    assert "curl -N http://127.0.0.1:8000/v1/completions" in notes(none)
    assert "WARNING" not in notes(none)
    assert "WARNING" in notes(none, *outside)
    locked = notes(*outside, "auth.mode=keys", "auth.existingSecret=keys", "tls.existingSecret=cert")
    assert "WARNING" not in locked and "Bearer $KEY" in locked and "curl -Nk https://" in locked


@pytest.mark.parametrize("path", list(chart_files.FILES), ids=lambda path: path.name)
def test_derived_files_are_up_to_date(path):
    assert path.read_text(encoding="utf-8") == chart_files.FILES[path](), (
        f"{path.name} is not what it is made of: run `python tests/deploy/chart_files.py`")


def test_every_value_is_in_the_readme():
    lines = (chart.CHART / "values.yaml").read_text(encoding="utf-8").split("\n")
    told = {row[0] for row in chart_files.rows(lines, VALUES) if not isinstance(row, str)}

    def leaves(values, path=()):
        for key, value in values.items():
            name = ".".join([*path, key])
            if isinstance(value, dict) and value and name not in told:
                yield from leaves(value, (*path, key))
            else:
                yield name
    assert set(leaves(VALUES)) == told
