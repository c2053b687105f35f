"""Load generators: every request is answered, and their figures are those that were asked for."""

import json

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
