"""Load generators: every request is answered, and their figures are those that were asked for."""

import json

import pytest
from conftest import MODEL, NAME, call, offline, tool


def hub_with(folder, repository):
    """A cache as of the Hugging Face hub, in which the embedded model was downloaded as `repository`."""
    home, revision = folder / "hf", "0" * 40
    kept = home / "hub" / ("models--" + repository.replace("/", "--"))
    (kept / "snapshots" / revision).mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs/main").write_text(revision)
    for path in MODEL.iterdir():
        (kept / "snapshots" / revision / path.name).symlink_to(path)
    return home


def test_aiperf(server, tmp_path):
    """It looks for tokenizers by the names of repositories, in its cache where it is offline."""
    home = hub_with(tmp_path, "batucada/samba-classics-18m")
    for kind in ("chat", "completions"):
        out = tmp_path / kind
        call([tool("aiperf", "aiperf"), "profile", "--model", NAME, "--url", server.url, "--endpoint-type", kind,
              "--streaming", "--request-count", "6", "--concurrency", "2", "--tokenizer", "batucada/samba-classics-18m",
              "--isl", "32", "--osl", "8", "--extra-inputs", "ignore_eos:true", "--use-server-token-count", "--ui", "none",
              "--no-gpu-telemetry", "--output-artifact-dir", str(out), "--num-dataset-entries", "6"], tmp_path,
             offline(HOME=str(tmp_path), HF_HOME=str(home)))
        report = json.loads(next(out.rglob("profile_export_aiperf.json")).read_text())
        assert report["request_count"]["avg"] == 6 and not report.get("error_summary")
        assert report["output_sequence_length"]["min"] == report["output_sequence_length"]["max"] == 8


def test_inference_perf(server, tmp_path):
    """Its prompts of made-up lengths are for completions alone."""
    asked = {"api": {"type": "completion", "streaming": True},
             "server": {"type": "vllm", "model_name": NAME, "base_url": server.url, "ignore_eos": True},
             "tokenizer": {"pretrained_model_name_or_path": str(MODEL)},
             "data": {"type": "random",
                      "input_distribution": {"min": 20, "max": 40, "mean": 30, "std_dev": 5, "total_count": 8},
                      "output_distribution": {"min": 4, "max": 8, "mean": 6, "std_dev": 1, "total_count": 8}},
             "load": {"type": "constant", "interval": 1, "num_workers": 1, "stages": [{"rate": 2, "duration": 3}]},
             "report": {"request_lifecycle": {"summary": True, "per_stage": True, "per_request": True}},
             "storage": {"local_storage": {"path": str(tmp_path / "out")}}}
    (tmp_path / "asked.yml").write_text(json.dumps(asked))
    call([tool("inference_perf", "inference-perf"), "--config_file", "asked.yml"], tmp_path)
    report = json.loads((tmp_path / "out/summary_lifecycle_metrics.json").read_text())
    assert report["successes"]["count"] == report["load_summary"]["count"] == 6
    assert report.get("failures", {}).get("count", 0) == 0


@pytest.mark.parametrize("profile", ["kind=synchronous", "kind=concurrent,streams=3"])
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
def test_guidellm(server, tmp_path, route, profile):
    """It believes the server's own count of tokens, which it is sent with every part of a stream."""
    before = server.metrics()
    call([tool("guidellm", "guidellm"), "run", "--profile", profile, "--constraint", "kind=max_requests,count=6",
          "--backend", f"kind=openai_http,target={server.url},request_format={route}",
          "--tokenizer", f"kind=huggingface_auto,model={MODEL}", "--data", "kind=synthetic_text,prompt_tokens=32,output_tokens=8",
          "--output", "kind=json,path=report.json"], tmp_path)
    after = server.metrics()
    report = json.loads((tmp_path / "report.json").read_text())["benchmarks"][0]
    totals, requests = report["metrics"]["request_totals"], report["requests"]["successful"]
    assert (totals["successful"], totals["errored"], totals["incomplete"], len(requests)) == (6, 0, 0, 6)
    assert [one["output_tokens"] for one in requests] == [8] * 6 and all(one["output"] for one in requests)
    for counted, asked in (("generation", "output_tokens"), ("prompt", "prompt_tokens")):
        name = f"batucada_{counted}_tokens_total"
        assert after[name] - before[name] == sum(one[asked] for one in requests)
