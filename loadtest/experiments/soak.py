"""Hours of mixed traffic: nothing that the server holds grows.

    python loadtest/experiments/soak.py [--build build/release] [--minutes 120] [--csv build/soak.csv]

The CPU backend with the embedded model. One kind of traffic after the other, and behind each, once nothing runs, what is
held. Allocators keep what they may use again, so memory is compared by the round of all kinds: the least behind any of
them. The table has a row for the first rounds, which warm up, and for each tenth of the others.
"""

import csv
import pathlib
import statistics
import sys
import time

from harness import ROOT, cpu_seconds, load, memory_bytes, metrics, mib, open_files, parser, serving, settled, table

CORPUS = ROOT / "tests/golden/texts/lost_world.txt"
TRAFFIC = {
    "completions": ["--rate", 1.5, "--input-tokens", "8:400", "--output-tokens", "1:96"],
    "chat": ["--endpoint", "chat", "--workload", "conversation", "--clients", 3, "--think-time", 0.5, "--respect-eos",
             "--input-tokens", "4:60", "--output-tokens", "8:64"],
    "bursts": ["--arrival", "gamma", "--burstiness", 0.2, "--rate", 1.5, "--input-tokens", "8:200", "--output-tokens",
               "1:64", "--extra-body", '{"temperature": 0.8, "top_p": 0.9, "presence_penalty": 0.5, "logprobs": 3}'],
    "shared prefixes": ["--workload", "shared-prefix", "--prefixes", 4, "--prefix-tokens", 300, "--rate", 1.5,
                        "--input-tokens", "8:60", "--output-tokens", "1:64"],
    "a trace": ["--workload", "trace", "--trace", "azure_llm_2023_conv", "--length-scale", 0.1, "--rate", 1.5],
    "long prompts": ["--clients", 1, "--input-tokens", "2000:8000", "--output-tokens", "1:32", "--prompt-kind", "ids"],
    "choices": ["--rate", 0.7, "--input-tokens", "8:100", "--output-tokens", "1:48", "--extra-body",
                '{"n": 3, "temperature": 1, "stop": ["the end", "THE END"], "min_tokens": 1}'],
    "chaos": ["--rate", 4, "--input-tokens", "8:200", "--output-tokens", "1:200", "--chaos", "all=0.6",
              "--chaos-patience", 15],
}
WARM_UP = 2  # rounds


def main():
    flags = parser(__doc__)
    flags.add_argument("--minutes", type=float, default=120)
    flags.add_argument("--seconds", type=float, default=30, help="of one kind of traffic")
    flags.add_argument("--csv", type=pathlib.Path, default=ROOT / "build/soak.csv")
    options = flags.parse_args()
    rounds, start = [], time.monotonic()
    with options.csv.open("w", buffering=1, encoding="utf-8") as file, serving(
            options, "--threads", 1, "--max-sequences", 32, "--request-log-sampling", 0, backend="cpu") as (process, url):
        log = csv.writer(file)
        log.writerow(["minute", "traffic", "answered", "failed", "misbehaved", "p99_ttft_ms", "memory_bytes", "more_files",
                      "threads", "held"])
        metrics(url)
        files = open_files(process)
        while time.monotonic() - start < options.minutes * 60 or len(rounds) < WARM_UP + 2:
            rounds.append([])
            for kind, wanted in TRAFFIC.items():
                result = load(options, url, "--duration", options.seconds, "--seed", len(rounds), "--corpus", CORPUS,
                              "--timeout", 120, *wanted, may_fail=True)
                held = settled(process, url, files)
                if process.poll() is not None:
                    sys.exit(f"the server ended behind '{kind}': {process.returncode}")
                seen = {"minute": (time.monotonic() - start) / 60, "traffic": kind, "answered": result["completed"],
                        "failed": result["failed"],
                        "misbehaved": sum(sum(ends.values()) for ends in result.get("chaos", {}).values()),
                        "p99_ttft_ms": result["p99_ttft_ms"], "memory": memory_bytes(process),
                        "files": held.pop("files"), "threads": len(list(pathlib.Path(f"/proc/{process.pid}/task").iterdir())),
                        "held": sum(held.values())}
                log.writerow([f"{cell:.1f}" if isinstance(cell, float) else cell for cell in seen.values()])
                rounds[-1].append(seen)
        spent = sum(cpu_seconds(process).values())
    kept = rounds[WARM_UP:]
    tenths = [kept[len(kept) * i // 10:len(kept) * (i + 1) // 10] for i in range(10)]
    parts = [rounds[:WARM_UP], *filter(None, tenths)]
    memory = [statistics.median(min(seen["memory"] for seen in each) for each in part) for part in parts]
    rows = []
    for part, used in zip(parts, memory):
        all_of = [seen for each in part for seen in each]
        rows.append([f"{all_of[-1]['minute']:.0f}",
                     *(sum(seen[key] for seen in all_of) for key in ("answered", "failed", "misbehaved", "held")),
                     max(seen["files"] for seen in all_of), max(seen["threads"] for seen in all_of),
                     max(seen["p99_ttft_ms"] for seen in all_of if seen["traffic"] == "completions"), mib(used),
                     f"{used / memory[1] - 1:+.2%}"])
    print(f"{(time.monotonic() - start) / 60:.0f} minutes, {len(rounds)} rounds, {spent:.0f} s of CPU in the server\n")
    table(["until minute", "answered", "failed", "misbehaved", "held behind it", "more files", "threads",
           "p99 TTFT ms of completions", "memory MiB", "growth"], rows)


if __name__ == "__main__":
    main()
