"""Many streams, of which a third read 10 bytes a second: what that costs the others, and when the slow ones are cut.

    python loadtest/experiments/slow_readers.py [--build build/release] [--streams 5000] [--step-ms 250] [--tokens 400]

The fake backend. First as many well-behaved streams alone as there will be beside the slow ones, then both. Every third
session is slow. Beside what the kernel keeps of an answer the server keeps 64 tokens, and a slow one is cut when both
are full.
"""

from harness import load, memory_bytes, metrics, mib, parser, serving, table


def measure(options, chaos):
    clients = options.streams if chaos else options.streams * 2 // 3
    with serving(options, "--fake-step-time", f"{options.step_ms}ms", "--max-sequences", options.streams,
                 "--max-waiting", options.streams, "--max-batch-tokens", 4 * options.streams, "--write-timeout", "5s",
                 "--stream-buffer-tokens", 64) as (process, url):
        result = load(options, url, "--clients", clients, "--requests", clients, "--input-tokens", 16,
                      "--output-tokens", options.tokens, "--prompt-kind", "ids", *chaos, may_fail=True)
        ends = metrics(url)
        return result, ends, memory_bytes(process, "VmHWM")


def main():
    flags = parser(__doc__)
    flags.add_argument("--streams", type=int, default=5000)
    flags.add_argument("--step-ms", type=int, default=250)
    flags.add_argument("--tokens", type=int, default=400)
    options = flags.parse_args()
    rows = []
    for label, chaos in [("none", []), ("a third", ["--chaos", "slow=0.3333", "--chaos-patience", 300])]:
        result, ends, memory = measure(options, chaos)
        slow = result.get("chaos", {}).get("slow", {})
        rows.append([label, result["completed"], result["failed"], result["p50_itl_ms"], result["p99_itl_ms"],
                     result["p50_ttft_ms"], result["p99_ttft_ms"],
                     f"{slow.get('closed', 0)} closed, {slow.get('answered', 0)} answered, {slow.get('left', 0)} left",
                     f"{ends['batucada_requests_finished_total{reason=' + chr(34) + 'overrun' + chr(34) + '}']:.0f}",
                     mib(memory)])
    table(["slow readers", "others answered", "others failed", "p50 ITL ms", "p99 ITL ms", "p50 TTFT ms", "p99 TTFT ms",
           "the slow ones", "ended by overrun", "peak memory MiB"], rows)


if __name__ == "__main__":
    main()
