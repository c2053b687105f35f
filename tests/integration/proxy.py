"""nginx, Debian's, in front of replicas: balances over those that say they are ready, as a cluster does."""

import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import httpx
import pytest

from server import PATIENCE_S, wait_until

CONFIG = """
daemon off; master_process on; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream {name} {{ {servers} keepalive 32; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 60s;
    }}
  }}
}}
"""

UPSTREAM = "replicas"


def nginx_program():
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if path is None:
        known = subprocess.run(["apt-cache", "show", "nginx-light"], capture_output=True, check=False).returncode == 0
        assert not known, "nginx is missing: ./dev deps test installs nginx-light"
        pytest.skip("nginx is not there, and this distribution has none")
    return path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Proxy:
    def __init__(self, ports):
        self.folder = tempfile.TemporaryDirectory()
        self.config = pathlib.Path(self.folder.name) / "nginx.conf"
        self.replica_ports, self.ready, self.port = list(ports), list(ports), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.write()
        self.process = subprocess.Popen([nginx_program(), "-c", str(self.config), "-p", self.folder.name])
        wait_until(self.listens, "nginx to listen")
        self.stopping = threading.Event()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()

    def write(self):
        servers = " ".join(f"server 127.0.0.1:{port};" for port in self.ready)
        self.config.write_text(CONFIG.format(folder=self.folder.name, port=self.port, servers=servers,
                                             name=UPSTREAM, upstream=f"http://{UPSTREAM}"))

    def listens(self):
        assert self.process.poll() is None, "nginx ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def watch(self):
        """What a cluster's readiness probes and endpoints do."""
        with httpx.Client(timeout=5, trust_env=False) as http:
            while not self.stopping.wait(0.05):
                ready = [port for port in self.replica_ports if self.is_ready(http, port)]
                if ready and ready != self.ready:
                    self.ready = ready
                    self.write()
                    self.process.send_signal(signal.SIGHUP)

    @staticmethod
    def is_ready(http, port):
        try:
            return http.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.watcher.join()
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.folder.cleanup()
