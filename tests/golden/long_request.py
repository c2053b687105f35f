"""One very long request against a running server: neither its memory nor its step time may grow with the text.

    python tests/golden/long_request.py http://127.0.0.1:8000 --pid PID [--prompt 131072] [--generate 65536]

Streams the tokens, compares the time of the first and the last 4,096 of them, and the server's memory (and the GPU's,
where nvidia-smi is there) after the first and after the last. Exits 1 if step time grew by more than a tenth or memory
by more than 2%.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request

WINDOW = 4096


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024


def gpu_bytes():
    if shutil.which("nvidia-smi") is None:
        return 0
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]) << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("--pid", type=int, required=True, help="of the server")
    parser.add_argument("--prompt", type=int, default=131072, help="tokens")
    parser.add_argument("--generate", type=int, default=65536, help="tokens")
    options = parser.parse_args()
    ids = [0] + [3 + (i * 7919) % 8000 for i in range(options.prompt - 1)]
    body = json.dumps({"prompt": ids, "max_tokens": options.generate, "ignore_eos": True, "seed": 1, "stream": True,
                       "return_token_ids": True, "stream_options": {"include_usage": True}}).encode()
    request = urllib.request.Request(options.base + "/v1/completions", body, {"Content-Type": "application/json"})
    begin = time.monotonic()
    times, usage, early = [], None, None
    with urllib.request.urlopen(request, timeout=3600) as response:
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
            for choice in event["choices"]:
                now = time.monotonic()
                times += [now] * len(choice.get("token_ids") or [])
            if early is None and len(times) >= WINDOW:
                early = resident_bytes(options.pid), gpu_bytes()
    late = resident_bytes(options.pid), gpu_bytes()
    assert usage and usage["prompt_tokens"] == options.prompt and usage["completion_tokens"] == options.generate, usage
    assert len(times) == options.generate, len(times)
    first = (times[WINDOW - 1] - times[0]) / (WINDOW - 1) * 1e3
    last = (times[-1] - times[-WINDOW]) / (WINDOW - 1) * 1e3
    print(f"first token after {times[0] - begin:.2f} s, {options.generate} tokens in {times[-1] - times[0]:.2f} s")
    print(f"ms per token: first {WINDOW} {first:.4f}, last {WINDOW} {last:.4f} ({last / first - 1:+.1%})")
    print(f"resident MiB: {early[0] / 2**20:.1f} -> {late[0] / 2**20:.1f}; GPU MiB: {early[1] >> 20} -> {late[1] >> 20}")
    grown = last > 1.1 * first or late[0] > 1.02 * early[0] or late[1] > 1.02 * early[1]
    print("grew" if grown else "did not grow")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
