"""Models by their names on the Hub: fetched into the cache that Hugging Face's libraries share, whatever happens on the way,
checked, and served under that name. The Hub is one of our own (hub_server.py); nothing else is asked."""

import json
import os
import pathlib
import random
import subprocess
import threading

import pytest

from hub_server import COMMIT, Hub, git_sha1, sha256
from server import BINARY, MODEL, Server, run, wait_until

NAME = "acme/samba"
CONFIG = (MODEL / "config.json").read_bytes()


def noise(count, seed=1):
    return random.Random(seed).randbytes(count)


def whole(**more):
    """A repository as published, with much that serving does not need."""
    return {".gitattributes": b"*.safetensors filter=lfs", "README.md": b"# Samba", "config.json": CONFIG,
            "generation_config.json": b"{}", "tokenizer.json": b'{"a": 1}', "tokenizer_config.json": b"{}",
            "model.safetensors": noise(300_000), "pytorch_model.bin": b"a pickle", "modeling_samba.py": b"import os",
            "onnx/model.safetensors": b"elsewhere", **more}


NEEDED = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "hf"


def environment(hub, home, **more):
    clean = {name: "" for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN_PATH",
                                   "HUGGINGFACE_HUB_CACHE", "HUGGING_FACE_HUB_TOKEN", "http_proxy", "HTTP_PROXY")}
    return {**clean, "HF_ENDPOINT": hub if isinstance(hub, str) else hub.url, "HF_HOME": str(home), **more}


def download(hub, home, name=NAME, **more):
    return run("download", name, env=environment(hub, home, **more))


def fetched(hub, home, name=NAME, **more):
    """The folder of a download that works."""
    ended = download(hub, home, name, **more)
    assert ended.returncode == 0, ended.stderr
    return pathlib.Path(ended.stdout.strip())


def fails(hub, home, *parts, name=NAME, code=1, **more):
    ended = download(hub, home, name, **more)
    assert ended.returncode == code, ended.stdout + ended.stderr
    for part in parts:
        assert part in ended.stderr, ended.stderr
    return ended.stderr


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_only_what_serving_needs_in_the_layout_of_hugging_faces_cache(home):
    files = whole()
    with Hub(files=files) as hub:
        folder = fetched(hub, home)
        assert contents(folder) == {name: files[name] for name in NEEDED}
        assert not [path for path in hub.paths("hub") + hub.paths("cdn") if path.endswith((".bin", ".py", ".md"))]
    repository = home / "hub/models--acme--samba"
    assert folder == repository / "snapshots" / COMMIT
    assert (repository / "refs/main").read_text() == COMMIT
    weights = sha256(files["model.safetensors"])
    assert os.readlink(folder / "model.safetensors") == f"../../blobs/{weights}"
    assert os.readlink(folder / "config.json") == f"../../blobs/{git_sha1(CONFIG)}"
    assert {path.name for path in (repository / "blobs").iterdir()} == {path.resolve().name for path in folder.iterdir()}


def test_the_cache_is_that_of_huggingface_hub(home):
    """Their library finds what was fetched, offline, and this program finds what theirs fetched."""
    hub_library = pytest.importorskip("huggingface_hub")
    with Hub(files=whole()) as hub:
        folder = fetched(hub, home)
    cache = home / "hub"
    theirs = hub_library.snapshot_download(NAME, cache_dir=cache, local_files_only=True)
    assert pathlib.Path(theirs) == folder
    [repository] = hub_library.scan_cache_dir(cache).repos
    [revision] = repository.revisions
    assert (repository.repo_id, revision.commit_hash, set(revision.refs)) == (NAME, COMMIT, {"main"})
    assert {file.file_name for file in revision.files} == NEEDED


def test_the_template_for_tools_lies_in_its_folder(home):
    """Where their library has it, and where a model's directory is read."""
    hub_library = pytest.importorskip("huggingface_hub")
    name, template = "additional_chat_templates/tool_use.jinja", b"{{ tools }}"
    with Hub(files=whole(**{"chat_template.jinja": b"{{ messages }}", name: template})) as hub:
        folder = fetched(hub, home)
    assert (folder / name).read_bytes() == template
    assert os.readlink(folder / name) == f"../../../blobs/{git_sha1(template)}"
    assert hub_library.try_to_load_from_cache(NAME, name, cache_dir=home / "hub") == str(folder / name)


