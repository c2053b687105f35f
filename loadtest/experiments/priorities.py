"""An urgent request that comes while the server is full: how long until its first token, beside that of a lone one.

    python loadtest/experiments/priorities.py [--build build/release] [--requests 50]

The fake backend with steps of 20 ms, 32 sequences at once of which 1 is kept for urgent ones, and a queue that is full.
"""

import threading
import time

from harness import load, metrics, parser, serving, table

LENGTHS = ["--prompt-kind", "ids", "--threads", 1, "--no-metrics"]


def urgent(options, url, prompt):
    return load(options, url, "--clients", 1, "--requests", options.requests, "--input-tokens", prompt,
                "--output-tokens", 2, "--extra-body", '{"priority": -1}', *LENGTHS)


def measure(options, prompt):
    """Rows of the table for urgent prompts of so many tokens; a step takes 128."""
    with serving(options, "--fake-step-time", "20ms", "--max-sequences", 32, "--urgent-sequences", 1, "--min-priority", -1,
                 "--max-waiting", 96, "--max-batch-tokens", 128) as (_, url):
        alone = urgent(options, url, prompt)
        crowd = threading.Thread(target=load, args=(options, url, "--clients", 95, "--duration", options.requests / 4,
                                                    "--input-tokens", 16, "--output-tokens", 100, *LENGTHS))
        crowd.start()
        while metrics(url)["batucada_requests_waiting"] < 60:
            time.sleep(0.02)
        full = urgent(options, url, prompt)
        now = metrics(url)
        beside = f"{now['batucada_requests_running']:.0f}, {now['batucada_requests_waiting']:.0f}"
        crowd.join()
    return [[f"{prompt} tokens", where, there, result["p50_ttft_ms"], result["p99_ttft_ms"],
             f"{result['p50_ttft_ms'] / alone['p50_ttft_ms']:.2f}", f"{result['p99_ttft_ms'] / alone['p99_ttft_ms']:.2f}"]
            for where, there, result in [("alone", "0, 0", alone), ("full", beside, full)]]


def main():
    flags = parser(__doc__)
    flags.add_argument("--requests", type=int, default=40)
    options = flags.parse_args()
    table(["urgent prompt", "server", "running, waiting beside it", "p50 TTFT ms", "p99 TTFT ms", "p50, times alone",
           "p99, times alone"], measure(options, 16) + measure(options, 400))


if __name__ == "__main__":
    main()
