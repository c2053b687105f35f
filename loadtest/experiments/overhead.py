"""What the server costs beside the model: the fake backend, whose steps cost nothing, under batucada-loadtest.

    python loadtest/experiments/overhead.py [--build build/release] [--server-cpus 0,1] [--client-cpus 0,1] [--out FILE]

Three figures, printed and written as JSON: server-sent events a second over 256 connections, what a lone request waits
for, and the memory that 5,000 open streams take. Linux only: cores are pinned and memory is read from /proc.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/samba-classics-18m"


def cpus(text):
    return {int(cpu) for cpu in text.split(",")}


@contextlib.contextmanager
def serving(options, *flags):
    """(process, URL) of a server with the fake backend."""
    with tempfile.TemporaryDirectory() as folder:
        ports = pathlib.Path(folder) / "ports"
        command = [options.build / "bin/batucada", "serve", "--model", MODEL, "--backend", "fake", "--port", "0",
                   "--grpc-port", "0", "--port-file", ports, "--shutdown-grace", "0", "--drain-timeout", "0",
                   "--log-level", "warn", *flags]
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                                   preexec_fn=lambda: os.sched_setaffinity(0, options.server_cpus))
        try:
            while not ports.exists():
                if process.poll() is not None:
                    sys.exit(f"the server ended at once: {process.returncode}")
                time.sleep(0.01)
            http = dict(line.split() for line in ports.read_text().splitlines())["http"]
            yield process, f"http://127.0.0.1:{http}"
        finally:
            process.terminate()
            process.wait()


def load(options, url, *flags):
    """Runs batucada-loadtest; its results."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "result.json"
        subprocess.run([options.build / "bin/batucada-loadtest", "--url", url, "--quiet", "--output", out, *flags],
                       check=True, stdout=subprocess.DEVNULL,
                       preexec_fn=lambda: os.sched_setaffinity(0, options.client_cpus))
        return json.loads(out.read_text())


def cpu_seconds(process):
    """{thread name: user and system seconds so far}"""
    tick, seconds = os.sysconf("SC_CLK_TCK"), {}
    for stat in pathlib.Path(f"/proc/{process.pid}/task").glob("*/stat"):
        name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        user, system = rest.split()[11:13]
        seconds[name] = seconds.get(name, 0) + (int(user) + int(system)) / tick
    return seconds


def memory_bytes(process, field):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


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
    """One request at a time, of one token: all of it is overhead."""
    with serving(options, "--fake-step-time", "0ms") as (_, url):
        result = load(options, url, "--clients", "1", "--requests", "2000", "--input-tokens", "16",
                      "--output-tokens", "1", "--prompt-kind", "ids", "--threads", "1")
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--server-cpus", type=cpus, default=cpus("0,1"))
    parser.add_argument("--client-cpus", type=cpus, default=cpus("0,1"))
    parser.add_argument("--step-ms", type=float, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    figures = {"load_average": os.getloadavg()[0], "server_cpus": sorted(options.server_cpus),
               "client_cpus": sorted(options.client_cpus)}
    for experiment in [streaming, lone, open_streams]:
        figures[experiment.__name__] = experiment(options)
        print(f"{experiment.__name__}: {json.dumps(figures[experiment.__name__], indent=1)}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
