"""lm-eval with nothing but a base_url: log-likelihoods of texts and of choices, and generation."""

import json
import math

import pytest
import yaml
from conftest import NAME, ROOT, call, tool

BOOKS = sorted((ROOT / "tests/golden/texts").glob("*.txt"))


def write_tasks(folder):
    """Three tasks of files on this machine."""
    texts = [book.read_text()[2000:3200] for book in BOOKS]
    rows = []
    for text in texts:
        cut = text.rindex(" ", 0, 200)  # between words, where every way to cut tokens cuts
        rows.append({"text": text, "question": text[:200], "asked": text[:cut], "answer": 0,
                     "choices": [text[cut:cut + 40], " zq zq zq zq"]})
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test"}
    tasks = {
        "local_rolling": {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}",
                          "metric_list": [{"metric": "byte_perplexity"}]},
        "local_choices": {"output_type": "multiple_choice", "doc_to_text": "{{asked}}",
                          "doc_to_choice": "{{choices}}", "doc_to_target": "{{answer}}", "target_delimiter": "",
                          "metric_list": [{"metric": "acc_norm"}]},
        "local_generate": {"output_type": "generate_until", "doc_to_text": "{{question}}", "doc_to_target": "",
                           "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 8, "temperature": 0},
                           "metric_list": [{"metric": "exact_match"}]},
    }
    for name, task in tasks.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"task": name, **common, **task}))
    return texts


def evaluate(folder, model, arguments, tasks, *more):
    out = folder / "out"
    call([tool("lm_eval", "lm-eval"), "run", "--model", model, "--model_args", arguments, "--tasks", ",".join(tasks),
          "--include_path", str(folder), "--output_path", str(out), "--log_samples", *more], folder)
    results = json.loads(next(out.rglob("results_*.json")).read_text())["results"]
    samples = {task: [json.loads(line) for line in next(out.rglob(f"samples_{task}_*.jsonl")).read_text().splitlines()]
               for task in tasks}
    return results, samples


def bytes_perplexity(server, texts):
    """By the server's own scores: of each text behind the end token, as lm-eval has it."""
    total, size = 0.0, 0
    end = server.http.get("/tokenizer_info").json()["eos_token"]
    first = server.http.post("/tokenize", json={"prompt": end, "add_special_tokens": False}).json()["tokens"]
    for text in texts:
        ids = server.http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]
        scored = server.complete(prompt=[*first, *ids], max_tokens=1, echo=True, logprobs=0)["choices"][0]
        total += sum(scored["logprobs"]["token_logprobs"][len(first):-1])
        size += len(text.encode())
    return math.exp(-total / size)


def log_likelihood(server, question, choice):
    """By the server's own scores."""
    asked, whole = (server.http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]
                    for text in (question, question + choice))
    scored = server.complete(prompt=whole, max_tokens=1, echo=True, logprobs=0)["choices"][0]
    return sum(scored["logprobs"]["token_logprobs"][len(asked):-1])


def test_local_completions(server, tmp_path):
    texts = write_tasks(tmp_path)
    results, samples = evaluate(tmp_path, "local-completions", f"base_url={server.url}/v1/completions",
                                ["local_rolling", "local_choices", "local_generate"])
    assert results["local_rolling"]["byte_perplexity,none"] == pytest.approx(bytes_perplexity(server, texts), rel=1e-4)
    assert results["local_choices"]["acc_norm,none"] == 1
    for sample in samples["local_choices"]:
        question, choices = sample["doc"]["asked"], sample["doc"]["choices"]
        wanted = [log_likelihood(server, question, choice) for choice in choices]
        assert [float(value) for value, _ in sample["filtered_resps"]] == pytest.approx(wanted, rel=1e-4)
    wanted = [server.complete(prompt=text[:200], max_tokens=8, temperature=0, stop=["\n\n"], add_special_tokens=False)
              for text in texts]
    assert [one["resps"][0][0] for one in samples["local_generate"]] == [one["choices"][0]["text"] for one in wanted]


def test_local_chat_completions(server, reference, tmp_path):
    texts = write_tasks(tmp_path)
    arguments = f"base_url={server.url}/v1/chat/completions,model={NAME}"
    _, samples = evaluate(tmp_path, "local-chat-completions", arguments, ["local_generate"], "--apply_chat_template")
    wanted = [reference.chat(text[:200], stop=["\n\n"]) for text in texts]
    assert [one["resps"][0][0] for one in samples["local_generate"]] == wanted
