"""batucada-loadtest as people run it, against the server with the fake backend."""

import html.parser
import json
import os
import pathlib
import re
import resource
import signal
import subprocess

import pytest

from server import BINARY, PATIENCE_S, Server, wait_until

FINISHED = 'batucada_requests_finished_total{reason="length"}'
LOADTEST = str(pathlib.Path(BINARY).with_name("batucada-loadtest"))
# What readers of `vllm bench serve` files look for.
VLLM_FIELDS = {
    "date", "endpoint_type", "backend", "label", "model_id", "tokenizer_id", "num_prompts", "request_rate", "burstiness",
    "max_concurrency", "duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput",
    "request_goodput", "output_throughput", "total_token_throughput", "max_output_tokens_per_s", "max_concurrent_requests",
    *(f"{kind}_{name}_ms" for name in ["ttft", "tpot", "itl", "e2el"] for kind in ["mean", "median", "std", "p99"])}
OURS = {f"{kind}_{name}_ms" for name in ["ttft", "tpot", "itl", "e2el"] for kind in ["p50", "p90", "p95", "max"]}


@pytest.fixture(scope="module")
def server():
    """Room for everybody: a step every millisecond."""
    with Server("--backend", "fake", "--max-sequences", "256", "--log-level", "error") as server:
        yield server


def run(server, *flags, code=0):
    """Standard output, after a load that ends with exit code `code`."""
    done = subprocess.run([LOADTEST, "--url", server.url, "--quiet", *map(str, flags)], capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False, env={**os.environ, "OPENAI_API_KEY": ""})
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def measure(server, tmp_path, *flags, code=0):
    """The results as JSON."""
    path = tmp_path / "result.json"
    run(server, "--output", path, *flags, code=code)
    return json.loads(path.read_text())


def test_closed_loop_has_vllms_fields_and_agrees_with_the_server(server, tmp_path):
    result = measure(server, tmp_path, "--clients", 16, "--requests", 100, "--input-tokens", "8:40", "--output-tokens", 20,
                     "--goodput", "ttft:60000", "e2el:60000", "--save-detailed")
    assert VLLM_FIELDS | OURS <= result.keys()
    assert (result["completed"], result["failed"], result["total_output_tokens"]) == (100, 0, 2000)
    assert result["max_concurrency"] == 16 and result["request_rate"] == "inf"
    assert result["request_goodput"] == pytest.approx(100 / result["duration"])
    assert result["output_throughput"] == pytest.approx(2000 / result["duration"])
    assert all(result[f"median_{name}_ms"] == result[f"p50_{name}_ms"] for name in ["ttft", "tpot", "itl", "e2el"])
    assert 0 < result["p50_ttft_ms"] <= result["p99_ttft_ms"] <= result["max_ttft_ms"] <= result["max_e2el_ms"]
    assert len(result["ttfts"]) == len(result["output_lens"]) == len(result["errors"]) == 100
    assert set(result["output_lens"]) == {20} and set(result["errors"]) == {""}
    for ttft, gaps, latency in zip(result["ttfts"], result["itls"], result["latencies"], strict=True):
        assert len(gaps) <= 19 and 0 < ttft + sum(gaps) <= latency
    assert result["reconciliation_agrees"], result["reconciliation"]
    assert result["reconciliation"]["output tokens"] == {"client": 2000, "server": 2000, "difference": 0}
    assert "The server's metrics agree with the client's counts." in run(server, "--requests", 5, "--output-tokens", 2)


@pytest.mark.parametrize("flags", [
    ["--workload", "shared-prefix", "--prefixes", 3, "--prefix-tokens", 50],
    ["--workload", "conversation", "--turns", "2:3", "--think-time", 0.01],
    ["--workload", "conversation", "--endpoint", "chat"],
    ["--prompt-kind", "ids", "--input-tokens", 64],
    ["--corpus", "README.md"],
    ["--rate", 100, "--arrival", "gamma", "--burstiness", 0.3],
    ["--rate", 50, "--arrival", "ramp", "--ramp-to", 200, "--ramp-time", 1],
    ["--workload", "trace", "--trace", "azure_llm_2023_code", "--time-scale", 0.01, "--length-scale", 0.02],
    ["--workload", "trace", "--trace", "mooncake_conversation", "--length-scale", 0.01, "--clients", 8],
], ids=lambda flags: " ".join(map(str, flags)))
def test_every_workload_is_answered_and_counted(server, tmp_path, flags, monkeypatch):
    monkeypatch.chdir(pathlib.Path(__file__).resolve().parents[2])
    result = measure(server, tmp_path, "--requests", 30, "--output-tokens", "2:8", *flags)
    assert result["completed"] >= 30 and result["failed"] == 0
    assert result["reconciliation_agrees"], result["reconciliation"]


