"""What the server costs beside the model: the fake backend, whose steps cost nothing, under batucada-loadtest.

    python loadtest/experiments/overhead.py [--build build/release] [--server-cpus 0,1] [--client-cpus 0,1] [--out FILE]

Three figures, printed and written as JSON: server-sent events a second over 256 connections, what a lone request waits
for, and the memory that 5,000 open streams take. Linux only: cores are pinned and memory is read from /proc.
"""

import json
import os
import pathlib

from harness import cpu_seconds, load, memory_bytes, parser, serving


def streaming(options):
    """At several step times: with none, the engine runs ahead and many tokens share an event; a step that is just long
    enough makes one event of every token, which is the most work there can be."""
    rows = []
    for step_ms in options.step_ms:
        with serving(options, "--fake-step-time", f"{step_ms}ms") as (process, url):
            result = load(options, url, "--clients", "256", "--requests", "1024", "--input-tokens", "16",
                          "--output-tokens", "1024", "--prompt-kind", "ids", "--threads", "1")
            used = cpu_seconds(process)
        events = result["text_events"]
        rows.append({
            "step_ms": step_ms,
            "tokens_per_s": result["output_throughput"],
            "events_per_s": events / result["duration"],
            "events_per_token": events / result["total_output_tokens"],
            "server_cores": sum(used.values()) / result["duration"],
            "io_us_per_event": used["batucada-io"] / events * 1e6,
            "p50_itl_ms": result["p50_itl_ms"],
            "p99_itl_ms": result["p99_itl_ms"],
            "failed": result["failed"],
        })
    return rows


def lone(options):
    """One request at a time, of one token: all of it is overhead. A token that is half a character has no text, and its
    request counts as failed."""
    with serving(options, "--fake-step-time", "0ms") as (_, url):
        result = load(options, url, "--clients", "1", "--requests", "2000", "--input-tokens", "16",
                      "--output-tokens", "1", "--prompt-kind", "ids", "--threads", "1", may_fail=True)
    return {name: result[name] for name in ["p50_ttft_ms", "p99_ttft_ms", "p50_e2el_ms", "p99_e2el_ms", "failed"]}


def open_streams(options, count=5000):
    """Steps of a second: every stream is open, and gets a token a second."""
    with serving(options, "--fake-step-time", "1s", "--max-sequences", str(count), "--max-waiting", str(count),
                 "--max-batch-tokens", str(4 * count)) as (process, url):
        before = memory_bytes(process, "VmRSS")
        result = load(options, url, "--clients", str(count), "--requests", str(count), "--input-tokens", "16",
                      "--output-tokens", "20", "--prompt-kind", "ids", "--threads", "2")
        peak = memory_bytes(process, "VmHWM")
    return {"streams": result["max_concurrent_requests"], "failed": result["failed"], "memory_before": before,
            "memory_peak": peak, "p50_ttft_ms": result["p50_ttft_ms"], "p99_itl_ms": result["p99_itl_ms"]}


def main():
    flags = parser(__doc__)
    flags.add_argument("--step-ms", type=float, nargs="*", default=[0, 1, 2, 3, 4])
    flags.add_argument("--out", type=pathlib.Path)
    options = flags.parse_args()
    figures = {"load_average": os.getloadavg()[0], "server_cpus": sorted(options.server_cpus),
               "client_cpus": sorted(options.client_cpus)}
    for experiment in [streaming, lone, open_streams]:
        figures[experiment.__name__] = experiment(options)
        print(f"{experiment.__name__}: {json.dumps(figures[experiment.__name__], indent=1)}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
