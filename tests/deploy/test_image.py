"""deploy/Dockerfile: hadolint's rules and ours. tests/deploy/check_image.sh builds it and runs what comes of it."""

import fnmatch
import re
import shutil
import subprocess

import pytest
import yaml

import chart
import chart_files
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
    assert not re.search(r"-dev|g\+\+ |cmake|(?<!lib)curl|python", packages)
    text = "\n".join(lines)
    for wanted in ("HEALTHCHECK ", "ENTRYPOINT ", "EXPOSE 8000 9000", "STOPSIGNAL SIGTERM", "COPY models /models"):
        assert wanted in text, wanted
    for label in ("title", "description", "version", "revision", "created"):
        assert f"org.opencontainers.image.{label}=" in text, label
    base = re.search(r"^ARG DEBIAN=(\S+)@", TEXT, re.MULTILINE)[1]
    assert f'org.opencontainers.image.base.name="docker.io/library/{base}"' in text


def test_versions_agree():
    """Everywhere that of CMakeLists.txt, and the changes of it are told."""
    project = chart_files.version()
    assert f"ARG VERSION={project}\n" in TEXT
    described = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    assert described["version"] == described["appVersion"] == project
    assert re.search(rf"^## {re.escape(project)}\b", (chart.ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert chart_files.program("version").split()[1] == project


def test_licences_of_all_that_is_handed_on(tmp_path):
    """Of what is loaded and of what is compiled in, in the image and in build/dist."""
    script = [chart.ROOT / "deploy/licences.sh", tmp_path, chart_files.BINARY]
    if shutil.which("dpkg-query") is None:
        pytest.skip("not Debian: only our own licence is there")
    subprocess.run(script, check=True)
    made = {path.name: path.read_text(errors="replace") for path in tmp_path.iterdir()}
    assert "Version 2.0, January 2004" in made["LICENSE"] and "CC-BY 4.0" in made["NOTICE"]
    loaded = subprocess.run(["ldd", chart_files.BINARY], capture_output=True, text=True, check=True).stdout
    assert "libssl.so.3" in loaded and "OpenSSL" in made["libssl3.txt"]
    assert "CLI11" in made["libcli11-dev.txt"] and any(name.startswith("libboost1") for name in made)
    for stage_name in ("build-cpu", "build-cuda"):
        assert any("deploy/licences.sh /opt/batucada/share/licences " in line for line in stage(stage_name))


def test_the_notice_names_every_library():
    """Of those that ./dev and the image install to compile with."""
    notice = (chart.ROOT / "NOTICE").read_text()
    for text in (TEXT, (chart.ROOT / "dev").read_text().split("test_packages=")[0]):
        named = set(re.findall(r"\b(?:lib[a-z0-9.+-]+|prometheus-cpp|zlib1g)-dev\b", text))
        assert len(named) > 10 and [name for name in sorted(named) if name not in notice] == []


def test_every_chat_template_has_a_source_and_a_licence():
    folder = chart.ROOT / "tests/text/jinja/templates"
    rows = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| (Apache-2.0|MIT|our own) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(path.name for path in folder.glob("*.jinja"))


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
