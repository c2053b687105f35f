"""What helm makes of each file in the chart's ci/: sound, as recorded, and accepted by the schemas of its kinds."""

import difflib
import pathlib
import tarfile

import jsonschema
import kubernetes_validate
import pytest
import yaml

import chart
import schemas
import tools

GOLDEN = pathlib.Path(__file__).with_name("golden")
cases = pytest.mark.parametrize("case", chart.CASES, ids=lambda path: path.stem)


@cases
def test_lint(case):
    done = tools.run("helm", "lint", "--strict", chart.CHART, "--values", case)
    assert done.returncode == 0, done.stdout + done.stderr


@cases
def test_golden(case):
    """`python tests/deploy/golden.py` records what is meant to change."""
    recorded = (GOLDEN / case.name).read_text(encoding="utf-8")
    made = chart.recorded_text(case)
    assert recorded == made, "".join(difflib.unified_diff(recorded.splitlines(1), made.splitlines(1), case.name, "now"))


def test_every_case_is_recorded():
    assert {path.name for path in GOLDEN.glob("*.yaml")} == {case.name for case in chart.CASES}


@cases
@pytest.mark.parametrize("version", [schemas.OLDEST, schemas.KUBERNETES])
def test_schemas(case, version):
    for thing in chart.case_objects(case):
        if version == schemas.OLDEST and "imageVolume" in case.read_text(encoding="utf-8"):
            pytest.skip("image volumes are newer")
        schemas.check(thing, version)


def test_every_kind_is_rendered_somewhere():
    rendered = set().union(*(chart.kinds(chart.case_objects(case)) for case in chart.CASES))
    assert rendered >= {
        "Deployment", "StatefulSet", "Service", "ServiceAccount", "ConfigMap", "Ingress", "HTTPRoute", "GRPCRoute",
        "InferencePool", "HorizontalPodAutoscaler", "ScaledObject", "PodDisruptionBudget", "NetworkPolicy",
        "ServiceMonitor", "PodMonitor", "PrometheusRule", "Pod"}


def test_schemas_refuse_what_is_wrong():
    """The checks above can fail."""
    rendering = chart.case_objects(chart.CHART / "ci/production-cuda.yaml")
    for kind, path, error in [
        ("Deployment", ["spec", "template", "spec", "nodeSelecter"], kubernetes_validate.ValidationError),
        ("ScaledObject", ["spec", "minReplicas"], jsonschema.ValidationError),
        ("HTTPRoute", ["spec", "rules", 0, "backendRefs", 0, "service"], jsonschema.ValidationError),
        ("ServiceMonitor", ["spec", "endpoints", 0, "targetport"], jsonschema.ValidationError),
        ("PrometheusRule", ["spec", "group"], jsonschema.ValidationError),
    ]:
        thing = yaml.safe_load(yaml.safe_dump(chart.one(rendering, kind)))
        schemas.check(thing)
        place = thing
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = 1
        with pytest.raises(error):
            schemas.check(thing)


@cases
def test_metadata(case):
    """Every object says whose it is, and lies in the release's namespace; names fit and are not taken twice."""
    seen = set()
    for thing in chart.case_objects(case):
        metadata = thing["metadata"]
        assert len(metadata["name"]) <= 63
        assert (thing["kind"], metadata["name"]) not in seen
        seen.add((thing["kind"], metadata["name"]))
        if metadata["name"] in {"try-players-extra", "try-text"}:
            continue  # extraObjects are the operator's own
        assert metadata["namespace"] == "here"
        assert metadata["labels"]["app.kubernetes.io/instance"] == "try"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "Helm"


def test_package_is_complete_and_lean(tmp_path):
    """What `helm package` ships renders like the folder, and does not carry tests."""
    done = tools.run("helm", "package", chart.CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    package = next(tmp_path.glob("*.tgz"))
    case = chart.CHART / "ci/production-cuda.yaml"
    with tarfile.open(package) as files:
        assert not [name for name in files.getnames() if "/ci/" in name]
    packed = tools.run("helm", "template", "try", package, "--namespace", "here", "--values", case)
    assert packed.stdout == chart.case_text(case)
