"""Many streams, of which a third read 10 bytes a second: what that costs the others, and when the slow ones are cut.

    python loadtest/experiments/slow_readers.py [--build build/release] [--streams 5000] [--step-ms 200] [--tokens 400]

The fake backend. First as many streams that all read what comes, then with every third session slow. What a slow one does
not take fills the kernel's buffers, 200 tokens about; then it is cut, by --write-timeout or with more than
--stream-buffer-tokens behind it, whichever is first. The client notices only once it has read what there is, so the server's
own counts say when that was.
"""

import threading
import time

from harness import load, memory_bytes, metrics, mib, parser, serving, table


def ended_early(url):
    now = metrics(url)
    return sum(int(now[f'batucada_requests_finished_total{{reason="{reason}"}}']) for reason in ("cancelled", "overrun"))


class Cuts:
    """Watches a server until it is told to stop: how many streams it has cut, and when, in seconds from the beginning."""

    def __init__(self, url):
        self.url, self.count, self.first, self.last = url, 0, None, None
        self.start, self.over = time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.over.wait(1):
            count = ended_early(self.url)
            if count > self.count:
                self.count, self.last = count, time.monotonic() - self.start
                self.first = self.first or self.last

    def stop(self):
        self.over.set()
        self.thread.join()


def measure(options, chaos):
    with serving(options, "--fake-step-time", f"{options.step_ms}ms", "--max-sequences", options.streams,
                 "--max-waiting", options.streams, "--max-batch-tokens", 4 * options.streams, "--write-timeout", "5s",
                 "--stream-buffer-tokens", 64) as (process, url):
        cuts = Cuts(url)
        result = load(options, url, "--clients", options.streams, "--requests", options.streams, "--input-tokens", 16,
                      "--output-tokens", options.tokens, "--prompt-kind", "ids", *chaos, may_fail=True)
        cuts.stop()
        return result, cuts, memory_bytes(process, "VmHWM")


def main():
    flags = parser(__doc__)
    flags.add_argument("--streams", type=int, default=5000)
    flags.add_argument("--step-ms", type=int, default=200)
    flags.add_argument("--tokens", type=int, default=400)
    options = flags.parse_args()
    patience = options.step_ms * options.tokens / 1000 + 20
    rows = []
    for label, chaos in [("none", []), ("a third", ["--chaos", "slow=0.3333", "--chaos-patience", patience])]:
        result, cuts, memory = measure(options, chaos)
        slow = sum(result.get("chaos", {}).get("slow", {}).values())
        rows.append([label, result["completed"], result["failed"], result["p50_itl_ms"], result["p99_itl_ms"],
                     result["p50_ttft_ms"], result["p99_ttft_ms"], slow, cuts.count,
                     f"{cuts.first:.0f} to {cuts.last:.0f}" if cuts.count else "–", mib(memory)])
    table(["slow readers", "others answered", "others failed", "p50 ITL ms", "p99 ITL ms", "p50 TTFT ms", "p99 TTFT ms",
           "slow ones", "cut", "s after the beginning", "peak memory MiB"], rows)


if __name__ == "__main__":
    main()
