"""Texts of SentencePiece-like tokenizers over every wire, and texts that are hard to tokenize."""

import json
import shutil

import grpc
import pytest

from server import MODEL, ROOT, Server

FIXTURES = ROOT / "tests/text/fixtures"
THE = 325  # "▁the"
HELLO, SPACE, WORLD = [434, 489, 306], 318, [314, 344, 376]  # "▁H" "ell" "o", "▁", "w" "or" "ld"


def model_with(tmp_path_factory, name, tokenizer, **tokenizer_config):
    """The embedded model with another tokenizer."""
    folder = tmp_path_factory.mktemp("models") / name
    folder.mkdir()
    for path in MODEL.iterdir():
        if not path.name.startswith("tokenizer"):
            (folder / path.name).symlink_to(path)
    if isinstance(tokenizer, dict):
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    else:
        for path in tokenizer.glob("tokenizer.*"):
            shutil.copy(path, folder)
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    return folder


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    folder = model_with(tmp_path_factory, "llama", FIXTURES / "llama2", chat_template=template)
    with Server("--backend", "cpu", "--model", str(folder)) as server:
        yield server


def post(server, path, **body):
    answer = server.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def completion(server, prompt, **options):
    options = {"max_tokens": 2, "allowed_token_ids": [THE], "ignore_eos": True, **options}
    return post(server, "/v1/completions", prompt=prompt, **options)["choices"][0]


def streamed(server, path, **body):
    pieces = []
    with server.http.stream("POST", path, json={**body, "stream": True}) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                pieces += json.loads(line[6:])["choices"]
    return pieces


FORCED = {"max_tokens": 2, "allowed_token_ids": [THE], "ignore_eos": True}


def test_a_completion_goes_on_from_its_prompt(llama):
    assert completion(llama, "in")["text"] == " the the"
    assert completion(llama, "in", echo=True)["text"] == "in the the"
    assert completion(llama, [1, THE])["text"] == " the the"
    assert completion(llama, [1, THE], echo=True)["text"] == "the the the"
    assert completion(llama, [1])["text"] == "the the", "a text begins here"
    assert completion(llama, [1], skip_special_tokens=False, echo=True)["text"] == "<s> the the"
    for echo, text in ((False, " the the"), (True, "in the the")):
        pieces = streamed(llama, "/v1/completions", prompt="in", echo=echo, **FORCED)
        assert "".join(piece["text"] for piece in pieces) == text


def test_an_answer_goes_on_from_its_conversation(llama):
    question = {"messages": [{"role": "user", "content": "in"}], **FORCED}
    assert post(llama, "/v1/chat/completions", **question)["choices"][0]["message"]["content"] == " the the"
    begun = {"messages": [{"role": "user", "content": "in"}, {"role": "assistant", "content": " it"}],
             "continue_final_message": True, "add_generation_prompt": False, **FORCED}
    assert post(llama, "/v1/chat/completions", **begun)["choices"][0]["message"]["content"] == " the the"
    echoed = post(llama, "/v1/chat/completions", **begun, echo=True)["choices"][0]["message"]["content"]
    assert echoed == " it the the"
    pieces = streamed(llama, "/v1/chat/completions", **begun)
    assert "".join(piece["delta"].get("content") or "" for piece in pieces) == " the the"


def test_open_inference_goes_on_from_the_prompt(llama):
    model = llama.http.get("/v1/models").json()["data"][0]["id"]
    for exclude, text in ((True, " the the"), (False, "in the the")):
        parameters = {"max_tokens": 2, "allowed_token_ids": THE, "ignore_eos": True, "exclude_input_in_output": exclude}
        answer = post(llama, f"/v2/models/{model}/generate", text_input="in", parameters=parameters)
        assert answer["text_output"] == text


