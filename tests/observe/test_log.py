"""The log: a JSON object for every request, and how much is logged while the server runs."""

import json
import re

import pytest

from server import Server, wait_until


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "fake", "--log-format", "json", "--api-key", "secret admin") as server:
        server.http.headers["authorization"] = "Bearer secret"
        yield server


def lines(server, request_id):
    return [json.loads(line) for line in server.log().splitlines() if f'"id":"{request_id}"' in line]


def ask(server, request_id, **body):
    return server.http.post("/v1/completions", json={"prompt": "It was", "max_tokens": 3, **body},
                            headers={"x-request-id": request_id})


def settings(server, **changes):
    answer = server.http.post("/admin/log", json=changes)
    assert answer.status_code == 200, answer.text
    assert answer.json() == server.http.get("/admin/log").json()
    return answer.json()


def test_a_line_has_ids_counts_and_times(server):
    ask(server, "log-1", n=2)
    [line] = wait_until(lambda: lines(server, "log-1"), "the line")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert (line["event"], line["level"], line["api"], line["model"]) == ("request", "info", "completions", "samba-classics-18m")
    assert (line["choices"], line["prompt_tokens"], line["generated_tokens"], line["finish"]) == (2, 3, 6, ["length"])
    assert line["total_ms"] >= line["decode_ms"] > 0 and line["prefill_ms"] > 0 and line["queue_ms"] >= 0
    assert "trace" not in line and "code" not in line


def test_messages_are_json_too(server):
    # What is printed before the server is ready is for people.
    after = server.log().split("\n\n")[-1]
    messages = [json.loads(line) for line in after.splitlines()]
    assert messages and all({"time", "level"} < set(message) for message in messages)


def test_sampling_spares_what_went_wrong(server):
    assert settings(server, request_sampling=0)["request_sampling"] == 0
    ask(server, "log-well")
    ask(server, "log-wrong", temperature=9)
    [line] = wait_until(lambda: lines(server, "log-wrong"), "the line")
    assert line["finish"] == ["rejected"] and line["code"] == "invalid_value" and line["param"] == "temperature"
    assert lines(server, "log-well") == []
    settings(server, request_sampling=0.5)
    for i in range(64):
        ask(server, f"log-half-{i}", max_tokens=1)
    settings(server, request_sampling=1)
    ask(server, "log-after")
    wait_until(lambda: lines(server, "log-after"), "the line")
    assert 10 < sum(bool(lines(server, f"log-half-{i}")) for i in range(64)) < 54


def test_the_level_can_be_changed(server):
    assert settings(server)["level"] == "info"
    settings(server, level="warn")
    ask(server, "log-quiet")
    ask(server, "log-quiet-wrong", temperature=9)
    settings(server, level="info")
    ask(server, "log-loud")
    wait_until(lambda: lines(server, "log-loud"), "the line")
    assert lines(server, "log-quiet") == lines(server, "log-quiet-wrong") == []


@pytest.mark.parametrize("change, param", [({"level": "loud"}, "level"), ({"request_sampling": 2}, "request_sampling"),
                                           ({"request_sampling": -1}, "request_sampling"), ({"volume": 1}, "volume")])
def test_what_makes_no_sense_is_refused_by_name(server, change, param):
    answer = server.http.post("/admin/log", json=change)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param
    assert settings(server)["level"] == "info"


def test_it_needs_a_key_as_everything_does(server):
    for method in ("GET", "POST"):
        assert server.http.request(method, "/admin/log", headers={"authorization": ""}).status_code == 401
