"""Many requests of which half are broken off at random times: everything comes back, and memory does not grow.

    python loadtest/experiments/cancels.py [--build build/release] [--requests 100000]

The fake backend, steps of 0 ms. A quarter as many requests of the same kind come first, to warm up.
"""

import time

from harness import load, memory_bytes, metrics, mib, open_files, parser, serving, settled, table

def main():
    flags = parser(__doc__)
    flags.add_argument("--requests", type=int, default=100_000)
    options = flags.parse_args()
    rows, first = [], None
    with serving(options, "--fake-step-time", "0ms") as (process, url):
        metrics(url)
        time.sleep(0.5)
        files = open_files(process)
        for label, count, seed in [("warm-up", options.requests // 4, 1), ("measured", options.requests, 2)]:
            result = load(options, url, "--clients", 64, "--requests", count, "--input-tokens", "1:64",
                          "--output-tokens", "1:256", "--prompt-kind", "ids", "--seed", seed, "--chaos", "cancel=0.5",
                          "--cancel-within", 0.02, may_fail=True)
            held = settled(process, url, files)
            memory = memory_bytes(process)
            cancels = result["chaos"]["cancel"]
            rows.append([label, count, result["completed"], cancels["left"], cancels["answered"],
                         sum(cancels.values()) - cancels["left"] - cancels["answered"] + result["failed"],
                         result["duration"], *held.values(), mib(memory),
                         f"{memory / first - 1:+.2%}" if first else "–"])
            first = memory
    table(["", "requests", "answered", "broken off", "answered before that", "otherwise", "seconds", "running", "waiting",
           "slots", "blocks", "files more", "memory MiB", "growth"], rows)


if __name__ == "__main__":
    main()