def test_grpc_goes_on_from_the_prompt(llama, stubs):
    messages, services = stubs
    with grpc.insecure_channel(f"127.0.0.1:{llama.grpc_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        service = services.InferenceStub(channel)
        options = {"max_tokens": 2, "sampling": messages.SamplingOptions(allowed_token_ids=[THE]),
                   "stopping": messages.StopOptions(ignore_eos=True)}
        for echo, text in ((False, " the the"), (True, "in the the")):
            request = messages.GenerateRequest(text="in", output=messages.OutputOptions(echo=echo), **options)
            assert "".join(response.text for response in service.Generate(request)) == text
            assert service.Complete(request).choices[0].text == text


def test_offsets_are_where_tokens_show(llama):
    scored = completion(llama, "Hello world", echo=True, logprobs=0, max_tokens=1)
    assert scored["text"] == "Hello world the"
    offsets = scored["logprobs"]["text_offset"]
    tokens = scored["logprobs"]["tokens"]
    assert dict(zip(tokens, offsets))[" wor"] == 5 and dict(zip(tokens, offsets))["ld"] == 9
    assert offsets[-1] == 11
    stray = [THE] + [3 + byte for byte in (0x9F, 0x9F, 0x9F, 0x41)]
    scored = completion(llama, stray, echo=True, logprobs=0, max_tokens=1)
    assert scored["text"] == "the\ufffd\ufffd\ufffdA the"
    assert scored["logprobs"]["text_offset"] == [0, 3, 4, 5, 6, 7]
    alone = completion(llama, stray[1:], echo=True, logprobs=0, max_tokens=1)["logprobs"]["text_offset"]
    assert alone[:4] == [0, 1, 2, 3]
    # A word whose space is a token of its own, and one that goes on from the prompt, whose own space is the text's first.
    parts = completion(llama, [*HELLO, SPACE, *WORLD], echo=True, logprobs=0, max_tokens=1)
    assert parts["text"].startswith("Hello world") and parts["logprobs"]["text_offset"][3:5] == [5, 6]
    answer = completion(llama, "in", logprobs=0, max_tokens=16, structured_outputs={"choice": [" Hello world"]},
                        allowed_token_ids=None, ignore_eos=False)
    tokens, offsets = answer["logprobs"]["tokens"], answer["logprobs"]["text_offset"]
    assert answer["text"] == " Hello world" == "".join(tokens)
    assert all(answer["text"][offset:].startswith(token) for token, offset in zip(tokens, offsets))
    assert 6 in offsets and answer["text"][6:] == " world"
    # Where a prompt breaks off inside a character, the completion has it.
    cut = completion(llama, [THE, 3 + 0xC3], echo=True, allowed_token_ids=[3 + 0xA9], logprobs=0, max_tokens=1)
    assert cut["text"] == "the\u00e9"
    assert cut["logprobs"]["text_offset"] == [0, 3, 3]


def test_offsets_agree_whether_streamed_or_not(llama):
    request = {"prompt": "Hello world", "echo": True, "logprobs": 0, "max_tokens": 20, "seed": 1,
               "ignore_eos": True, "allowed_token_ids": list(range(3, 700))}
    whole = post(llama, "/v1/completions", **request)["choices"][0]
    pieces = streamed(llama, "/v1/completions", **request)
    assert "".join(piece["text"] for piece in pieces) == whole["text"]
    assert [offset for piece in pieces if piece["logprobs"] for offset in piece["logprobs"]["text_offset"]] == \
        whole["logprobs"]["text_offset"]
    for token, offset in zip(whole["logprobs"]["tokens"], whole["logprobs"]["text_offset"]):
        if token.strip() and not token.startswith("bytes:") and token != "<s>":
            assert whole["text"][offset:].lstrip().startswith(token.strip()), (token, offset)


def test_special_tokens_around_prompts(llama):
    def prompt_ids(path="/v1/completions", **body):
        answer = post(llama, path, max_tokens=1, return_token_ids=True, **body)
        return answer.get("prompt_token_ids") or answer["choices"][0]["prompt_token_ids"]

    assert prompt_ids(prompt="the") == [1, THE]
    assert prompt_ids(prompt="the", add_special_tokens=True) == [1, THE]
    assert prompt_ids(prompt="the", add_special_tokens=False) == [THE]
    assert prompt_ids(prompt="<s>the") == [1, 1, THE], "as the reference does"
    assert prompt_ids(prompt="<s>the", add_special_tokens=False) == [1, THE]
    chat = {"path": "/v1/chat/completions", "messages": [{"role": "user", "content": "the"}]}
    assert prompt_ids(**chat) == [THE]
    assert prompt_ids(**chat, add_special_tokens=True) == [1, THE]
    assert post(llama, "/tokenize", prompt="the")["tokens"] == [1, THE]
    assert post(llama, "/tokenize", prompt="the", add_special_tokens=False)["tokens"] == [THE]
    messages = {"messages": chat["messages"]}
    assert post(llama, "/tokenize", **messages)["tokens"] == [THE]
    assert post(llama, "/tokenize", **messages, add_special_tokens=True)["tokens"] == [1, THE]
    empty = llama.http.post("/v1/completions", json={"prompt": "", "add_special_tokens": False})
    assert empty.status_code == 400 and "prompt is empty" in empty.text


def test_add_bos_token_counts(tmp_path_factory):
    folder = model_with(tmp_path_factory, "bare", FIXTURES / "llama2", tokenizer_class="LlamaTokenizerFast",
                        add_bos_token=False)
    with Server("--backend", "fake", "--model", str(folder)) as server:
        assert post(server, "/tokenize", prompt="the")["tokens"] == [THE]
        assert post(server, "/tokenize", prompt="<s>the")["tokens"] == [1, THE]


def test_a_run_of_combining_marks_takes_no_time(tmp_path_factory):
    """80 KB took 23 seconds of a core where marks were put in order by swapping neighbours."""
    tokenizer = json.loads((MODEL / "tokenizer.json").read_text()) | {"normalizer": {"type": "NFC"}}
    folder = model_with(tmp_path_factory, "nfc", tokenizer)
    with Server("--backend", "fake", "--model", str(folder)) as server:
        marks = 160_000
        before = server.cpu_seconds()
        answer = post(server, "/tokenize", prompt="\u0301" * marks + "\u0316" * marks)
        assert answer["count"] >= marks // 4
        assert server.cpu_seconds() - before < 5, "640 KB: 5 ms a KB, sanitizers included"
