"""What the experiments share: a server under test, a load on it, and what the system says of the server."""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/samba-classics-18m"
USED = ["requests_running", "requests_waiting", "recurrent_slots_used", "kv_blocks_used"]


def cpus(text):
    return {int(cpu) for cpu in text.split(",")}


@contextlib.contextmanager
def serving(options, *flags, backend="fake", model=MODEL):
    """(process, URL) of a server."""
    with tempfile.TemporaryDirectory() as folder:
        ports = pathlib.Path(folder) / "ports"
        command = [options.build / "bin/batucada", "serve", "--model", model, "--backend", backend, "--port", "0",
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


def load(options, url, *flags, may_fail=False):
    """Runs batucada-loadtest; its results. `may_fail`: requests that are refused or broken off are part of it."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "result.json"
        command = [options.client_build / "bin/batucada-loadtest", "--url", url, "--quiet", "--output", out, *flags]
        ended = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, check=False,
                               preexec_fn=lambda: os.sched_setaffinity(0, options.client_cpus))
        if ended.returncode not in ((0, 3) if may_fail else (0,)):
            why = json.loads(out.read_text())["first_errors"] if out.exists() else "no results"
            sys.exit(f"batucada-loadtest ended with {ended.returncode}: {why}")
        return json.loads(out.read_text())


def cpu_seconds(process):
    """{thread name: user and system seconds so far}"""
    tick, seconds = os.sysconf("SC_CLK_TCK"), {}
    for stat in pathlib.Path(f"/proc/{process.pid}/task").glob("*/stat"):
        name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        user, system = rest.split()[11:13]
        seconds[name] = seconds.get(name, 0) + (int(user) + int(system)) / tick
    return seconds


def memory_bytes(process, field="VmRSS"):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def metrics(url):
    """{'name{labels}': value}"""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as page:
        text = page.read().decode()
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def settled(process, url, files):
    """What is still held, once nothing changes any more or after 10 s."""
    for _ in range(100):
        now = metrics(url)
        held = {name: int(now[f"batucada_{name}"]) for name in USED}
        held["files"] = open_files(process) - files
        if not any(held.values()):
            break
        time.sleep(0.1)
    return held


def parser(doc):
    """Of the flags that every experiment has."""
    flags = argparse.ArgumentParser(description=doc.splitlines()[0])
    flags.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="of the server")
    flags.add_argument("--client-build", type=pathlib.Path, default=ROOT / "build/release", help="of the load generator")
    flags.add_argument("--server-cpus", type=cpus, default=cpus("0,1"))
    flags.add_argument("--client-cpus", type=cpus, default=cpus("0,1"))
    return flags


def table(columns, rows):
    """Prints Markdown."""
    print(f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, load average {os.getloadavg()[0]:.1f}\n")
    for cells in [columns, ["---"] * len(columns), *rows]:
        print("| " + " | ".join(f"{cell:,.1f}" if isinstance(cell, float) else str(cell) for cell in cells) + " |")


def mib(size):
    return f"{size / 2**20:.1f}"