def test_nothing_is_fetched_twice(home):
    with Hub(files=whole()) as hub:
        fetched(hub, home)
        before = len(hub.paths("hub"))
        fetched(hub, home)
        assert len(hub.paths("hub")) == before + 1, "one question, what the branch means now"
        # A commit cannot mean anything else later.
        fetched(hub, home, f"{NAME}@{COMMIT}")
        assert len(hub.paths("hub")) == before + 1


def test_a_branch_that_moved_is_followed_and_shares_what_did_not_change(home):
    with Hub(files=whole()) as hub:
        first = fetched(hub, home)
        hub.commit = "f" * 40
        hub.files = whole(**{"config.json": CONFIG + b" "})
        second = fetched(hub, home)
        assert len(hub.paths("cdn")) == 1, "the weights are the same"
    assert second.name == "f" * 40
    assert (first / "config.json").read_bytes() == CONFIG and (second / "config.json").read_bytes() == CONFIG + b" "
    assert (first / "model.safetensors").resolve() == (second / "model.safetensors").resolve()


def test_shards_are_those_that_the_index_names(home):
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    files = whole(**{"model.safetensors.index.json": json.dumps(index).encode(),
                     "model-00001-of-00002.safetensors": noise(5000, 2), "model-00002-of-00002.safetensors": noise(6000, 3),
                     "consolidated.safetensors": noise(11000, 4)})
    del files["model.safetensors"]
    with Hub(files=files) as hub:
        names = set(contents(fetched(hub, home)))
        assert names == NEEDED - {"model.safetensors"} | {"model.safetensors.index.json", *index["weight_map"].values()}
        del hub.files["model-00002-of-00002.safetensors"]
        hub.commit = "f" * 40
        fails(hub, home, "names model-00002-of-00002.safetensors, which the repository does not hold")


def test_other_revisions(home):
    with Hub(files=whole(), revisions=("main", "v2", "refs/pr/1")) as hub:
        fetched(hub, home, f"{NAME}@v2")
        fetched(hub, home, f"{NAME}@refs/pr/1")
        assert any("revision/refs%2Fpr%2F1" in path for path in hub.paths("hub"))
        fails(hub, home, f"{NAME} has no revision v3 at {hub.url}", name=f"{NAME}@v3")
    refs = home / "hub/models--acme--samba/refs"
    assert (refs / "v2").read_text() == (refs / "refs/pr/1").read_text() == COMMIT


def test_what_a_cut_connection_left_is_gone_on_with(home):
    files = whole()
    with Hub(files=files) as hub:
        hub.faults = {"model.safetensors": [("cut", 100_000), ("cut", 50_000), ("cut", 1)], "tokenizer.json": [("cut", 2)]}
        folder = fetched(hub, home)
        assert contents(folder)["model.safetensors"] == files["model.safetensors"]
        ranges = [headers.get("Range") for host, path, headers in hub.requests
                  if host == "cdn" and path.endswith("model.safetensors")]
        assert ranges == [None, "bytes=100000-", "bytes=150000-", "bytes=150001-"]


def test_what_an_earlier_process_left_is_gone_on_with(home):
    files = whole()
    weights = files["model.safetensors"]
    with Hub(files=files) as hub:
        hub.gate = threading.Event()
        # As long as the gate is closed no large file comes to its end: the process is killed in the middle.
        hub.faults = {"model.safetensors": [("cut", 70_000)]}
        process = subprocess.Popen([BINARY, "download", NAME], env={**os.environ, **environment(hub, home)},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        partial = home / f"hub/models--acme--samba/blobs/{sha256(weights)}.incomplete"
        wait_until(lambda: len(hub.paths("cdn")) == 2, "the second part to be asked for")
        process.kill()
        process.wait()
        hub.gate.set()
        assert partial.read_bytes() == weights[:70_000]
        hub.requests.clear()
        fetched(hub, home)
        [(_, _, headers)] = [request for request in hub.requests if request[0] == "cdn"]
        assert headers["Range"] == "bytes=70000-"
        assert not partial.exists()


@pytest.mark.parametrize("left", [b"", b"other bytes than those of the file", noise(400_000, 9)])
def test_whatever_else_was_left_does_no_harm(home, left):
    """A beginning of another file, and more than the file has."""
    files = whole()
    blobs = home / "hub/models--acme--samba/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{sha256(files['model.safetensors'])}.incomplete").write_bytes(left)
    with Hub(files=files) as hub:
        assert contents(fetched(hub, home))["model.safetensors"] == files["model.safetensors"]
        if len(left) > len(files["model.safetensors"]):
            [(_, _, headers)] = [request for request in hub.requests if request[0] == "cdn"]
            assert "Range" not in headers, "nothing can follow"


