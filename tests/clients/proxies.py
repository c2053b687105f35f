"""A proxy or router as a child process in front of servers."""

import contextlib
import socket
import subprocess

import httpx
from conftest import offline
from server import wait_until


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running(command, url, folder, env=None, path="/health", patience_s=400):
    """While `command` runs and answers at url + path."""
    log = folder / "proxy.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=env or offline(), stdout=out, stderr=subprocess.STDOUT,
                                   start_new_session=True)

    def up():
        assert process.poll() is None, f"{command} ended:\n{log.read_text()[-6000:]}"
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(url + path, timeout=5, trust_env=False).status_code == 200
        return False
    try:
        wait_until(up, f"{command} to answer", patience_s)
        yield log
    except BaseException:
        print(log.read_text()[-6000:])  # pytest shows it
        raise
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
