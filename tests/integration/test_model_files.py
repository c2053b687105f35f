"""A model's files are obeyed, or refused at start by the name of what is wrong: generation_config.json, tokenizer_config.json,
config.json, chat_template.jinja and the tensors themselves."""

import json
import struct

import pytest

from server import MODEL, Server, run

PROMPT = "It was a dark and stormy night"
GREEDY = {"prompt": PROMPT, "temperature": 0, "return_token_ids": True}


def read_tensors(path):
    data = path.read_bytes()
    [size] = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + size]), bytearray(data[8 + size:])


def write_tensors(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


@pytest.fixture
def model(tmp_path):
    """A copy of the embedded model. Called with {file: its new content, or None to leave it out}."""
    def make(**files):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        files = {name.replace("__", "."): content for name, content in files.items()}
        for path in MODEL.iterdir():
            if path.name not in files and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
        for name, content in files.items():
            if content is not None:
                (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return folder
    return make


def generation(**more):
    return {"eos_token_id": [0, 2], "do_sample": False, **more}


def start_fails(folder, *flags, backend="cpu"):
    ended = run("serve", "--model", str(folder), "--backend", backend, "--port", "0", "--grpc-port", "0", *flags)
    assert ended.returncode in (1, 2), ended.stdout + ended.stderr
    return ended.stderr


def tokens(server, **body):
    return server.complete(**{**GREEDY, **body})["choices"][0]["token_ids"]


def test_generation_config_is_applied_where_requests_are_silent(model):
    with Server("--backend", "cpu") as plain:
        usual = tokens(plain, max_tokens=12)
        penalized = tokens(plain, max_tokens=12, repetition_penalty=1.7)
        banned = tokens(plain, max_tokens=12, logit_bias={usual[0]: -100})
    assert penalized != usual and banned != usual
    folder = model(generation_config__json=generation(max_new_tokens=9, repetition_penalty=1.7))
    with Server("--model", str(folder), "--backend", "cpu") as server:
        assert "repetition_penalty 1.7, max_new_tokens 9: generation_config.json" in server.log()
        assert tokens(server) == penalized[:9]
        assert tokens(server, max_tokens=12, repetition_penalty=1) == usual, "requests go before the file"
        answer = server.http.post("/v1/chat/completions", json={
            "messages": [{"role": "user", "content": "Go on"}], "ignore_eos": True}).json()
        assert answer["usage"]["completion_tokens"] == 9 and answer["choices"][0]["finish_reason"] == "length"
    (folder / "generation_config.json").write_text(json.dumps(generation(suppress_tokens=[usual[0]])))
    with Server("--model", str(folder), "--backend", "cpu") as server:
        assert tokens(server, max_tokens=12) == banned
    (folder / "generation_config.json").write_text(json.dumps(generation(bad_words_ids=[[usual[0]], usual[1:3]])))
    with Server("--model", str(folder), "--backend", "cpu") as server:
        said = tokens(server, max_tokens=12)
        assert usual[0] not in said and usual[1:3] not in [said[i:i + 2] for i in range(11)]


def test_as_many_bad_words_as_there_is_room_for(model):
    """A word of one letter comes to two runs: alone, and behind a space."""
    folder = model(generation_config__json=generation(bad_words_ids=[[5 + i, 6 + i] for i in range(30)]))
    with Server("--model", str(folder), "--backend", "fake", "--fake-step-time", "0") as server:
        answers = [server.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 2, "bad_words": list("abcdefghijklmnopqr"[:many])}) for many in (17, 18)]
        assert answers[0].status_code == 200, answers[0].text
        assert answers[1].status_code == 400
        assert "come to 66 runs of tokens, with the 30 of the model's own: at most 64" in answers[1].json()["error"]["message"]


def test_lengths_of_the_file(model):
    with Server("--backend", "fake", "--fake-step-time", "0") as plain:
        prompt = plain.complete(**GREEDY, max_tokens=1)["usage"]["prompt_tokens"]
    folder = model(generation_config__json=generation(max_length=prompt + 5, min_new_tokens=4))
    with Server("--model", str(folder), "--backend", "fake", "--fake-step-time", "0") as server:
        assert len(tokens(server)) == 5
        assert len(tokens(server, max_tokens=7)) == 7
        assert len(tokens(server, max_tokens=3)) == 3, "a default never contradicts what a request says"


def test_what_is_not_served_is_refused_by_name_or_turned_off(model):
    folder = model(generation_config__json=generation(num_beams=4, temperature=0.2))
    assert "generation_config.json: num_beams is 4, which is not served" in start_fails(folder, backend="fake")
    with Server("--model", str(folder), "--backend", "fake", "--generation-config", "none") as server:
        assert "default" not in server.log()
        assert server.complete(prompt="a", max_tokens=2)["choices"]


@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                                  "model.safetensors"])
def test_a_file_that_is_a_link_to_nowhere_is_not_done_without(model, name):
    """As a checkout without its large files, or a cache that was cleaned, leaves them."""
    folder = model()
    (folder / name).unlink()
    (folder / name).symlink_to("nowhere")
    message = start_fails(folder)
    assert f"{folder / name} " in message and ("a link to a file that does not exist" in message or "No such file" in message)


@pytest.mark.parametrize("name", ["chat_template.jinja", "additional_chat_templates/tool_use.jinja"])
def test_a_chat_template_that_is_a_link_to_nowhere_is_not_done_without(model, name):
    """No other is taken in its place: whoever talks is told of it."""
    folder = model()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to("nowhere")
    with Server("--model", str(folder), "--backend", "fake", "--fake-step-time", "0") as server:
        answer = server.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "a"}], "max_tokens": 2})
        assert answer.status_code == 400 and f"{folder / name} is a link to a file that does not exist" in answer.text
        assert server.complete(prompt="a", max_tokens=2)["choices"]


