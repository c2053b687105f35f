"""Answers far longer than what they are made of, on every wire: written as they are taken, so that little of them is in
memory and no event loop stands still for them; and what a connection holds beside them is charged."""

import json
import select
import socket

import grpc
import pytest

from server import MODEL, PATIENCE_S, Server, wait_until
from test_memory import MIB, held, post, virtual_bytes, wait_until_nothing_is_held

TOKENS = 20_000
ALTERNATIVES = 20


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "fake", "--fake-step-time", "0ms", "--request-memory", "64MiB", "--stream-buffer-tokens",
                "100000") as server:
        yield server


def body_of(link):
    """The rest of an answer in chunks, put together."""
    with link.makefile("rb") as file:
        assert b" 200 " in file.readline()
        headers = list(iter(file.readline, b"\r\n"))
        assert b"transfer-encoding: chunked\r\n" in [header.lower() for header in headers]
        parts = []
        while size := int(file.readline(), 16):
            parts.append(file.read(size))
            file.readline()
    return b"".join(parts)


def grown_since(server, before):
    """Resident bytes; none, where a sanitizer keeps what is freed."""
    return 0 if virtual_bytes(server) > 1 << 40 else server.metric("process_resident_memory_bytes") - before


def ended(server):
    return sum(count for name, count in server.metrics().items() if name.startswith("batucada_requests_finished_total"))


LONG = {
    "llama.cpp": ("/completion", {"prompt": "a", "n_predict": TOKENS, "n_probs": ALTERNATIVES, "ignore_eos": True},
                  lambda answer: answer["completion_probabilities"]),
    "Ollama": ("/api/generate", {"model": MODEL.name, "prompt": "a", "stream": False, "logprobs": True,
                                 "top_logprobs": ALTERNATIVES, "options": {"num_predict": TOKENS}},
               lambda answer: answer["logprobs"]),
    "SGLang": ("/generate", {"input_ids": [5] * (TOKENS + 1), "sampling_params": {"max_new_tokens": 1},
                             "return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": ALTERNATIVES},
               lambda answer: answer["meta_info"]["input_top_logprobs"][1:]),
    "TGI": ("/generate", {"inputs": "a b " * (TOKENS // 4), "parameters": {"max_new_tokens": 1, "details": True,
                                                                          "decoder_input_details": True}},
            lambda answer: answer["details"]["prefill"]),
    "Responses": ("/v1/responses", {"input": "a", "max_output_tokens": TOKENS, "top_logprobs": ALTERNATIVES, "store": False,
                                    "include": ["message.output_text.logprobs"]},
                  lambda answer: answer["output"][0]["content"][0]["logprobs"]),
}


@pytest.mark.parametrize("name", LONG)
def test_a_whole_answer_is_written_as_it_is_taken(server, name):
    path, body, told = LONG[name]
    before, done = server.metric("process_resident_memory_bytes"), ended(server)
    link = post(server, path, body)
    wait_until(lambda: ended(server) > done, "the text's end")
    assert grown_since(server, before) < 24 * MIB
    answer = json.loads(body_of(link))
    assert 100 < len(told(answer)) <= TOKENS
    link.close()
    wait_until_nothing_is_held(server)


@pytest.fixture(scope="module")
def hasty():
    """Makes tokens faster than anybody takes them, and a second one that waits is one too many for a stream."""
    with Server("--backend", "fake", "--fake-step-time", "0ms", "--stream-buffer-tokens", "1") as server:
        yield server


WHOLE = {
    "completions": ("/v1/completions", {"prompt": "a", "max_tokens": 2000, "ignore_eos": True, "n": 2},
                    lambda answer: answer["usage"]["completion_tokens"] // 2),
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 2000, "ignore_eos": True},
             lambda answer: answer["usage"]["completion_tokens"]),
    "Ollama": ("/api/generate", {"model": MODEL.name, "prompt": "a", "stream": False, "options": {"num_predict": 2000}},
               lambda answer: answer["eval_count"]),
    "infer": (f"/v2/models/{MODEL.name}/generate", {"text_input": "a", "parameters": {"max_tokens": 2000, "ignore_eos": True}},
              lambda answer: 2000 if answer["text_output"] else 0),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_does_not_fail_where_the_server_is_late(hasty, name):
    path, body, told = WHOLE[name]
    answer = hasty.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert 100 < told(answer.json()) <= 2000
    wait_until_nothing_is_held(hasty)


def test_nor_does_one_over_grpc_or_in_the_background(hasty, stubs):
    pb, services = stubs
    with grpc.insecure_channel(f"127.0.0.1:{hasty.grpc_port}") as channel:
        answer = services.InferenceStub(channel).Complete(pb.GenerateRequest(
            text="a", max_tokens=2000, stopping=pb.StopOptions(ignore_eos=True)))
    assert answer.usage.completion_tokens == 2000
    begun = hasty.http.post("/v1/responses", json={"input": "a", "max_output_tokens": 2000, "background": True}).json()
    path = f"/v1/responses/{begun['id']}"
    wait_until(lambda: hasty.http.get(path).json()["status"] not in ("queued", "in_progress"), "the response")
    assert hasty.http.get(path).json()["error"] is None
    wait_until_nothing_is_held(hasty)


def test_a_stream_that_retells_is_written_as_it_is_taken(server):
    body = {"text": "a", "sampling_params": {"max_new_tokens": 20_000, "ignore_eos": True}, "stream": True}
    link = post(server, "/generate", body)
    events = [json.loads(event[6:]) for event in body_of(link).split(b"\n\n") if event.startswith(b"data: {")]
    told = [event["meta_info"]["completion_tokens"] for event in events]
    assert told == sorted(told) and told[-1] == 20_000
    assert all(len(event["output_ids"]) == count for event, count in zip(events, told))
    assert all(after["text"].startswith(event["text"]) for event, after in zip(events, events[1:]))
    link.close()
    wait_until_nothing_is_held(server)


def test_a_response_that_is_kept_is_the_one_that_was_told(server):
    body = {"input": "a", "max_output_tokens": 1000, "top_logprobs": 5, "include": ["message.output_text.logprobs"]}
    answer = server.http.post("/v1/responses", json=body).json()
    assert len(answer["output"][0]["content"][0]["logprobs"]) > 100
    assert server.http.get(f"/v1/responses/{answer['id']}").json()["output"] == answer["output"]
    behind = server.http.post("/v1/responses", json=body | {"background": True}).json()
    kept = wait_until(lambda: (got := server.http.get(f"/v1/responses/{behind['id']}").json())["status"] == "incomplete" and got,
                      "the response in the background")
    assert len(kept["output"][0]["content"][0]["logprobs"]) > 100


def test_a_response_that_the_store_will_not_take_says_so(server):
    body = {"input": "a", "max_output_tokens": TOKENS, "top_logprobs": ALTERNATIVES, "include": ["message.output_text.logprobs"]}
    answer = server.http.post("/v1/responses", json=body)
    assert answer.status_code == 200
    assert server.http.get(f"/v1/responses/{answer.json()['id']}").status_code == 404
    wait_until_nothing_is_held(server)


def test_grpc_sends_a_whole_answer_in_pieces(server, stubs):
    pb, services = stubs
    request = pb.GenerateRequest(max_tokens=3, sampling=pb.SamplingOptions(temperature=0), token_ids=pb.TokenIds(ids=[5] * TOKENS), n=2,
                                 output=pb.OutputOptions(prompt_logprobs=ALTERNATIVES, logprobs=2))
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as channel:
        stub = services.InferenceStub(channel)
        before = server.metric("process_resident_memory_bytes")
        whole = stub.Complete(request)
        assert grown_since(server, before) < 32 * MIB
        streamed = list(stub.Generate(request))
        scores = [token for message in streamed for token in message.prompt_tokens]
        assert list(whole.prompt_tokens) == scores and len(scores) == TOKENS - 1
        assert whole.usage == streamed[-1].usage
        for index, choice in enumerate(whole.choices):
            mine = [message for message in streamed if message.index == index]
            assert choice.text == "".join(message.text for message in mine)
            assert list(choice.tokens) == [token for message in mine for token in message.tokens]
            assert len(choice.tokens) == 3 and choice.finish_reason == mine[-1].finish_reason != 0
        short = stub.Complete(pb.GenerateRequest(text="a", max_tokens=2, output=pb.OutputOptions(echo=True)))
        assert short.choices[0].text.startswith("a") and short.usage.completion_tokens == 2
    wait_until_nothing_is_held(server)


def test_who_leaves_a_long_answer_frees_it(server):
    links = [post(server, "/v1/completions", {"prompt": "a", "n": 4, "max_tokens": 2000, "logprobs": ALTERNATIVES,
                                              "ignore_eos": True, "stream": stream}) for stream in (False, True) * 3]
    wait_until(lambda: held(server) > MIB, "what they hold")
    for link in links:
        link.close()
    server.wait_until_free()
    wait_until_nothing_is_held(server)


def test_what_connections_hold_is_charged():
    """Heads that never end, and pages that nobody reads."""
    with Server("--backend", "fake", "--request-memory", "8MiB") as server:
        heads = [b"GET /health/live HTTP/1.1\r\nhost: x\r\nx: %s" % (b"a" * 15_000),
                 b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"]
        for head in heads:
            refused = sum_refused(server)
            links = []
            for _ in range(1000):
                link = socket.create_connection(("127.0.0.1", server.http_port), PATIENCE_S)
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                link.sendall(head)
                links.append(link)
                if sum_refused(server) > refused:
                    break
            wait_until(lambda: any(link.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 429" for link in select.select(links, [], [], 0)[0]),
                       "a client to be told")
            assert 8 < len(links) < 1000
            assert held(server) <= 8 * MIB
            assert server.http.get("/health/live").status_code == 200
            for link in links:
                link.close()
            wait_until_nothing_is_held(server)


def sum_refused(server):
    return sum(count for name, count in server.metrics().items() if name.startswith("batucada_request_memory_refused_total"))
