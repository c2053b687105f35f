"""Smaller priorities first, on every wire."""

import time
from concurrent.futures import ThreadPoolExecutor

from server import Server

FLAGS = ("--backend", "fake", "--fake-step-time", "20ms", "--max-sequences", "3", "--urgent-sequences", "1",
         "--max-waiting", "4", "--min-priority", "-5")


def test_an_urgent_request_passes_a_full_server():
    """Places that are kept for it, a queue of its own, and its prompt before others'."""
    with Server(*FLAGS) as server, ThreadPoolExecutor(8) as pool:
        long = {"prompt": "a", "max_tokens": 60, "ignore_eos": True}
        others = []
        for metric, count in (("running", 2), ("waiting", 4)):  # first come first: a queue of four holds no six
            others += [pool.submit(server.http.post, "/v1/completions", json=long) for _ in range(count)]
            server.wait_for_metric(f"batucada_requests_{metric}", count)
        assert server.http.post("/v1/completions", json=long).status_code == 429
        begin = time.monotonic()
        urgent = server.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 1, "priority": -1})
        took = time.monotonic() - begin
        assert urgent.status_code == 200 and took < 0.6, took
        assert not any(other.done() for other in others), "they take a second and more"
        assert all(other.result().status_code == 200 for other in others)


def test_without_the_right_nobody_is_urgent():
    """What is asked for works with every key, and counts as far as the key allows."""
    keys = ("--api-key", "plain", "--api-key", "urgent priority=-1")
    flags = [flag for flag in FLAGS if flag not in ("--min-priority", "-5")]
    with Server(*flags, *keys, "--client-share", "1") as server, ThreadPoolExecutor(8) as pool:
        def ask(key, **more):
            return server.http.post("/v1/completions", json={"prompt": "a", "ignore_eos": True} | more,
                                    headers={"Authorization": f"Bearer {key}"})
        others = []
        for metric, count in (("running", 2), ("waiting", 4)):
            others += [pool.submit(ask, "plain", max_tokens=60, priority=-1000) for _ in range(count)]
            server.wait_for_metric(f"batucada_requests_{metric}", count)
        assert ask("plain", max_tokens=1, priority=-1000).status_code == 429, "its queue is that of all"
        assert ask("urgent", max_tokens=1, priority=-1000).status_code == 200
        assert not any(other.done() for other in others), "they take a second and more"
        assert all(other.result().status_code == 200 for other in others)


def test_priorities_have_bounds(fast):
    for path, given in (("/v1/completions", {"prompt": "a"}),
                        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
                        ("/v2/models/samba-classics-18m/generate", {"text_input": "a"})):
        refused = fast.http.post(path, json=given | {"priority": 1001})
        assert refused.status_code == 400 and "priority" in refused.text, path