def test_the_tokenizers_end_token_ends(model):
    with Server("--backend", "cpu") as plain:
        usual = tokens(plain, max_tokens=12, ignore_eos=True)
        place = next(i for i in range(2, 12) if usual[i] not in usual[:i])
        end = usual[place]
        spelled = json.loads((MODEL / "tokenizer.json").read_text())["model"]["vocab"]
        word = next(text for text, id in spelled.items() if id == end)
    config = json.loads((MODEL / "tokenizer_config.json").read_text())
    for eos in (word, {"content": word, "lstrip": False}):
        folder = model(tokenizer_config__json={**config, "eos_token": eos})
        with Server("--model", str(folder), "--backend", "cpu") as server:
            choice = server.complete(**GREEDY, max_tokens=12)["choices"][0]
            assert choice["finish_reason"] == "stop" and choice["token_ids"][:place] == usual[:place]
            assert len(choice["token_ids"]) <= place + 1


def test_tensors_that_nobody_reads_are_dropped(model):
    header, body = read_tensors(MODEL / "model.safetensors")
    tied = json.loads((MODEL / "config.json").read_text())["tie_word_embeddings"]
    more = {"backbone.layers.1.mixer.rotary.inv_freq": ("F32", [4], 16), "x.num_batches_tracked": ("I64", [], 8)}
    if tied:
        more["lm_head.weight"] = ("F32", [2, 2], 16)
    more["score.weight"] = ("F32", [2, 2], 16)
    for name, (dtype, shape, size) in more.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + size]}
        body += b"\xff" * size
    folder = model(model__safetensors="")
    write_tensors(folder / "model.safetensors", header, body)
    with Server("--backend", "cpu") as plain, Server("--model", str(folder), "--backend", "cpu") as server:
        [line] = [line for line in server.log().splitlines() if line.startswith("dropped ")]
        assert line == f"dropped tensors that the model does not read: {', '.join(more)}"
        assert tokens(server, max_tokens=5) == tokens(plain, max_tokens=5)


@pytest.mark.parametrize("bad", [b"\xc0\x7f", b"\x80\x7f", b"\x80\xff"], ids=["nan", "inf", "-inf"])
def test_weights_that_are_no_numbers_end_the_start(model, bad):
    header, body = read_tensors(MODEL / "model.safetensors")
    name = next(name for name, tensor in header.items() if name.endswith("out_proj.weight") and tensor["dtype"] == "BF16")
    begin, end = header[name]["data_offsets"]
    cols = header[name]["shape"][1]
    place = (end - begin) // 2 - 3
    body[begin + 2 * place:begin + 2 * place + 2] = bad
    folder = model(model__safetensors="")
    write_tensors(folder / "model.safetensors", header, body)
    error = start_fails(folder)
    assert f"tensor {name} holds NaN or infinity, first at [{place // cols}, {place % cols}]" in error
    assert len(error.splitlines()) == 1


def test_a_decay_that_would_be_infinite_ends_the_start(model):
    header, body = read_tensors(MODEL / "model.safetensors")
    name = next(name for name, tensor in header.items() if name.endswith("A_log") and tensor["dtype"] == "F32")
    begin = header[name]["data_offsets"][0]
    body[begin:begin + 4] = struct.pack("<f", 100)  # e to the 100 is no float
    folder = model(model__safetensors="")
    write_tensors(folder / "model.safetensors", header, body)
    error = start_fails(folder)
    assert f"{name} holds a number whose exponential is infinite" in error


def test_attention_as_a_list_of_specifications(model):
    config = json.loads((MODEL / "config.json").read_text())
    config["attn"] = [config["attn"]]
    folder = model(config__json=config)
    with Server("--backend", "cpu") as plain, Server("--model", str(folder), "--backend", "cpu") as server:
        assert tokens(server, max_tokens=5) == tokens(plain, max_tokens=5)


@pytest.mark.parametrize("source", ["{% for x in %}", "{% include 'x' %}"])
def test_a_wrong_template_disables_chat_and_nothing_else(model, source):
    folder = model(chat_template__jinja=source)
    with Server("--model", str(folder), "--backend", "fake") as server:
        assert "chat_template.jinja: line 1, column" in server.log()
        for path, body in (("/v1/chat/completions", {}), ("/tokenize", {})):
            answer = server.http.post(path, json={"messages": [{"role": "user", "content": "a"}], **body})
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (400, "no_chat_template", "messages")
            assert "chat_template.jinja: line 1, column" in error["message"] and "--chat-template" in error["message"]
        assert server.complete(prompt="a", max_tokens=2)["choices"]


def test_a_template_fails_when_what_it_lacks_is_used(model):
    source = ("{% if messages[0].content == 'boom' %}{{ messages | from_json_of_another_server }}{% endif %}"
              "{{ messages[0].content if messages[0].content is string else 'x' is a_test_of_another_server }}")
    folder = model(chat_template__jinja=source)
    with Server("--model", str(folder), "--backend", "fake") as server:
        def ask(content):
            return server.http.post("/v1/chat/completions", json={
                "messages": [{"role": "user", "content": content}], "max_tokens": 2})
        assert ask("fine").status_code == 200
        answer = ask("boom")
        assert answer.status_code == 400
        assert "there is no filter 'from_json_of_another_server'" in answer.json()["error"]["message"]
