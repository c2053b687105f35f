"""What clients say of how their prompts will be used again: breakpoints, options, names; and what usage tells them."""

import anthropic
import httpx2
import openai
import pytest

from server import ROOT, Server

TEMPLATES = ROOT / "tests/integration/templates"
MODEL = "samba-classics-18m"
RULES = "Rules of the house. " * 60
FLAGS = ("--backend", "fake", "--fake-step-time", "0s", "--prefix-cache", "on", "--host-cache", "64MiB")


@pytest.fixture(scope="module")
def server():
    with Server(*FLAGS, "--chat-template", str(TEMPLATES / "chatml.jinja")) as made:
        yield made


@pytest.fixture(scope="module")
def client(server):
    return server.openai()


def chat(client, salt, parts, **more):
    answer = client.chat.completions.create(model=MODEL, max_tokens=8, temperature=0,
                                            messages=[{"role": "user", "content": parts}],
                                            extra_body={"cache_salt": salt}, **more)
    return answer.usage.prompt_tokens, answer.usage.prompt_tokens_details


def part(text, marked=False):
    return {"type": "text", "text": text, **({"prompt_cache_breakpoint": {"mode": "explicit"}} if marked else {})}


def test_usage_tells_what_was_written(server):
    def usage(prompt):
        told = server.complete(prompt=prompt, max_tokens=4, cache_salt="usage")["usage"]
        assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"] > len(prompt)
        details = told["prompt_tokens_details"]
        return details["cached_tokens"], details["cache_write_tokens"]

    prompt = [5 + i % 90 for i in range(300)]
    assert usage(prompt) == (0, 300)
    assert usage(prompt + [9] * 50) == (300, 50)
    assert usage([7] * 20) == (0, 0)  # too short to be kept


def test_a_text_that_parts_behind_a_breakpoint_is_not_computed_again_up_to_there(client):
    first, usage = chat(client, "marked", [part(RULES, marked=True), part("What of dogs? " * 30)])
    assert usage.cached_tokens == 0
    _, usage = chat(client, "marked", [part(RULES, marked=True), part("And cats, what of them? " * 30)])
    unmarked = chat(client, "unmarked", [part(RULES), part("What of dogs? " * 30)])[0]
    assert unmarked == first
    _, plain = chat(client, "unmarked", [part(RULES), part("And cats, what of them? " * 30)])
    rules = client.chat.completions.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": RULES}]).usage.prompt_tokens
    # All of the rules, but for what the template writes behind them, and the token that the second part may change.
    assert usage.cached_tokens >= rules - 12
    assert plain.cached_tokens < usage.cached_tokens


def test_explicit_keeps_what_is_marked_and_no_more(server, client):
    options = {"prompt_cache_options": {"mode": "explicit", "ttl": "30m"}}
    written = server.metric("batucada_prefix_checkpoints_written_total")
    _, usage = chat(client, "explicit", [part(RULES), part("x " * 200)], **options)
    assert usage.cache_write_tokens == 0
    assert server.metric("batucada_prefix_checkpoints_written_total") == written
    tokens, usage = chat(client, "explicit", [part(RULES, marked=True), part("x " * 200)], **options)
    assert 0 < usage.cache_write_tokens < tokens
    assert server.metric("batucada_prefix_checkpoints_written_total") == written + 1
    _, usage_again = chat(client, "explicit", [part(RULES, marked=True), part("x " * 200)], **options)
    assert usage_again.cached_tokens == usage.cache_write_tokens


def test_responses_take_breakpoints_and_repeat_the_key(client):
    def ask(text):
        return client.responses.create(
            model=MODEL, max_output_tokens=8, temperature=0, prompt_cache_key="house", extra_body={"cache_salt": "r"},
            input=[{"role": "user", "content": [{"type": "input_text", "text": RULES, "prompt_cache_breakpoint": {"mode": "explicit"}},
                                                {"type": "input_text", "text": text}]}])

    first = ask("What of dogs? " * 30)
    assert first.prompt_cache_key == "house"
    assert first.usage.input_tokens_details.cached_tokens == 0
    # The prompt's end is kept where it is 8 tokens or more behind another place.
    assert 0 <= first.usage.input_tokens - first.usage.input_tokens_details.cache_write_tokens < 8
    assert ask("And cats? " * 30).usage.input_tokens_details.cached_tokens > 0.5 * first.usage.input_tokens


@pytest.mark.parametrize("hint, name", [
    ({"prompt_cache_options": {"mode": "sometimes"}}, "prompt_cache_options.mode"),
    ({"prompt_cache_options": {"ttl": "long"}}, "prompt_cache_options.ttl"),
    ({"prompt_cache_options": 7}, "prompt_cache_options"),
    ({"prompt_cache_retention": "for ever"}, "prompt_cache_retention"),
    ({"prompt_cache_key": "k" * 257}, "prompt_cache_key"),
    ({"session_id": "k" * 257}, "session_id"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "prompt_cache_breakpoint": True}]}]},
     "messages[0].content[0].prompt_cache_breakpoint"),
])
def test_a_hint_that_is_none_is_refused_by_name(server, hint, name):
    body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, **hint}
    refused = server.http.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400 and refused.json()["error"]["param"] == name, refused.text


