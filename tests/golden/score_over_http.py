"""Scores the long texts through the HTTP API and compares with the reference's means by position.

    python tests/golden/score_over_http.py http://127.0.0.1:8000 --tolerance 0.002

Each text goes as token ids in one request with echo, logprobs and max_tokens 0, as evaluation harnesses ask. Needs the
package `tokenizers`. Exits 1 if a mean differs from the reference by more than the tolerance.
"""

import argparse
import json
import pathlib
import sys
import time
import urllib.request

import tokenizers

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXTS = ROOT / "tests" / "golden" / "texts"


def score(base, ids):
    """Log-probabilities of ids[1:]."""
    body = json.dumps({"prompt": ids, "echo": True, "logprobs": 0, "max_tokens": 0}).encode()
    request = urllib.request.Request(base + "/v1/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=3600) as response:
        answer = json.load(response)
    logprobs = answer["choices"][0]["logprobs"]["token_logprobs"]
    assert len(logprobs) == len(ids) and logprobs[0] is None, (len(logprobs), len(ids))
    assert answer["usage"]["prompt_tokens"] == len(ids)
    return logprobs[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("--tolerance", type=float, required=True, help="of each mean, 0.002 for fp32, 0.01 for bf16")
    parser.add_argument("--tokens", type=int, default=131073, help="of each text at most")
    options = parser.parse_args()
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "models/samba-classics-18m/tokenizer.json"))
    reference = json.loads((TEXTS / "nll.json").read_text())
    worst = 0.0
    print(f"{'text':28} {'positions':>14} {'reference':>10} {'server':>10} {'difference':>10}")
    for name, expected in reference.items():
        ids = tokenizer.encode((TEXTS / name).read_text()).ids[: options.tokens]
        begin = time.monotonic()
        logprobs = score(options.base, ids)
        seconds = time.monotonic() - begin
        for positions, mean in expected["nll_by_position"].items():
            first, last = map(int, positions.split("-"))
            if last > len(logprobs):
                continue
            got = -sum(logprobs[first:last]) / (last - first)
            worst = max(worst, abs(got - mean))
            print(f"{name:28} {positions:>14} {mean:10.5f} {got:10.5f} {got - mean:+10.5f}")
        print(f"{name:28} {len(ids)} tokens in {seconds:.1f} s, request and answer included")
    print(f"largest difference {worst:.5f}, tolerance {options.tolerance}")
    return 0 if worst <= options.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
