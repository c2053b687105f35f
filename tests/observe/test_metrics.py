"""/metrics as its readers want it."""

import re
import statistics
import threading
import time

import pytest

from server import ROOT, Server
from tools import promtool

PROMPT = "It was a dark and stormy night"


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "fake", "--metrics-aliases", "vllm", "--served-model-name", "classics",
                "--prefix-cache", "on") as server:
        server.complete(prompt=PROMPT, max_tokens=20)
        yield server


def native(page):
    """Without the names that vLLM chose, whose colons promtool rightly dislikes."""
    return "".join(line + "\n" for line in page.splitlines() if not re.match(r"(# \w+ )?vllm:", line))


def test_promtool_finds_nothing_wrong(server):
    page = native(server.http.get("/metrics").text)
    assert page.count("# TYPE") > 40
    assert promtool("check", "metrics", text=page) == ""


def test_every_family_has_help_and_type(server):
    page = server.http.get("/metrics").text
    assert re.findall(r"^# HELP (\S+) \S", page, re.MULTILINE) == re.findall(r"^# TYPE (\S+) \w", page, re.MULTILINE)


@pytest.mark.parametrize("name, first, last", [
    ("time_to_first_token_seconds", 0.001, 100), ("inter_token_latency_seconds", 0.0005, 2),
    ("time_per_output_token_seconds", 0.0005, 2), ("queue_time_seconds", 0.001, 100),
    ("prefill_time_seconds", 0.001, 100), ("decode_time_seconds", 0.01, 1000), ("request_duration_seconds", 0.01, 1000),
    ("request_prompt_tokens", 1, 2**20), ("request_generation_tokens", 1, 2**20),
    ("step_duration_seconds", 0.0001, 5), ("step_sequences", 1, 16384), ("step_tokens", 1, 16384)])
def test_buckets_reach_from_the_least_to_the_most(server, name, first, last):
    """And no bound is more than two and a half times the one before."""
    page = server.http.get("/metrics").text
    bounds = [float(bound) for bound in re.findall(rf'^batucada_{name}_bucket\{{le="([\d.e+-]+)"\}}', page, re.MULTILINE)]
    assert (bounds[0], bounds[-1]) == (first, last) and bounds == sorted(bounds)
    assert all(after <= 2.5 * before * (1 + 1e-9) for before, after in zip(bounds, bounds[1:])), bounds


def test_names_for_pickers_and_dashboards_of_vllm(server):
    """What the model server protocol of the Gateway API Inference Extension asks for, by name and label."""
    page = server.http.get("/metrics").text
    labels = r'\{model_name="classics",engine="0"\}'
    for name, value in (("num_requests_running", 0), ("num_requests_waiting", 0), ("kv_cache_usage_perc", 0),
                        ("generation_tokens_total", 20), ("time_to_first_token_seconds_count", 1),
                        ("inter_token_latency_seconds_count", 19), ("e2e_request_latency_seconds_count", 1)):
        [found] = re.findall(rf"^vllm:{name}{labels} (\S+)$", page, re.MULTILINE)
        assert float(found) == value, name
    [config] = re.findall(r"^vllm:cache_config_info\{(.*)\} 1$", page, re.MULTILINE)
    config = dict(re.findall(r'(\w+)="([^"]*)"', config))
    metrics = server.metrics()
    assert int(config["block_size"]) == metrics["batucada_kv_block_tokens"]
    assert int(config["num_gpu_blocks"]) == metrics["batucada_kv_blocks_capacity"]


def test_usage_rises_while_something_runs(server):
    with server.at_work():
        server.wait_for_metric("batucada_requests_running", 1)
        page = server.http.get("/metrics").text
    assert 0 < float(re.search(r"^vllm:kv_cache_usage_perc\{.*\} (\S+)$", page, re.MULTILINE)[1]) < 1
    assert re.search(r"^vllm:num_requests_running\{.*\} 1$", page, re.MULTILINE)
    server.wait_until_free()


def test_no_aliases_unless_asked_for():
    with Server("--backend", "fake") as server:
        assert "vllm:" not in server.http.get("/metrics").text


def test_scraping_does_not_disturb_the_steps(server):
    """A stream's pace, with a scrape every 50 ms and without. The best of some tries: other programs share the machine,
    and can only make it look worse."""
    def pace():
        gaps, last = [], time.monotonic()
        with server.http.stream("POST", "/v1/completions", json={"prompt": "a", "max_tokens": 800, "stream": True}) as answer:
            for _ in answer.iter_raw():
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
        return statistics.median(gaps)

    stop = threading.Event()

    def scrape():
        while not stop.wait(0.05):
            server.http.get("/metrics")

    def slower():
        stop.clear()
        calm = pace()
        scraper = threading.Thread(target=scrape)
        scraper.start()
        watched = pace()
        stop.set()
        scraper.join()
        return watched - 3 * calm
    assert any(slower() < 0.001 for _ in range(5))


def test_a_scrape_does_not_wait_for_a_step():
    """Many scrapes fit into a step; who waited for one would see it end each time."""
    with Server("--backend", "fake", "--fake-step-time", "2s") as server, server.at_work():
        server.wait_for_metric("batucada_requests_running", 1)
        first, steps, scrapes = server.metric("batucada_steps_total"), 0, 0
        while steps < 2:
            steps = server.metric("batucada_steps_total") - first
            scrapes += 1
            time.sleep(0.02)
        assert scrapes > 5 * steps


def test_scrapes_at_once_are_whole(server):
    """Under load, from several readers: every page is complete and every histogram adds up."""
    pages = []

    def scrape():
        for _ in range(20):
            pages.append(server.http.get("/metrics").text)

    readers = [threading.Thread(target=scrape) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(10):
        server.complete(prompt=PROMPT, max_tokens=50, n=4)
    for reader in readers:
        reader.join()
    assert len(pages) == 80
    for page in pages:
        for name, infinite in re.findall(r'^(\w+)_bucket\{le="\+Inf"\} (\d+)$', page, re.MULTILINE):
            counts = [int(count) for count in re.findall(rf"^{name}_bucket\{{.*\}} (\d+)$", page, re.MULTILINE)]
            assert counts == sorted(counts) and re.search(rf"^{name}_count {infinite}$", page, re.MULTILINE)


def test_rejections_have_reasons():
    with Server("--backend", "fake", "--fake-step-time", "50ms", "--max-sequences", "1", "--max-waiting", "1") as server:
        server.http.post("/v1/completions", json={"prompt": PROMPT, "temperature": 9})
        server.http.post("/v1/completions", json={"prompt": PROMPT, "model": "another"})
        server.http.post("/v1/completions", json={"prompt": PROMPT, "n": 9})
        server.wait_until_free()
        metrics = server.metrics()
        for reason, count in {"invalid": 1, "unknown_model": 1, "queue_full": 1, "unavailable": 0}.items():
            assert metrics[f'batucada_requests_rejected_total{{reason="{reason}"}}'] == count, reason


def test_the_page_about_metrics_names_each(server):
    page = (ROOT / "docs/metrics.md").read_text()
    families = re.findall(r"^# TYPE (\S+)", server.http.get("/metrics").text, re.MULTILINE)
    assert [name for name in families if f"`{name}" not in page] == []
    assert [name for name in re.findall(r"`((?:batucada_|vllm:|process_)\w+)[`{]", page)
            if name not in families and not name.endswith("cache_")] == []