def test_ids_have_exactly_the_wanted_length(server, tmp_path):
    result = measure(server, tmp_path, "--requests", 10, "--prompt-kind", "ids", "--input-tokens", 64, "--output-tokens", 1)
    assert result["total_input_tokens"] == 640


def test_text_has_about_the_wanted_length(server, tmp_path):
    result = measure(server, tmp_path, "--requests", 20, "--input-tokens", 200, "--output-tokens", 1)
    assert result["total_input_tokens"] == pytest.approx(4000, rel=0.1)


def test_the_same_seed_makes_the_same_load(server, tmp_path):
    def lengths(seed):
        result = measure(server, tmp_path, "--requests", 20, "--clients", 1, "--threads", 1, "--seed", seed, "--save-detailed",
                         "--input-tokens", "1:90", "--output-tokens", "1:9")
        return result["input_lens"], result["output_lens"]
    assert lengths(1) == lengths(1) != lengths(2)


def test_refusals_are_counted_by_kind_and_reconciled(tmp_path):
    with Server("--backend", "fake", "--fake-step-time", "20ms", "--max-sequences", "2", "--max-waiting", "3") as small:
        result = measure(small, tmp_path, "--clients", 20, "--requests", 60, "--output-tokens", 10, code=3)
    refused = result["errors_by_kind"]["refused_429"]
    assert refused > 0 and refused == result["failed"] and result["completed"] == 60 - refused
    assert result["num_prompts"] == 60
    assert result["p99_refusal_ms"] > 0
    assert result["reconciliation_agrees"], result["reconciliation"]


def test_a_sweep_ends_in_a_page_that_needs_nothing_else(server, tmp_path):
    page, out = tmp_path / "sweep.html", tmp_path / "sweep.json"
    run(server, "--sweep", "20,100,200", "--duration", 1, "--output-tokens", 8, "--html", page, "--output", out)
    points = json.loads(out.read_text())["sweep"]
    assert [point["request_rate"] for point in points] == [20, 100, 200]
    assert [point["seed"] for point in points] == [0, 1, 2], "no rate finds what another has left in a prefix cache"
    assert points[0]["completed"] < points[1]["completed"] < points[2]["completed"]

    tags = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.append(tag)
            assert not {"src", "href"} & dict(attributes).keys(), f"<{tag}> points elsewhere"
    text = page.read_text()
    Reader().feed(text)
    assert tags.count("svg") == 3 + 3 * 3, "throughput-latency curves, and for each rate its distributions"
    assert "Throughput and latency" in text and "NaN" not in text and "nan" not in text


def test_chaos_leaves_the_server_as_it_was(server, tmp_path):
    files = pathlib.Path(f"/proc/{server.process.pid}/fd")
    before = len(list(files.iterdir()))
    result = measure(server, tmp_path, "--clients", 24, "--requests", 240, "--output-tokens", "16:256", "--chaos", "all=0.9",
                     "--chaos-patience", 3, "--cancel-within", 0.3)
    assert result["still_serves"] and result["failed"] == 0 and result["completed"] > 0
    for kind, outcomes in result["chaos"].items():
        assert sum(outcomes.values()) > 5, f"{kind} hardly happened"
        assert outcomes["other_5xx"] == 0, f"{kind} was taken for the server's own fault"
    assert result["chaos"]["oversize"]["refused_4xx"] > 0 and result["chaos"]["cancel"]["left"] > 0
    server.wait_until_free()
    server.wait_for_metric("batucada_http_connections", 1)  # the one that asks
    assert len(list(files.iterdir())) <= before + 2


def test_a_terminal_sees_a_line_that_changes_and_metrics_are_sampled_beside(server, tmp_path):
    """Both every second; the line on standard error."""
    out = tmp_path / "result.json"
    parent, child = os.openpty()
    command = [LOADTEST, "--url", server.url, "--rate", "50", "--duration", "4", "--output-tokens", "80",
               "--output", str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=child, timeout=PATIENCE_S, check=True)
    os.close(child)
    shown = os.read(parent, 1 << 16).decode()
    os.close(parent)
    lines = re.findall(r"\r +(\d+) s  (\d+) running  (\d+) answered  (\d+) failed  (\d+) tokens/s", shown)
    assert len(lines) >= 2 and "answered" in done.stdout.decode()
    answered = [int(line[2]) for line in lines]
    assert answered == sorted(answered) and 0 < answered[-1] and {line[3] for line in lines} == {"0"}
    assert any(int(line[4]) > 0 for line in lines)
    moments = json.loads(out.read_text())["server_metrics"]
    assert len(moments) >= 4, "before, two seconds meanwhile, after"
    made = [moment["output_tokens"] for moment in moments]
    assert made == sorted(made) and len(set(made)) > 2
    assert any(moment["running"] > 0 for moment in moments[1:-1]) and moments[-1]["running"] == 0