def test_a_server_that_passes_over_ranges(home):
    files = whole()
    with Hub(files=files) as hub:
        hub.faults = {"model.safetensors": [("cut", 100_000), ("whole",)]}
        assert contents(fetched(hub, home))["model.safetensors"] == files["model.safetensors"]


@pytest.mark.parametrize("fault", [("wrong",), ("longer",)])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_what_is_not_as_listed_is_not_taken(home, fault, file):
    files = whole()
    with Hub(files=files) as hub:
        hub.faults = {file: [fault]}
        fails(hub, home, file, "listed")
        blobs = home / "hub/models--acme--samba/blobs"
        digest = sha256(files[file]) if file == "model.safetensors" else git_sha1(files[file])
        assert not (blobs / digest).exists()
        assert not (home / "hub/models--acme--samba/refs/main").exists()
        # Served right, it is taken.
        assert contents(fetched(hub, home))[file] == files[file]


def test_a_busy_hub_is_asked_again(home):
    with Hub(files=whole()) as hub:
        hub.faults = {"listing": [("status", 503), ("status", 429)], "model.safetensors": [("status", 500), ("status", 503)]}
        fetched(hub, home)
        # Not before the second that Retry-After asks for is over.
        listed = [at for at, (_, path, _) in zip(hub.moments, hub.requests, strict=True) if "/api/" in path]
        assert len(listed) == 3 and all(later - earlier >= 0.9 for earlier, later in zip(listed, listed[1:], strict=False))


def test_a_file_that_is_gone(home):
    with Hub(files=whole()) as hub:
        hub.faults = {"model.safetensors": [("status", 404)]}
        fails(hub, home, "model.safetensors", "answered with 404")


def test_tokens_go_to_the_hub_alone(home):
    with Hub(files=whole(), token="hf_secret") as hub:
        fails(hub, home, f"{hub.url} has no public model {NAME}", "HF_TOKEN")
        fails(hub, home, "refuses", "HF_TOKEN", HF_TOKEN="hf_wrong")
        home.mkdir(exist_ok=True)
        (home / "token").write_text("hf_secret\n")
        fetched(hub, home)
        bearers = {(host, headers.get("Authorization")) for host, _, headers in hub.requests[-4:]}
        assert ("hub", "Bearer hf_secret") in bearers
        assert not [headers for host, _, headers in hub.requests if host == "cdn" and "Authorization" in headers]


def test_gated_models_say_where_to_ask(home):
    with Hub(files=whole(), token="hf_secret", gated=True) as hub:
        fails(hub, home, f"ask for that at {hub.url}/{NAME}", "HF_TOKEN")


def test_names_that_are_none(home):
    with Hub(files=whole()) as hub:
        fails(hub, home, f"{hub.url} has no model acme/other", name="acme/other")
        fails(hub, home, "names no model of the Hub", name="samba", code=2)
        ended = run("inspect", "acme/other", env=environment(hub, home))
        assert ended.returncode == 1 and "there is no folder acme/other here" in ended.stderr


def test_pickles_are_never_fetched(home):
    files = whole()
    del files["model.safetensors"]
    with Hub(files=files) as hub:
        fails(hub, home, "no safetensors, only pytorch_model.bin", "never fetched", "tools/convert.py")
        assert hub.paths("cdn") == []


