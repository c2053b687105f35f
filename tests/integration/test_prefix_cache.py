"""The cache of prefixes on the wire: what usage says, who shares with whom, and what metrics count."""

import pytest

from server import Server, run, wait_until


@pytest.fixture(scope="module")
def keyed():
    with Server("--backend", "fake", "--fake-step-time", "0s", "--prefix-cache", "on", "--api-key", "alice", "--api-key", "bob", "--host-cache",
                "64MiB") as server:
        yield server


def ask(server, prompt, key, **more):
    answer = server.http.post("/v1/completions", headers={"authorization": f"Bearer {key}"},
                              json={"prompt": prompt, "max_tokens": 30, "temperature": 0, "return_token_ids": True, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def going_on(prompt, answer):
    return prompt + answer["choices"][0]["token_ids"] + [9, 8, 7]


def test_a_text_that_goes_on_is_not_computed_again(keyed):
    prompt = [5 + i % 90 for i in range(300)]
    first = ask(keyed, prompt, "alice")
    assert cached(first) == 0
    second = ask(keyed, going_on(prompt, first), "alice")
    # All but the answer's last token, which nobody fed back, and what came after it.
    assert cached(second) == 300 + 29
    metrics = keyed.metrics()
    assert metrics['batucada_prefix_hits_total{tier="device"}'] + metrics['batucada_prefix_hits_total{tier="host"}'] >= 1
    assert metrics["batucada_prefix_lookup_tokens_total"] >= 300 + 333


def test_what_was_found_is_counted_once_for_all_choices(keyed):
    prompt = [11 + i % 60 for i in range(300)]
    longer = going_on(prompt, ask(keyed, prompt, "alice"))
    answer = ask(keyed, longer, "alice", n=3)
    assert len(answer["choices"]) == 3
    assert cached(answer) == 300 + 29 < answer["usage"]["prompt_tokens"]


def test_keys_and_salts_share_nothing(keyed):
    prompt = [7 + i % 80 for i in range(300)]
    longer = going_on(prompt, ask(keyed, prompt, "alice"))
    assert cached(ask(keyed, longer, "bob")) == 0
    assert cached(ask(keyed, longer, "alice", cache_salt="theirs")) == 0
    assert cached(ask(keyed, longer, "alice")) > 0


def test_usage_says_zero_and_the_last_event_of_a_stream_says_it_too(keyed):
    prompt = [3 + i % 70 for i in range(200)]
    assert cached(ask(keyed, prompt, "bob")) == 0
    stream = keyed.http.post("/v1/completions", headers={"authorization": "Bearer bob"},
                             json={"prompt": prompt + [1, 2, 3], "max_tokens": 2, "stream": True,
                                   "stream_options": {"include_usage": True}})
    assert '"prompt_tokens_details":{"cached_tokens":200,"cache_write_tokens":0}' in stream.text


def test_a_salt_has_a_bound(keyed):
    refused = keyed.http.post("/v1/completions", headers={"authorization": "Bearer bob"},
                              json={"prompt": "x", "cache_salt": "s" * 257})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "cache_salt"


def test_it_can_be_off():
    with Server("--backend", "fake", "--fake-step-time", "0s", "--prefix-cache", "off") as server:
        for _ in range(2):
            answer = server.http.post("/v1/completions", json={"prompt": [4] * 300, "max_tokens": 2}).json()
            assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert not [name for name in server.metrics() if name.startswith("batucada_prefix")]


def test_a_conversation_outlives_a_killed_process(tmp_path):
    flags = ["--backend", "cpu", "--prefix-cache", "on", "--host-cache", "64MiB", "--disk-cache", str(tmp_path)]
    prompt = [300 + i % 700 for i in range(600)]

    def answer(server, prompt):
        return server.http.post("/v1/completions", json={"prompt": prompt, "max_tokens": 20, "temperature": 0,
                                                         "ignore_eos": True, "return_token_ids": True}).json()

    server = Server(*flags)
    try:
        first = answer(server, prompt)
        wait_until(lambda: server.metric("batucada_prefix_disk_writes_total") > 0, "a checkpoint on the disk")
    finally:
        server.process.kill()
        server.process.wait()
    with Server(*flags) as server:
        assert server.metrics()["batucada_prefix_disk_checkpoints"] >= 1
        again = answer(server, going_on(prompt, first))
        assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == 600 + 19
        assert server.metrics()["batucada_prefix_disk_reads_total"] == 1
    with Server("--backend", "cpu") as server:
        cold = answer(server, going_on(prompt, first))
    assert again["choices"][0]["text"] == cold["choices"][0]["text"]
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_an_orderly_end_leaves_what_was_said_on_the_disk_and_one_process_has_it(tmp_path):
    flags = ["--backend", "fake", "--fake-step-time", "0s", "--prefix-cache", "on", "--host-cache", "64MiB", "--disk-cache", str(tmp_path),
             "--api-key", "alice", "--api-key", "bob"]
    prompt = [5 + i % 90 for i in range(300)]
    with Server(*flags) as server:
        answer = ask(server, prompt, "alice")
        with Server(*flags) as second:
            assert "another process uses" in second.log()
            assert cached(ask(second, prompt + [4], "alice")) == 0
    with Server(*flags) as server:
        assert cached(ask(server, going_on(prompt, answer), "bob")) == 0
        assert cached(ask(server, going_on(prompt, answer), "alice")) == 300 + 29


def test_a_disk_without_the_host_s_memory_is_refused():
    refused = run("serve", "--prefix-cache", "on", "--disk-cache", "/tmp")
    assert refused.returncode != 0 and "set host-cache, too" in refused.stderr
