"""Load generators: every request is answered, and their figures are those that were asked for."""

import json

import yaml

from conftest import MODEL, NAME, call, offline, tool


def test_guidellm_chat(server, tmp_path):
    report = guidellm(server, tmp_path, "/v1/chat/completions")
    assert_answered(report, requests=6, output_tokens=8)


def test_guidellm_text(server, tmp_path):
    report = guidellm(server, tmp_path, "/v1/completions")
    assert_answered(report, requests=6, output_tokens=8)


def guidellm(server, folder, request_format):
    call([tool("guidellm", "guidellm"), "run", "--backend",
          f"kind=openai_http,target={server.url},model={NAME},request_format={request_format}",
          "--profile", "kind=concurrent,streams=2", "--constraint", "kind=max_requests,count=6", "--data",
          "kind=synthetic_text,prompt_tokens=32,output_tokens=8", "--tokenizer", f"kind=huggingface_auto,model={MODEL}",
          "--output", f"kind=json,path={folder}/report.json", "--disable-console"], folder)
    return json.loads((folder / "report.json").read_text())


def assert_answered(report, requests, output_tokens):
    done = report["benchmarks"][0]["requests"]
    assert (len(done["successful"]), done["errored"]) == (requests, [])
    assert {one["output_metrics"]["text_tokens"] for one in done["successful"]} == {output_tokens}


def test_aiperf(server, tmp_path):
    for kind in ("chat", "completions"):
        out = tmp_path / kind
        call([tool("aiperf", "aiperf"), "profile", "--model", NAME, "--url", server.url, "--endpoint-type", kind,
              "--streaming", "--request-count", "6", "--concurrency", "2", "--tokenizer", str(MODEL), "--isl", "32",
              "--osl", "8", "--extra-inputs", "ignore_eos:true", "--use-server-token-count", "--ui", "none",
              "--no-gpu-telemetry", "--output-artifact-dir", str(out), "--num-dataset-entries", "6"], tmp_path,
             offline(HOME=str(tmp_path)))
        report = json.loads(next(out.rglob("profile_export_aiperf.json")).read_text())
        assert report["request_count"]["avg"] == 6 and not report.get("error_summary")
        assert report["output_sequence_length"]["min"] == report["output_sequence_length"]["max"] == 8


def test_inference_perf(server, tmp_path):
    lengths = {"min": 8, "max": 8, "mean": 8, "std_dev": 0, "type": "fixed"}
    config = {"api": {"type": "completion", "streaming": True},
              "data": {"type": "random", "input_distribution": lengths, "output_distribution": lengths},
              "load": {"type": "concurrent", "num_workers": 1, "worker_max_concurrency": 4,
                       "stages": [{"num_requests": 6, "concurrency_level": 2}]},
              "server": {"type": "vllm", "model_name": NAME, "base_url": server.url, "ignore_eos": True},
              "tokenizer": {"pretrained_model_name_or_path": str(MODEL)},
              "storage": {"local_storage": {"path": str(tmp_path / "reports")}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    call([tool("inference_perf", "inference-perf"), "--config_file", "config.yaml"], tmp_path)
    report = json.loads((tmp_path / "reports/summary_lifecycle_metrics.json").read_text())
    assert (report["successes"]["count"], report["failures"]["count"]) == (6, 0)
