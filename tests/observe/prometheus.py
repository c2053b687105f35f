"""A real Prometheus, Debian's, as a child process."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile

import httpx

from server import wait_until
from tools import RULES, program

CONFIG = {
    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
    "rule_files": [str(path) for path in RULES],
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Prometheus:
    """Scrapes `targets`, {job: [host:port, …]}, once a second."""

    def __init__(self, targets):
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        jobs = [{"job_name": job, "static_configs": [{"targets": hosts}]} for job, hosts in targets.items()]
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps({**CONFIG, "scrape_configs": jobs}))
        port = free_port()
        self.log_path = folder / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}",
                 f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
                 "--log.level=warn"], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "GOMAXPROCS": "2"})
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=120, trust_env=False)
        wait_until(self.ready, f"Prometheus to be ready: {self.log_path.read_text()}")

    def ready(self):
        assert self.process.poll() is None, self.log_path.read_text()
        try:
            return self.http.get(self.http.base_url.join("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    def get(self, path, **parameters):
        answer = self.http.get(path, params=parameters).json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return answer["data"]

    def query(self, expression):
        """The samples of an instant query."""
        return self.get("query", query=expression)["result"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()
        self.process.terminate()
        self.process.wait(120)
        self.folder.cleanup()
