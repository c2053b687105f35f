"""Minutes of misbehaviour against a server built with a sanitizer: no report, and afterwards it answers and ends as ever.

    ./dev build tsan bin/batucada && python loadtest/experiments/chaos.py --build build/tsan [--minutes 10]

Half of the time the model on the CPU, half the fake backend, which has two steps in flight. Half of the sessions
misbehave in every way that the load generator knows. The load generator itself is the plain one.
"""

import os
import pathlib
import tempfile

from harness import ROOT, load, memory_bytes, metrics, mib, open_files, parser, serving, settled, table

TRAFFIC = ["--clients", 48, "--prompt-kind", "ids", "--chaos", "all=0.5", "--chaos-patience", 10, "--cancel-within", 1,
           "--flood-connections", 40, "--timeout", 120]
# An instrumented model is slow: short texts, so that there are many.
SERVERS = {"cpu": (["--max-sequences", 16], ["--input-tokens", "1:40", "--output-tokens", "1:20"]),
           "fake": (["--fake-step-time", "2ms", "--max-sequences", 32], ["--input-tokens", "1:300", "--output-tokens",
                                                                          "1:200"])}


def main():
    flags = parser(__doc__)
    flags.add_argument("--minutes", type=float, default=10)
    options = flags.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        reports = pathlib.Path(folder)
        for name in ("TSAN", "ASAN", "UBSAN"):
            given = os.environ.get(f"{name}_OPTIONS", "")
            os.environ[f"{name}_OPTIONS"] = f"{given} log_path={reports / name} print_stacktrace=1".strip()
        os.environ["TSAN_OPTIONS"] += f" suppressions={ROOT / 'cmake/sanitizers/tsan.supp'}"
        for backend, (served, asked) in SERVERS.items():
            with serving(options, *served, "--max-waiting", 64, "--read-timeout", "3s", "--write-timeout", "3s",
                         backend=backend) as (process, url):
                metrics(url)
                files = open_files(process)
                result = load(options, url, "--duration", options.minutes * 30, "--seed", 1, *TRAFFIC, *asked,
                              may_fail=True)
                held = settled(process, url, files)
                ends = {}
                for outcomes in result["chaos"].values():
                    for outcome, count in outcomes.items():
                        ends[outcome] = ends.get(outcome, 0) + count
                memory = memory_bytes(process)
            text = "".join(path.read_text() for path in sorted(reports.iterdir()))
            rows.append([backend, f"{result['duration']:.0f}", result["completed"], result["failed"], sum(ends.values()),
                         ends.get("other_5xx", 0), ends.get("no_connection", 0), held.pop("files"), sum(held.values()),
                         mib(memory), process.returncode, text.count("SUMMARY:") or ("yes" if text else "none")])
            print(text, end="")
    table(["backend", "seconds", "answered", "failed", "misbehaved", "500 to them", "no connection", "more files",
           "held behind it", "memory MiB", "exit code", "reports"], rows)


if __name__ == "__main__":
    main()
