"""Smaller priorities first, on every wire."""

import contextlib

from server import Server

FLAGS = ("--backend", "fake", "--fake-step-time", "20ms", "--max-sequences", "3", "--urgent-sequences", "1",
         "--max-waiting", "4", "--min-priority", "-5")


@contextlib.contextmanager
def full(server, **ask):
    """While two texts without an end are written and four wait; they are still there at the end, and then the four go on."""
    with server.at_work(2, **ask) as running:
        server.wait_for_metric("batucada_requests_running", 2)
        with server.at_work(4, **ask):  # only now: a queue of four holds no six
            server.wait_for_metric("batucada_requests_waiting", 4)
            yield
            server.wait_for_metric("batucada_requests_running", 2)
            assert server.metric("batucada_requests_waiting") == 4
            for connection in running:
                connection.close()
            server.wait_for_metric("batucada_requests_waiting", 2)
            server.wait_for_metric("batucada_requests_running", 2)


def test_an_urgent_request_passes_a_full_server():
    """Places that are kept for it, a queue of its own, and its prompt before others'."""
    with Server(*FLAGS) as server, full(server):
        assert server.http.post("/v1/completions", json={"prompt": "a"}).status_code == 429
        urgent = server.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 1, "priority": -1})
        assert urgent.status_code == 200


def test_without_the_right_nobody_is_urgent():
    """What is asked for works with every key, and counts as far as the key allows."""
    keys = ("--api-key", "plain", "--api-key", "urgent priority=-1")
    flags = [flag for flag in FLAGS if flag not in ("--min-priority", "-5")]
    with Server(*flags, *keys, "--client-share", "1") as server, full(server, key="plain", priority=-1000):
        def ask(key):
            return server.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 1, "priority": -1000},
                                    headers={"Authorization": f"Bearer {key}"})
        assert ask("plain").status_code == 429, "its queue is that of all"
        assert ask("urgent").status_code == 200


def test_priorities_have_bounds(fast):
    for path, given in (("/v1/completions", {"prompt": "a"}),
                        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
                        ("/v2/models/samba-classics-18m/generate", {"text_input": "a"})):
        refused = fast.http.post(path, json=given | {"priority": 1001})
        assert refused.status_code == 400 and "priority" in refused.text, path
