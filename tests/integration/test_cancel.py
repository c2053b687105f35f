"""A client that goes away gives back its memory at once, wherever its request stands; a full queue says so."""

import openai
import pytest

from server import wait_until

LONG = {"prompt": "It was", "max_tokens": 100_000}
CANCELLED = 'batucada_requests_finished_total{reason="cancelled"}'


@pytest.fixture(autouse=True)
def free_before_and_after(slow):
    slow.wait_until_free()
    yield
    slow.wait_until_free()


def steps_until_free(slow):
    start = slow.metric("batucada_steps_total")
    wait_until(lambda: slow.metric("batucada_recurrent_slots_used") == 0, "the slot to return")
    return slow.metric("batucada_steps_total") - start


def test_leaving_a_stream(slow):
    before, left = slow.metric(CANCELLED), slow.metric("batucada_requests_disconnected_total")
    stream = slow.openai().completions.create(model="", **LONG, stream=True)
    for _ in range(3):
        next(stream)
    assert slow.metric("batucada_recurrent_slots_used") == 1
    stream.close()
    assert steps_until_free(slow) <= 5  # one to notice, some for two scrapes on a busy machine
    slow.wait_for_metric(CANCELLED, before + 1)
    assert slow.metric("batucada_requests_disconnected_total") == left + 1
    assert '"finish":["disconnected"]' in slow.log()


def test_leaving_while_nothing_flows(slow):
    """Without streaming there is no write that could fail: only reading tells that the client is gone."""
    with pytest.raises(Exception, match="timed out"):
        slow.http.send(slow.http.build_request("POST", "/v1/completions", json=LONG,
                                               extensions={"timeout": {"read": 0.5}}))
    assert steps_until_free(slow) <= 5


def test_leaving_one_of_many_choices(slow):
    stream = slow.openai().completions.create(model="", **LONG, n=2, stream=True)
    next(stream)
    assert slow.metric("batucada_recurrent_slots_used") == 2
    stream.close()
    assert steps_until_free(slow) <= 5


def start(slow, running, waiting=0):
    """Streams that have a slot, then streams that have a place in the queue."""
    sent = []
    for number in range(running + waiting):
        request = slow.http.build_request("POST", "/v1/completions", json={**LONG, "stream": True})
        sent.append(slow.http.send(request, stream=True))
        slow.wait_for_metric("batucada_requests_running", min(number + 1, running))
    slow.wait_for_metric("batucada_requests_waiting", waiting)
    return sent


def test_leaving_the_queue(slow):
    *running, waiting = start(slow, 2, waiting=1)
    waiting.close()
    slow.wait_for_metric("batucada_requests_waiting", 0)
    assert slow.metric("batucada_requests_running") == 2
    for response in running:
        response.close()


def test_a_full_queue_refuses_at_once(slow):
    sent = start(slow, 2, waiting=3)
    with pytest.raises(openai.RateLimitError) as error:
        slow.openai().completions.create(model="", **LONG)
    assert error.value.code == "queue_full" and error.value.type == "rate_limit_error"
    assert int(error.value.response.headers["retry-after"]) >= 1
    assert slow.metric('batucada_requests_rejected_total{reason="queue_full"}') >= 1
    for response in sent:
        response.close()


def test_all_prompts_of_a_request_get_in_or_none(slow):
    sent = start(slow, 2)
    response = slow.http.post("/v1/completions", json={**LONG, "prompt": ["a"] * 5})
    assert response.status_code == 429
    slow.wait_for_metric("batucada_requests_waiting", 0)
    for response in sent:
        response.close()
