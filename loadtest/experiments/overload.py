"""One, two and five times what the server can do, in an open loop: what is admitted is served as well as before.

    python loadtest/experiments/overload.py [--build build/release] [--seconds 10]

The fake backend with steps of 20 ms and 32 sequences at once. Capacity is measured with a closed loop. --max-waiting is
twice as many, so that who is admitted waits for two generations, about, and TTFT's bound is three.
"""

from harness import load, memory_bytes, mib, parser, serving, table

SEQUENCES, WAITING, STEP_MS, TOKENS = 32, 64, 20, 20
CLIENTS = 48  # always enough to run, never too many to wait
TTFT_BOUND_MS = 3 * TOKENS * STEP_MS
LENGTHS = ["--input-tokens", 16, "--output-tokens", TOKENS, "--prompt-kind", "ids", "--threads", 1]


def main():
    flags = parser(__doc__)
    flags.add_argument("--seconds", type=int, default=10)
    options = flags.parse_args()
    rows, best = [], 0
    with serving(options, "--fake-step-time", f"{STEP_MS}ms", "--max-sequences", SEQUENCES,
                 "--max-waiting", WAITING) as (process, url):
        closed = load(options, url, "--clients", CLIENTS, "--duration", options.seconds, *LENGTHS)
        capacity = closed["request_throughput"]
        for times in [1, 2, 5]:
            before = memory_bytes(process)
            result = load(options, url, "--rate", f"{times * capacity:.1f}", "--duration", options.seconds, "--goodput",
                          f"ttft:{TTFT_BOUND_MS}", *LENGTHS, may_fail=True)
            best = max(best, result["request_goodput"])
            refused = result["errors_by_kind"]["refused_429"]
            rows.append([f"{times}×", times * capacity, result["completed"], refused, result["failed"] - refused,
                         result["request_goodput"], f"{result['request_goodput'] / best:.0%}",
                         result["p99_ttft_ms"], result["p99_itl_ms"], result["p50_refusal_ms"] if refused else "–",
                         result["p99_refusal_ms"] if refused else "–", result["max_refusal_ms"] if refused else "–",
                         f"{mib(before)} → {mib(memory_bytes(process))}"])
    print(f"Capacity {capacity:.1f} requests/s (closed loop of {CLIENTS}); ideal "
          f"{SEQUENCES / (TOKENS * STEP_MS / 1000):.1f}; bound of TTFT {TTFT_BOUND_MS} ms.")
    table(["load", "asked for/s", "answered", "refused", "failed otherwise", "goodput/s", "of the best so far", "p99 TTFT ms",
           "p99 ITL ms", "p50 refusal ms", "p99 refusal ms", "max refusal ms", "memory MiB"], rows)


if __name__ == "__main__":
    main()