def test_offline_the_cache_is_enough(home):
    with Hub(files=whole()) as hub:
        folder = fetched(hub, home)
        asked = len(hub.requests)
        assert fetched(hub, home, HF_HUB_OFFLINE="1") == folder
        fails(hub, home, "has no acme/other at main", "HF_HUB_OFFLINE is set", name="acme/other", HF_HUB_OFFLINE="1")
        assert len(hub.requests) == asked
    # Nobody answers any more: what the cache has is taken, and said so.
    ended = download(hub, home)
    assert ended.returncode == 0 and ended.stdout.strip() == str(folder)
    assert f"taking what the cache has of {NAME}" in ended.stderr
    fails(hub, home, "127.0.0.1", name="acme/other")
    (folder / "model.safetensors").unlink()
    fails(hub, home, "lacks model.safetensors", HF_HUB_OFFLINE="1")


def test_two_processes_fetch_each_file_once(home):
    with Hub(files=whole()) as hub:
        hub.gate = threading.Event()
        processes = [subprocess.Popen([BINARY, "download", NAME], env={**os.environ, **environment(hub, home)},
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        wait_until(lambda: sum("/api/" in path for path in hub.paths("hub")) == 2 and hub.paths("cdn"), "both to begin")
        hub.gate.set()
        for process in processes:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
        assert len(hub.paths("cdn")) == 1


def test_models_lists_the_cache(home):
    assert "no models in" in run("models", env=environment("http://127.0.0.1:1", home)).stdout
    assert json.loads(run("models", "--json", env=environment("http://127.0.0.1:1", home)).stdout) == []
    with Hub(files=whole(), revisions=("main", "v1")) as hub:
        fetched(hub, home)
        fetched(hub, home, f"{NAME}@v1")
        hub.repository, hub.files = "acme/llm", whole(**{"config.json": b'{"model_type": "bert"}'})
        fetched(hub, home, "acme/llm")
        listed = run("models", env=environment(hub, home)).stdout.splitlines()
        models = json.loads(run("models", "--json", env=environment(hub, home)).stdout)
    assert listed[0].split() == ["NAME", "REVISION", "COMMIT", "SIZE", "MODEL"]
    assert "not served: config.json: model_type is \"bert\"" in listed[1]
    assert listed[2].split() == [NAME, "main,", "v1", COMMIT[:8], "294", "KiB", "samba"]
    assert [model["model"] for model in models] == ["acme/llm", NAME]
    assert models[1]["revisions"] == ["main", "v1"] and models[1]["missing"] == []
    assert models[1]["bytes"] == sum(len(whole()[name]) for name in NEEDED)


def test_inspect_needs_the_configuration_alone(home):
    with Hub(files=whole()) as hub:
        report = json.loads(run("inspect", NAME, "--json", env=environment(hub, home)).stdout)
        assert (report["model"], report["model_type"]) == (NAME, "samba")
        assert hub.paths("cdn") == [] and len(hub.paths("hub")) == 2
    listed = json.loads(run("models", "--json", env=environment(hub, home)).stdout)
    assert listed[0]["missing"] == ["model.safetensors"]


def test_served_under_its_name(home):
    names = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
    with Hub(files={name: (MODEL / name).read_bytes() for name in names}) as hub:
        with Server("--backend", "cpu", "--model", NAME, env=environment(hub, home)) as server:
            [model] = server.http.get("/v1/models").json()["data"]
            assert model["id"] == NAME
            body = {"prompt": "Call me", "max_tokens": 4, "temperature": 0}
            answer = server.complete(model=NAME, **body)
        with Server("--backend", "cpu") as server:
            assert server.complete(**body)["choices"][0]["text"] == answer["choices"][0]["text"]
        with Server("--backend", "fake", "--model", NAME, "--served-model-name", "mine",
                    env=environment(hub, home)) as server:
            assert [model["id"] for model in server.http.get("/v1/models").json()["data"]] == ["mine"]


def test_a_terminal_sees_a_bar(home):
    import pty
    with Hub(files=whole()) as hub:
        hub.gate = threading.Event()
        ours, theirs = pty.openpty()
        process = subprocess.Popen([BINARY, "download", NAME], env={**os.environ, **environment(hub, home)},
                                   stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b""
        while b"%" not in shown:  # it is drawn as long as something is awaited
            shown += os.read(ours, 4096)
        hub.gate.set()
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert process.wait() == 0
    text = shown.decode()
    assert f"\r{NAME} " in text and "100% [" in text and text.endswith("\r\n")