def test_a_hint_changes_no_answer(client):
    def say(**more):
        return client.chat.completions.create(model=MODEL, max_tokens=20, temperature=0, **more).choices[0].message.content

    plain = say(messages=[{"role": "user", "content": [part(RULES), part("Well?")]}])
    marked = [{"role": "user", "content": [part(RULES, marked=True), part("Well?")]}]
    assert say(messages=marked) == plain
    assert say(messages=marked, prompt_cache_key="k", prompt_cache_retention="in_memory",
               prompt_cache_options={"mode": "explicit"}) == plain


def test_what_is_to_stay_in_memory_is_not_written_to_the_disk(tmp_path):
    with Server(*FLAGS, "--disk-cache", str(tmp_path)) as server:
        # "in-memory" is how OpenAI's first clients wrote it.
        for retention, prompt in (("in_memory", [5, 6, 7] * 100), ("in-memory", [6, 7, 8] * 100), ("24h", [7, 8, 9] * 100)):
            server.complete(prompt=prompt, max_tokens=4, prompt_cache_retention=retention)
        server.process.terminate()
        server.process.wait()
    with Server(*FLAGS, "--disk-cache", str(tmp_path)) as server:
        kept = [server.complete(prompt=prompt * 100 + [4], max_tokens=1)["usage"]["prompt_tokens_details"]["cached_tokens"]
                for prompt in ([5, 6, 7], [6, 7, 8], [7, 8, 9])]
        assert kept == [0, 0, 300]


# --- Anthropic -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def claude(server):
    return anthropic.Anthropic(base_url=server.url, max_retries=0, api_key="none", http_client=httpx2.Client(trust_env=False))


MARK = {"cache_control": {"type": "ephemeral"}}


def usage_of(claude, **request):
    return claude.messages.create(model=MODEL, max_tokens=8, **request).usage


def test_cache_control_marks_a_breakpoint_and_usage_accounts_for_it(claude):
    def asked(question):
        return {"system": [{"type": "text", "text": "Of Anthropic. " + RULES, **MARK}],
                "messages": [{"role": "user", "content": question}]}

    first = usage_of(claude, **asked("What of dogs? " * 30))
    assert first.cache_read_input_tokens == 0
    assert first.cache_creation_input_tokens > first.input_tokens > 0
    second = usage_of(claude, **asked("What of dogs, and of cats? " * 30))
    assert second.cache_read_input_tokens >= first.cache_creation_input_tokens
    # No token is told twice: the three add up to the prompt.
    longer = asked("What of dogs, and of cats? " * 30)
    assert second.input_tokens + second.cache_read_input_tokens + second.cache_creation_input_tokens == \
        claude.messages.count_tokens(model=MODEL, **longer).input_tokens
    plain = usage_of(claude, system="Nothing is asked. " + RULES, messages=[{"role": "user", "content": "Well?"}])
    assert plain.cache_creation_input_tokens == 0
    # Too short to be kept, whatever its mark says.
    short = usage_of(claude, system=[{"type": "text", "text": "Be brief.", **MARK}], messages=[{"role": "user", "content": "Well?"}])
    assert short.cache_creation_input_tokens == short.cache_read_input_tokens == 0 < short.input_tokens


def test_tools_and_results_may_be_marked(claude):
    tool = {"name": "look", "description": "Looks. " * 60, "input_schema": {"type": "object", "properties": {}}}
    calls = [{"role": "user", "content": "Look."},
             {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]}]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "There it is. " * 40, **MARK}
    request = {"tools": [{**tool, **MARK}], "messages": [*calls, {"role": "user", "content": [result]}]}
    first = usage_of(claude, **request)
    assert first.cache_creation_input_tokens > 0
    other = {"tools": [{**tool, **MARK}], "messages": [{"role": "user", "content": "Do not look. " * 40}]}
    assert usage_of(claude, **other).cache_read_input_tokens > 0
    assert usage_of(claude, **request).cache_read_input_tokens > 0


def test_five_marks_are_one_too_many(claude):
    blocks = [{"type": "text", "text": str(i), **MARK} for i in range(5)]
    with pytest.raises(anthropic.BadRequestError, match="A maximum of 4 blocks with cache_control may be provided. Found 5."):
        claude.messages.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": blocks}])
    assert claude.messages.create(model=MODEL, max_tokens=1, messages=[{"role": "user", "content": blocks[:4]}]).usage.output_tokens == 1


def test_openai_s_client_sees_no_error_in_any_of_this(client):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "a"}], prompt_cache_key="k" * 300)
