"""Where every place is taken an urgent request has one put aside, which goes on later as if nothing had been."""

import contextlib
import json

from server import Server, run

FLAGS = ("--max-sequences", "2", "--min-priority", "-1", "--client-share", "1")
TEXTS = ({"prompt": "It was a dark", "temperature": 0.8, "seed": 7, "ignore_eos": True},
         {"prompt": "Call me", "temperature": 1, "seed": 8, "frequency_penalty": 0.5, "guided_regex": "([a-z]{1,9} ){400}"})
LENGTH = {"max_tokens": 400}


@contextlib.contextmanager
def stream(server, body):
    """The pieces of a text as they come."""
    with server.http.stream("POST", "/v1/completions", json=body | {"stream": True}) as response:
        assert response.status_code == 200, response.read()
        lines = (line[len("data: "):] for line in response.iter_lines() if line.startswith("data: "))
        yield (json.loads(line)["choices"][0]["text"] for line in lines if line != "[DONE]")


def test_a_parked_text_ends_as_an_undisturbed_one():
    with Server("--backend", "cpu", "--threads", "1", "--park", "1", *FLAGS) as server:
        undisturbed = [server.complete(**text, **LENGTH)["choices"][0]["text"] for text in TEXTS]
        urgent = {"prompt": "Quick", "max_tokens": 4, "ignore_eos": True, "temperature": 0, "frequency_penalty": 1}
        alone = server.complete(**urgent)["choices"][0]["text"]
        assert server.metric("batucada_parked_total") == 0
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(stream(server, text | LENGTH)) for text in TEXTS]
            texts = [next(pieces) for pieces in streams]  # both run
            for _ in range(3):
                with stream(server, urgent | {"priority": -1}) as pieces:
                    assert "".join(pieces) == alone
            for i, pieces in enumerate(streams):
                texts[i] += "".join(pieces)
        assert texts == undisturbed
        metrics = server.metrics()
        assert metrics["batucada_parked_total"] >= 1, "an urgent one was admitted while both ran"
        assert metrics["batucada_parked_returned_total"] == metrics["batucada_parked_total"]
        assert metrics["batucada_parked_seconds_total"] > 0
        assert metrics["batucada_requests_parked"] == metrics["batucada_parked_bytes"] == 0


def test_who_leaves_while_parked_leaves_nothing():
    """Neither does who is parked when the server ends."""
    server = Server("--backend", "fake", "--fake-step-time", "5ms", "--park", "2", "--drain-timeout", "300ms", *FLAGS)
    with server.at_work(2) as others:
        server.wait_for_metric("batucada_requests_running", 2)
        with server.at_work(2, priority=-1):
            server.wait_for_metric("batucada_requests_parked", 2)
            assert server.metric("batucada_requests_running") == 2
            for connection in others:
                connection.close()
            server.wait_for_metric("batucada_requests_parked", 0)
            assert server.metric("batucada_requests_running") == 2
    server.wait_until_free()
    with server.at_work(2):
        server.wait_for_metric("batucada_requests_running", 2)
        with server.at_work(1, priority=-1):
            server.wait_for_metric("batucada_requests_parked", 1)
            server.stop()


def test_after_its_time_it_comes_back_first():
    """Before another urgent request, which then waits."""
    with Server("--backend", "fake", "--fake-step-time", "5ms", "--park", "1", "--park-time", "1ms", "--max-sequences", "1",
                *FLAGS[2:]) as server:
        with server.at_work(1):
            server.wait_for_metric("batucada_requests_running", 1)
            with server.at_work(1, priority=-1) as first:
                server.wait_for_metric("batucada_requests_parked", 1)
                with server.at_work(1, priority=-1):
                    server.wait_for_metric("batucada_requests_waiting", 1)
                    first[0].close()
                    server.wait_for_metric("batucada_parked_returned_total", 1)
                    assert server.metric("batucada_requests_waiting") == 1
                    assert server.metric("batucada_requests_running") == 1


def test_bounds():
    refused = run("serve", "--backend", "fake", "--max-sequences", "3", "--park", "4")
    assert refused.returncode != 0 and "park is 4" in refused.stderr, refused.stderr
    refused = run("serve", "--backend", "fake", "--park-time", "0s")
    assert refused.returncode != 0 and "park-time" in refused.stderr, refused.stderr