def test_an_interrupted_sweep_reports_what_there_was(server, tmp_path):
    out = tmp_path / "result.json"
    command = [LOADTEST, "--url", server.url, "--sweep", "50,100", "--duration", "60", "--output-tokens", "20", "--quiet",
               "--no-metrics", "--output", str(out)]
    before = server.metric(FINISHED)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_until(lambda: server.metric(FINISHED) > before + 20, "requests to be answered")
        running.send_signal(signal.SIGINT)
        report, words = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130 and b"interrupt once more" in words and b"answered" in report
    [point] = json.loads(out.read_text())["sweep"]
    assert point["completed"] > 10 and point["failed"] == 0 and point["duration"] < 60


def test_five_thousand_streams_at_once(tmp_path):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 6000:
        pytest.skip("this system lets a process open fewer files")
    with Server("--backend", "fake", "--fake-step-time", "1s", "--max-sequences", "5000", "--max-waiting", "5000",
                "--max-connections", "6000", "--log-level", "error") as large:
        result = measure(large, tmp_path, "--clients", 5000, "--requests", 5000, "--prompt-kind", "ids", "--input-tokens", 4,
                         "--output-tokens", 20)
    assert (result["completed"], result["failed"], result["max_concurrent_requests"]) == (5000, 0, 5000)
    assert result["total_output_tokens"] == 100_000 and result["reconciliation_agrees"]


def test_https_checks_the_certificate_unless_told_not_to(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
                    str(certificate)], check=True, capture_output=True)
    with Server("--backend", "fake", "--api-key", "sesame", "--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        server.url = f"https://127.0.0.1:{server.http_port}"
        flags = ["--requests", 40, "--clients", 8, "--output-tokens", 8, "--api-key", "sesame"]
        assert "certificate" in run(server, *flags, code=1)
        assert "401" in run(server, *flags[:-1], "wrong", "--tls-insecure", code=1)
        result = measure(server, tmp_path, *flags, "--tls-insecure")
        assert result["completed"] == 40 and result["reconciliation_agrees"]


def test_a_certificate_must_be_of_the_host_that_is_asked(tmp_path, monkeypatch):
    for name, code in [("IP:127.0.0.1", 0), ("DNS:elsewhere.example", 1)]:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=elsewhere.example", "-addext", f"subjectAltName={name}", "-keyout",
                        str(key), "-out", str(certificate)], check=True, capture_output=True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with Server("--backend", "fake", "--api-key", "sesame", "--tls-cert", str(certificate), "--tls-key", str(key)) as server:
            server.url = f"https://127.0.0.1:{server.http_port}"
            said = run(server, "--requests", 4, "--output-tokens", 2, "--api-key", "sesame", code=code)
            assert ("certificate" in said) == (code == 1)


@pytest.mark.parametrize("flags, said", [
    (["--input-tokens", "9:1"], "--input-tokens"),
    (["--goodput", "speed:1"], "--goodput"),
    (["--workload", "trace"], "--trace"),
    (["--workload", "trace", "--trace", "nowhere.csv"], "nowhere.csv"),
    (["--corpus", "/nonexistent"], "/nonexistent"),
    (["--arrival", "gamma"], "--rate"),
    (["--sweep", "1,-2"], "--sweep has a rate that is not more than 0"),
    (["--clients", "2", "--rate", "3"], "--clients"),
    (["--prompt-kind", "ids", "--endpoint", "chat"], "--prompt-kind"),
    (["--chaos", "mayhem=1"], "--chaos"),
    (["--extra-body", "[]"], "--extra-body"),
    (["--url", "ftp://localhost"], "--url"),
    (["--no-such-flag"], "--no-such-flag"),
])
def test_wrong_flags_are_named(server, flags, said):
    assert said in run(server, *flags, code=2)


def test_a_server_that_is_not_there_is_named():
    done = subprocess.run([LOADTEST, "--url", "http://127.0.0.1:1"], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr
