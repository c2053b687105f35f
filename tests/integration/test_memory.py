"""What one client can make the server hold: charged before it is held, refused with a sentence, and given back."""

import json
import resource
import select
import socket

import pytest

from h2_client import resident_bytes
from server import PATIENCE_S, SANITIZED, Server, run, wait_until

MIB = 1 << 20


def held(server):
    return sum(value for name, value in server.metrics().items() if name.startswith("batucada_request_memory_bytes"))


def wait_until_nothing_is_held(server):
    wait_until(lambda: held(server) == 0, "what was charged to come back")


def virtual_bytes(server):
    return int(server.metric("process_virtual_memory_bytes"))


def post(server, path, body, finish=True):
    """A socket on which the request was sent: all of it, or all but the last byte."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    link = socket.create_connection(("127.0.0.1", server.http_port), 60)
    link.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (path.encode(), len(data)))
    try:
        link.sendall(data if finish else data[:-1])
    except OSError:
        pass  # refused before all of it was sent
    return link


@pytest.fixture(scope="module")
def small():
    with Server("--backend", "fake", "--fake-step-time", "0ms", "--request-memory", "64MiB") as server:
        yield server


def test_the_budget_is_printed_and_told(small):
    assert "requests may hold 64.0 MiB together" in small.log()
    assert small.metric("batucada_request_memory_budget_bytes") == 64 * MIB


def test_bodies_that_never_end_are_refused_past_the_budget(small):
    body = b'{"prompt":"' + b"a" * (8 * MIB - 20) + b'"}'
    links = [post(small, "/v1/completions", body, finish=False) for _ in range(20)]
    try:
        wait_until(lambda: small.metric('batucada_request_memory_refused_total{part="body"}') > 0, "a refusal")
        assert held(small) <= 64 * MIB
        assert small.complete(prompt="a", max_tokens=1)["choices"], "small requests have room of their own"
        # On a slow machine some that were refused, or were let in later, have timed out since.
        answers = [link.recv(4096).decode() for link in links if select.select([link], [], [], 0)[0]]
        assert any(answer.startswith("HTTP/1.1 429") and "its body" in answer and "retry-after" in answer.lower()
                   for answer in answers), answers
    finally:
        for link in links:
            link.close()
    wait_until_nothing_is_held(small)


def test_what_can_never_fit_is_413_and_says_what(small):
    answer = small.http.post("/v1/completions", json={"prompt": ["a"] * 64, "n": 16, "max_tokens": 1000, "logprobs": 20})
    assert answer.status_code == 413, answer.text
    error = answer.json()["error"]
    assert error["code"] == "request_too_large" and "tokens times choices" in error["message"]
    assert "64.0 MiB" in error["message"] and "retry-after" not in answer.headers
    wait_until_nothing_is_held(small)


def test_a_body_that_there_is_no_memory_to_read_leaves_its_line(small):
    refused = small.http.post("/v1/completions", json={"prompt": [[7] * 1_000_000]}, headers={"x-request-id": "too-much-to-read"})
    assert refused.status_code == 413 and "reading its body" in refused.json()["error"]["message"], refused.text
    wait_until(lambda: any("too-much-to-read" in line and "rejected" in line for line in small.log().splitlines()), "its line")
    wait_until_nothing_is_held(small)


def test_choices_share_what_a_request_says(small):
    ids = list(range(8192)) * 30
    body = {"prompt": ["a"] * 64, "n": 16, "max_tokens": 8, "allowed_token_ids": ids}
    before = small.metric("process_resident_memory_bytes")
    link = post(small, "/v1/completions", body)
    link.recv(1)
    assert small.metric("process_resident_memory_bytes") < before + 200 * MIB, "1,024 copies would be a gigabyte"
    link.close()
    wait_until_nothing_is_held(small)


def test_a_prompt_is_scored_once_for_all_its_choices(small):
    prompt = list(range(1, 2001))
    before = small.metric("batucada_requests_finished_total{reason=\"length\"}")
    answer = small.complete(prompt=prompt, n=4, max_tokens=0, prompt_logprobs=5)
    assert small.metric("batucada_requests_finished_total{reason=\"length\"}") == before + 1
    scores = [choice["prompt_logprobs"] for choice in answer["choices"]]
    assert len(scores) == 4 and all(score == scores[0] for score in scores)
    assert scores[0][0] is None and len(scores[0]) == len(prompt)
    assert all(str(token) in score for token, score in zip(prompt[1:], scores[0][1:]))
    echoed = small.complete(prompt=prompt[:50], n=3, max_tokens=2, echo=True, logprobs=1, temperature=0)
    lists = [choice["logprobs"]["tokens"] for choice in echoed["choices"]]
    assert all(len(tokens) == 52 and tokens == lists[0] for tokens in lists)


def test_long_answers_are_written_as_they_are_taken(small):
    """62 MB of answer with a client that does not read: little of it is in memory."""
    body = {"prompt": [5] * 30_000, "n": 2, "max_tokens": 0, "prompt_logprobs": 20}
    before = small.metric("process_resident_memory_bytes")
    link = post(small, "/v1/completions", body)
    head = link.recv(4096)
    assert head.startswith(b"HTTP/1.1 200") and b"chunked" in head.lower()
    assert small.metric("process_resident_memory_bytes") < before + 64 * MIB
    assert 0 < held(small) <= 64 * MIB
    link.close()
    wait_until_nothing_is_held(small)


def test_a_long_answer_is_whole(small):
    answer = small.http.post("/detokenize", json={"tokens": [321] * 200_000}).json()
    one = small.http.post("/detokenize", json={"tokens": [321]}).json()["prompt"]
    assert len(answer["prompt"]) >= 200_000 * len(one.strip())
    text = "word, " * 20_000
    tokens = small.http.post("/tokenize", json={"prompt": text, "return_token_strs": True}).json()
    assert tokens["count"] == len(tokens["tokens"]) == len(tokens["token_strs"]) > 20_000
    assert small.http.post("/detokenize", json={"tokens": tokens["tokens"], "skip_special_tokens": True}
                           ).json()["prompt"] == text


def test_who_takes_an_answer_byte_by_byte_is_cut_off():
    with Server("--backend", "fake", "--write-timeout", "1s", "--min-transfer-rate", "100MiB") as server:
        link = post(server, "/detokenize", {"tokens": [321] * 2_000_000})
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def drip():
            try:
                return not link.recv(1)
            except OSError:
                return True
        wait_until(lambda: drip() or held(server) == 0, "the server to give up")
        wait_until_nothing_is_held(server)
        link.close()


def test_whose_body_drips_in_is_cut_off():
    with Server("--backend", "fake", "--read-timeout", "1s", "--min-transfer-rate", "100MiB") as server:
        link = post(server, "/v1/completions", b"a" * MIB, finish=False)
        assert link.recv(4096).startswith(b"HTTP/1.1 408")
        link.close()
        wait_until_nothing_is_held(server)


def test_connections_that_came_and_went_leave_little_behind():
    """What the event loops keep of each for ever lies side by side, and holds no page with gaps in it."""
    count, kept = 9_500, resource.getrlimit(resource.RLIMIT_NOFILE)
    if kept[1] < count + 1000:
        pytest.skip("this process may not have so many descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (kept[1], kept[1]))
    try:
        with Server("--backend", "fake") as server:
            if virtual_bytes(server) > 1 << 40:
                pytest.skip("a sanitizer keeps what is freed")
            before = resident_bytes(server)
            crowd = [socket.create_connection(("127.0.0.1", server.http_port), PATIENCE_S) for _ in range(count)]
            server.wait_for_metric("batucada_http_connections", count + 1)
            assert resident_bytes(server) > 1.5 * before
            for link in crowd:
                link.close()
            # As seen: 1.12 times; where they lay among all that a connection has, 1.25.
            wait_until(lambda: resident_bytes(server) < 1.2 * before, "their memory to come back")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, kept)


def test_pages_of_texts_that_ended_go_back_to_the_system():
    """K/V blocks, recurrent slots and what else a flood of streams has touched on a CPU."""
    body = {"prompt": "Once upon a time " * 20, "n": 8, "max_tokens": 2000, "ignore_eos": True, "stream": True}
    with Server("--backend", "cpu") as server:
        if virtual_bytes(server) > 1 << 40:
            pytest.skip("a sanitizer keeps what is freed")
        # Long enough to use the workspace, too, which stays.
        alone = {"prompt": "It was a dark night. " * 100, "max_tokens": 40, "temperature": 0, "logprobs": 1}
        answer = server.complete(**alone)["choices"]
        before = resident_bytes(server)
        flood = [post(server, "/v1/completions", body) for _ in range(60)]
        wait_until(lambda: resident_bytes(server) > 2 * before, "their pages to be used")
        for link in flood:
            link.close()
        server.wait_until_free()
        wait_until(lambda: resident_bytes(server) < 1.2 * before, "their memory to come back")
        assert server.complete(**alone)["choices"] == answer


def limited(size):
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))


def test_running_out_of_address_space_ends_the_request_and_not_the_server():
    with Server("--backend", "fake") as probe:
        size = virtual_bytes(probe)
    if size > 1 << 40:
        pytest.skip("a sanitizer has taken terabytes of address space")
    with Server("--backend", "fake", "--request-memory", "8GiB", preexec_fn=limited(size + 96 * MIB)) as server:
        # A list in a list: ids that are the prompt itself take less.
        body = {"prompt": [[7] * 2_000_000], "n": 16, "max_tokens": 16}
        answers = [server.http.post("/v1/completions", json=body) for _ in range(4)]
        answers += [server.http.post("/tokenize", json={"prompt": "a b " * 1_900_000}) for _ in range(2)]
        assert all(answer.status_code in (400, 413, 429, 503) or answer.status_code == 200 for answer in answers)
        assert any(answer.status_code == 429 and "ran out of memory" in answer.text for answer in answers), [
            (answer.status_code, answer.text[:200]) for answer in answers]
        assert server.complete(prompt="a", max_tokens=3)["choices"]
        assert server.process.poll() is None


@pytest.mark.skipif(SANITIZED, reason="a sanitizer needs terabytes of address space")
@pytest.mark.parametrize("mib", [64, 128, 256])
def test_a_start_without_memory_ends_with_a_sentence(mib):
    ended = run("serve", "--model", "models/samba-classics-18m", "--port", "0", "--grpc-port", "0", "--max-sequences",
                "4000", preexec_fn=limited(mib * MIB))
    assert ended.returncode in (1, 2, 127), ended
    assert "batucada:" in ended.stderr or ended.returncode == 127, ended.stderr
