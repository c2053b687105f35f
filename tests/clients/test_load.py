"""Load generators: every request is answered, and their figures are those that were asked for."""

import json

from conftest import MODEL, NAME, call, offline, tool


def test_aiperf(server, tmp_path):
    """Its tokenizer is a folder. Told that it is offline it looks for names in its cache only; without a way out it is."""
    for kind in ("chat", "completions"):
        out = tmp_path / kind
        call([tool("aiperf", "aiperf"), "profile", "--model", NAME, "--url", server.url, "--endpoint-type", kind,
              "--streaming", "--request-count", "6", "--concurrency", "2", "--tokenizer", str(MODEL), "--isl", "32",
              "--osl", "8", "--extra-inputs", "ignore_eos:true", "--use-server-token-count", "--ui", "none",
              "--no-gpu-telemetry", "--output-artifact-dir", str(out), "--num-dataset-entries", "6"], tmp_path,
             offline(HOME=str(tmp_path), HF_HUB_OFFLINE="0", TRANSFORMERS_OFFLINE="0", HTTPS_PROXY="http://127.0.0.1:9"))
        report = json.loads(next(out.rglob("profile_export_aiperf.json")).read_text())
        assert report["request_count"]["avg"] == 6 and not report.get("error_summary")
        assert report["output_sequence_length"]["min"] == report["output_sequence_length"]["max"] == 8
