"""What the hostile experiments share: a server, a bystander who goes on asking, and the server's memory all the while.

    with Scene("what is tried", options, *flags) as scene:
        with scene.phase("during"):
            ...

prints a row for each phase: before (of its own accord), those that the experiment names, and after, once the attacker has
left: the server's resident memory at its end and at its peak, and what /health/live and a one-token completion took the
bystander. Everything goes to 127.0.0.1.
"""

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BYSTANDER = "127.0.0.2"  # attackers come from 127.0.0.1
MODEL = ROOT / "models/samba-classics-18m"


def parser(doc):
    """Of the flags that every experiment has."""
    flags = argparse.ArgumentParser(description=doc.splitlines()[0])
    flags.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="of the server")
    flags.add_argument("--seconds", type=float, default=3, help="that the bystander has before and after")
    return flags


class Bystander:
    """Asks about ten times a second, from an address of its own; what each phase saw, in seconds."""

    def __init__(self, port, key, asks):
        self.port, self.key, self.over, self.seen = port, key, threading.Event(), {name: [] for name in ["live", *asks]}
        self.threads = [threading.Thread(target=self.run, args=arguments, daemon=True)
                        for arguments in (("live", "GET", "/health/live", None),
                                          *((name, "POST", "/v1/completions", body) for name, body in asks.items()))]
        for thread in self.threads:
            thread.start()

    def run(self, name, method, path, body):
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        while not self.over.is_set():
            start = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(BYSTANDER, 0))
                connection.request(method, path, body and json.dumps(body), headers)
                took = time.monotonic() - start if connection.getresponse().status == 200 else None
                connection.close()
                took = time.monotonic() - start if took is not None else None
            except OSError:
                took = None
            self.seen[name].append(took)
            self.over.wait(0.1)

    def take(self):
        taken, self.seen = self.seen, {name: [] for name in self.seen}
        return taken

    def stop(self):
        self.over.set()


class Scene:
    def __init__(self, title, options, *flags, backend="fake", key=None, asks=None, descriptors=None):
        """`asks`: {name: completion} that the bystander asks for besides one token. `descriptors`: that the server may have."""
        self.limit = descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        self.title, self.options, self.rows, self.key = title, options, [], key
        self.asks = {"one token": {"prompt": "a", "max_tokens": 1}, **(asks or {})}
        self.flags = ["--backend", backend, *flags, *(("--api-key", key) if key else ())]

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        ports = pathlib.Path(self.folder.name) / "ports"
        command = [self.options.build / "bin/batucada", "serve", "--model", MODEL, "--port", "0",
                   "--grpc-port", "0", "--port-file", ports, "--shutdown-grace", "0", "--drain-timeout", "0",
                   "--log-level", "warn", *self.flags]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                                        preexec_fn=self.limit or None)
        while not ports.exists():
            if self.process.poll() is not None:
                sys.exit(f"the server ended at once: {self.process.returncode}")
            time.sleep(0.01)
        numbers = dict(line.split() for line in ports.read_text().splitlines())
        self.ports = {name: int(port) for name, port in numbers.items()}
        self.http, self.grpc = self.ports["http"], self.ports.get("grpc")
        self.bystander = Bystander(self.http, self.key, self.asks)
        with self.phase("before"):
            time.sleep(self.options.seconds)
        return self

    def resident_bytes(self):
        return int(pathlib.Path(f"/proc/{self.process.pid}/status").read_text().split("VmRSS:")[1].split()[0]) * 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    @contextlib.contextmanager
    def phase(self, name):
        peak, over = [self.resident_bytes()], threading.Event()

        def watch():
            while not over.wait(0.02) and self.process.poll() is None:
                peak.append(self.resident_bytes())
        thread = threading.Thread(target=watch)
        self.bystander.take()
        thread.start()
        start = time.monotonic()
        try:
            yield
        finally:
            over.set()
            thread.join()
            if self.process.poll() is not None:
                sys.exit(f"the server died: {self.process.returncode}")
            seen = self.bystander.take()
            self.rows.append([name, f"{time.monotonic() - start:.1f}", f"{self.resident_bytes() / 2**20:.0f}",
                              f"{max(peak) / 2**20:.0f}", *(summary(times) for times in seen.values())])

    def __exit__(self, kind, value, trace):
        if kind is None:
            with self.phase("after"):
                time.sleep(self.options.seconds)
        self.bystander.stop()
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()
        print(f"{self.title}\n")
        asked = [f"{name} ms, p50 and max" for name in ("live", *self.asks)]
        for cells in (["phase", "s", "MiB at its end", "peak MiB", *asked], ["---"] * (4 + len(asked)), *self.rows):
            print("| " + " | ".join(cells) + " |")
        print()


def crowd(scene, seconds, clients, target, arguments):
    """Runs so many processes of `target(port, *arguments(index), over)`, which go on until `over` is set, for a phase."""
    over = multiprocessing.Event()
    running = [multiprocessing.Process(target=target, args=(scene.http, *arguments(index), over), daemon=True)
               for index in range(clients)]
    with scene.phase("during"):
        for client in running:
            client.start()
        time.sleep(seconds)
    over.set()
    for client in running:
        client.join()


def summary(seen):
    taken = sorted(took for took in seen if took is not None)
    failed = f", {len(seen) - len(taken)} failed" if len(taken) < len(seen) else ""
    return f"{taken[len(taken) // 2] * 1e3:.0f}, {taken[-1] * 1e3:.0f}{failed}" if taken else f"none{failed}"
