"""deploy/Dockerfile: hadolint's rules and ours. tests/deploy/check_image.sh builds it and runs what comes of it."""

import fnmatch
import re
import subprocess

import chart
import tools

TEXT = (chart.ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n", "", TEXT).split("\n")


def stage(name):
    """The instructions of one stage."""
    begin = next(i for i, line in enumerate(LINES) if re.match(rf"FROM .* AS {name}$", line))
    end = next((i for i, line in enumerate(LINES) if i > begin and line.startswith("FROM ")), len(LINES))
    return LINES[begin:end]


def test_hadolint():
    done = tools.run("hadolint", chart.ROOT / "deploy/Dockerfile")
    assert done.returncode == 0, done.stdout
    assert tools.run("hadolint", "-", stdin="FROM debian\nRUN cd /tmp\n").returncode != 0


def test_bases_are_pinned_by_digest():
    arguments = dict(line[4:].split("=", 1) for line in LINES if line.startswith("ARG ") and "@" in line)
    assert set(arguments) == {"DEBIAN", "CUDA"}
    stages = set()
    for line in LINES:
        if not line.startswith("FROM "):
            continue
        base, name = re.match(r"FROM (\S+) AS (\S+)$", line).groups()
        base = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], base)
        assert base in stages or re.search(r":\S+@sha256:[0-9a-f]{64}$", base), base
        stages.add(name)
    assert {"cpu", "cuda"} <= stages


def test_both_images_stand_on_the_runtime_stage():
    for name in ("cpu", "cuda"):
        assert stage(name)[0] == f"FROM runtime AS {name}"
        assert not [line for line in stage(name) if line.startswith(("RUN", "USER"))]


def test_the_runtime_stage():
    lines = stage("runtime")
    user = next(line.split()[1] for line in lines if line.startswith("USER "))
    assert re.match(r"[1-9]\d*:[1-9]\d*$", user), "Kubernetes can only tell from a number that it is not root"
    values = chart.one(chart.rendered(), "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert user == f"{values['runAsUser']}:{values['runAsGroup']}"
    packages = next(line for line in lines if line.startswith("RUN "))
    assert not re.search(r"-dev|g\+\+ |cmake|curl|python", packages)
    text = "\n".join(lines)
    for wanted in ("HEALTHCHECK ", "ENTRYPOINT ", "EXPOSE 8000 9000", "STOPSIGNAL SIGTERM", "COPY models /models"):
        assert wanted in text, wanted
    for label in ("title", "description", "version", "revision", "created"):
        assert f"org.opencontainers.image.{label}=" in text, label
    base = re.search(r"^ARG DEBIAN=(\S+)@", TEXT, re.MULTILINE)[1]
    assert f'org.opencontainers.image.base.name="docker.io/library/{base}"' in text


def test_versions_agree():
    project = re.search(r"project\(batucada VERSION (\S+)", (chart.ROOT / "CMakeLists.txt").read_text())[1]
    assert f"ARG VERSION={project}\n" in TEXT
    assert f"\nappVersion: {project} " in (chart.CHART / "Chart.yaml").read_text()


def test_the_context_carries_the_sources_and_no_more():
    lines = (chart.ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in lines
    admitted = [line[1:] for line in lines if line.startswith("!")]
    command = ["git", "ls-files"]
    tracked = subprocess.run(command, cwd=chart.ROOT, capture_output=True, text=True, check=True).stdout.split()
    for pattern in admitted:
        assert any(path == pattern or path.startswith(pattern + "/") for path in tracked), f"{pattern} admits nothing"
    copied = {word for line in LINES if line.startswith("COPY ") and "--from" not in line
              for word in line.split()[1:-1] if not word.startswith("--") and word != "."}
    for path in copied:
        assert any(path == pattern or path.startswith(pattern + "/") for pattern in admitted), path
    cmake = (chart.ROOT / "CMakeLists.txt").read_text()
    assert set(re.findall(r"^add_subdirectory\((\w+)\)", cmake, re.MULTILINE)) <= set(admitted), "cmake needs these"
    assert not any(fnmatch.fnmatch(".git", pattern) for pattern in admitted)
