"""What operators do: health on a port of its own, /admin, and SIGHUP, which has files read again."""

import os
import re
import signal
import socket
import ssl
import subprocess
import time

import httpx
import pytest

from server import MODEL, PATIENCE_S, Server, run, wait_until

FAKE = ("--backend", "fake")
JSON = {"content-type": "application/json"}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


# --- /admin


def test_without_keys_the_machine_itself_administers():
    with Server(*FAKE) as server:
        assert server.http.post("/admin/log", json={"level": "warn"}).json()["level"] == "warn"
        for headers in ({"host": "rebind.evil"}, {"origin": "http://evil.example.com"}, {"sec-fetch-site": "cross-site"},
                        {"x-forwarded-for": "10.0.0.1"}):
            answer = server.http.post("/admin/log", json={"level": "off"}, headers=headers)
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers, headers
        answer = server.http.post("/admin/log", content='{"level": "off"}', headers={"content-type": "text/plain"})
        assert answer.status_code == 415
        assert server.http.get("/admin/log").json()["level"] == "warn"


def test_with_keys_only_an_administrators_will_do():
    with Server(*FAKE, "--api-key", "user", "--api-key", "chief admin", "--health-port", "0") as server:
        health = httpx.Client(base_url=f"http://127.0.0.1:{server.health_port}", trust_env=False)
        assert server.http.get("/admin/log").status_code == 401
        assert server.http.get("/admin/log", headers=bearer("user")).status_code == 403
        assert server.http.get("/admin/log", headers=bearer("chief")).status_code == 200
        assert health.get("/admin/log").status_code == 200, "there the machine itself needs no key"
        assert health.post("/admin/log", json={"level": "warn"}).json()["level"] == "warn"
        for headers in ({"host": "evil.example"}, {"x-forwarded-for": "10.0.0.1"}):
            assert health.get("/admin/log", headers=headers).status_code == 403, headers
            assert health.post("/admin/log", json={"level": "off"}, headers=headers).status_code == 403, headers
        assert health.get("/admin/log").json()["level"] == "warn"


# --- --health-port


def test_the_health_port_answers_about_health_and_nothing_else():
    with Server(*FAKE, "--health-port", "0", "--api-key", "k") as server:
        health = httpx.Client(base_url=f"http://127.0.0.1:{server.health_port}", trust_env=False)
        for path in ("/health", "/health/live", "/health/ready", "/version"):
            assert health.get(path).status_code == 200, path
        assert "batucada_http_connections " in health.get("/metrics").text
        for path in ("/", "/v1/models", "/load", "/openapi.json"):
            assert health.get(path).status_code == 404, path
        assert health.post("/v1/completions", json={"prompt": "a"}, headers=bearer("k")).status_code == 404
        assert f"health=127.0.0.1:{server.health_port}" in server.log()


def test_what_loading_took_is_a_metric_and_a_line():
    with Server("--backend", "cpu") as server:
        assert server.metrics()["batucada_model_load_seconds"] > 0
        assert re.search(r"^loaded  weights in \d+\.\d\d s, .+/s; steps warmed up in \d+\.\d\d s$", server.log(), re.MULTILINE)
    with Server(*FAKE) as server:
        assert "loaded  weights" not in server.log(), "it has none"


def test_without_the_flag_there_is_no_health_port():
    with Server(*FAKE) as server:
        assert server.health_port is None and "health=" not in server.log()


def test_a_health_port_in_use_is_one_sentence():
    with Server(*FAKE, "--health-port", "0") as server:
        ended = run("serve", *FAKE, "--port", "0", "--grpc-port", "0", "--health-port", str(server.health_port))
        assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1 and "--health-port" in ended.stderr


def test_health_is_answered_whoever_holds_the_other_port():
    endless = b'{"prompt": "a", "max_tokens": 100000, "stream": true}'
    ask = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(endless), endless)
    with Server(*FAKE, "--fake-step-time", "10ms", "--health-port", "0", "--max-connections", "20") as server:
        crowd = [socket.create_connection(("127.0.0.1", server.http_port)) for _ in range(20)]
        for connection in crowd:
            connection.sendall(ask)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        crowd += [socket.create_connection(("127.0.0.1", server.health_port)) for _ in range(200)]
        with httpx.Client(base_url=f"http://127.0.0.1:{server.health_port}", trust_env=False) as health:
            assert health.get("/health/live").status_code == 200
            assert "batucada_http_connections 20" in health.get("/metrics").text
        for connection in crowd:
            connection.close()


def test_health_goes_on_while_requests_finish():
    with Server(*FAKE, "--fake-step-time", "50ms", "--health-port", "0", "--drain-timeout", "60s") as server:
        health = httpx.Client(base_url=f"http://127.0.0.1:{server.health_port}", trust_env=False)
        with server.http.stream("POST", "/v1/completions", json={"prompt": "a", "max_tokens": 100, "stream": True}) as stream:
            lines = stream.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: health.get("/health/ready").status_code == 503, "it to be unready")
            assert health.get("/health/live").status_code == 200
            assert "\nbatucada_ready 0\n" in health.get("/metrics").text
            assert "data: [DONE]" in list(lines)
        assert server.process.wait(PATIENCE_S) == 0


# --- SIGHUP


def hang_up(server):
    """Sends SIGHUP; the line about it."""
    before = server.log().count("SIGHUP: ")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.log().count("SIGHUP: ") > before, "the line about SIGHUP")
    return [line for line in server.log().splitlines() if "SIGHUP: " in line][-1]


def test_keys_are_read_again(tmp_path, stubs):
    keys = tmp_path / "keys"
    keys.write_text("old\n")
    with Server(*FAKE, "--api-key-file", str(keys), "--api-key", "fixed") as server:
        def status(key):
            return server.http.get("/v1/models", headers=bearer(key)).status_code
        assert [status(key) for key in ("old", "new", "fixed")] == [200, 401, 200]
        keys.write_text("new\n")
        assert "read again: keys" in hang_up(server)
        assert [status(key) for key in ("old", "new", "fixed")] == [401, 200, 200]
        for wrong in ("# none\n", "a key of many words\n", "\x7f\n"):
            keys.write_text(wrong)
            line = hang_up(server)
            assert "nothing was changed" in line and "--api-key-file" in line and "many" not in line
            assert [status(key) for key in ("old", "new", "fixed")] == [401, 200, 200]
        for other in ("new\nnew admin\n", "fixed admin\n"):
            keys.write_text(other)
            line = hang_up(server)
            assert "nothing was changed" in line and "other rights" in line and not any(key in line for key in ("new ", "fixed"))
        keys.unlink()
        assert "nothing was changed" in hang_up(server)
        assert status("new") == 200 and server.process.poll() is None


def test_keys_that_are_all_gone_open_nothing(tmp_path):
    config = tmp_path / "batucada.toml"
    config.write_text('api-key = "old"\n')
    with Server(*FAKE, "--config", str(config)) as server:
        for emptied, why in (("", "no key any more"), ("api-key = []\n", "api-key: it is empty")):
            config.write_text(emptied)
            line = hang_up(server)
            assert "nothing was changed" in line and why in line
        assert server.http.get("/v1/models").status_code == 401
        assert server.http.get("/v1/models", headers=bearer("old")).status_code == 200


def test_the_log_level_is_read_again(tmp_path):
    config = tmp_path / "batucada.toml"
    config.write_text('log-level = "info"\n')
    with Server(*FAKE, "--config", str(config)) as server:
        config.write_text('log-level = "debug"\nrequest-log-sampling = 0.5\n')
        hang_up(server)
        assert server.http.get("/admin/log").json() == {"level": "debug", "request_sampling": 0.5}
        config.write_text('log-level = "loud"\n')
        assert "nothing was changed" in hang_up(server)
        config.write_text('api-key = "new"\n')
        assert "start again" in hang_up(server)
        assert server.http.get("/admin/log").json() == {"level": "debug", "request_sampling": 0.5}


def test_refusals_do_not_fill_the_log():
    with Server(*FAKE) as server:
        begin = time.monotonic()
        for _ in range(600):
            assert server.http.post("/v1/completions", content=b"{", headers=JSON).status_code == 400
        took = time.monotonic() - begin
        server.complete(prompt="a", max_tokens=1)
        wait_until(lambda: '"finish":["length"]' in server.log(), "a line of what was answered")
        lines = server.log().count('"code":"invalid_json"')
        assert 200 <= lines <= 201 + 20 * took
        left_out = re.findall(r"(\d+) more requests were refused", server.log())
        assert lines + sum(map(int, left_out)) <= 600

        def told():
            assert server.http.post("/v1/completions", content=b"{", headers=JSON).status_code == 400
            return re.search(r"\d+ more requests were refused", server.log())
        if lines < 600:  # the next line comes behind a word of how many there were without one
            wait_until(told, "how many were left out")


def make_certificate(folder, name, *options):
    """(certificate, key), self-signed for localhost."""
    paths = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", paths[0],
                    "-keyout", paths[1], *(options or ["-nodes"])], check=True, capture_output=True)
    return paths


def presented(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


def test_the_certificate_is_read_again_on_both_ports(tmp_path):
    first, second = make_certificate(tmp_path, "first"), make_certificate(tmp_path, "second")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def install(pair):
        os.replace(shadow(pair[0]), certificate)
        os.replace(shadow(pair[1]), key)

    def shadow(path):
        copy = tmp_path / "shadow"
        copy.write_bytes(path.read_bytes())
        return copy
    install(first)
    with Server(*FAKE, "--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        ports = (server.http_port, server.grpc_port)
        assert [presented(port) for port in ports] == [first[0].read_text()] * 2
        with httpx.Client(base_url=f"https://localhost:{server.http_port}", trust_env=False,
                          verify=ssl.create_default_context(cafile=first[0])) as old:
            assert old.get("/health").status_code == 200
            install(second)
            assert "certificate" in hang_up(server)
            assert [presented(port) for port in ports] == [second[0].read_text()] * 2
            assert old.get("/health").status_code == 200, "a connection that is open stays"
        os.replace(shadow(first[1]), key)  # of another certificate
        assert "nothing was changed" in hang_up(server)
        assert [presented(port) for port in ports] == [second[0].read_text()] * 2


# --- files that are none


def test_an_encrypted_key_is_refused_and_nobody_is_asked(tmp_path):
    certificate, key = make_certificate(tmp_path, "locked", "-passout", "pass:secret")
    ended = run("serve", *FAKE, "--port", "0", "--grpc-port", "0", "--tls-cert", str(certificate), "--tls-key", str(key),
                stdin=subprocess.DEVNULL, start_new_session=True)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1
    assert "encrypted" in ended.stderr and "--tls-key" in ended.stderr


@pytest.mark.parametrize("flag", ["--config", "--api-key-file", "--tls-cert", "--tls-key", "--chat-template"])
@pytest.mark.parametrize("kind", ["directory", "pipe", "device", "endless", "missing"])
def test_a_file_that_is_none_is_one_sentence(tmp_path, flag, kind):
    path = {"directory": tmp_path, "device": "/dev/zero", "endless": "/proc/self/mem"}.get(kind, tmp_path / "file")
    if kind == "pipe":
        os.mkfifo(path)
    pair = make_certificate(tmp_path, "sound")
    flags = {"--tls-cert": ("--tls-key", pair[1]), "--tls-key": ("--tls-cert", pair[0])}.get(flag, ())
    ended = run("serve", *FAKE, "--port", "0", "--grpc-port", "0", flag, str(path), *map(str, flags))
    assert ended.returncode in (1, 2) and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert str(path) in ended.stderr and "--help" not in ended.stderr


@pytest.mark.parametrize("flags,variables,name", [(("--config", ""), {}, "--config"), ((), {"BATUCADA_CONFIG": ""}, "BATUCADA_CONFIG")])
def test_a_settings_file_that_is_not_named_is_not_forgotten(flags, variables, name):
    """`--config "$FILE"` where FILE is not set: keys in a file that was meant would be missing."""
    ended = run("serve", *FAKE, "--port", "0", "--grpc-port", "0", *flags, env=variables)
    assert ended.returncode == 2 and ended.stderr == f"batucada: {name}: it is empty: give a value, or leave it away\n"


@pytest.mark.parametrize("flags", [("serve", "--port", "0", "19999"), ("serve", "--host", "127.0.0.1", "0.0.0.0", "--port", "0"),
                                   ("serve", "--grpc", "off", "on", "--port", "0"), ("serve", "--prefix-cache", "on", "x")])
def test_words_that_no_flag_takes_are_refused(flags):
    ended = run(*flags, *FAKE)
    assert ended.returncode == 2 and "not expected: " in ended.stderr and len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("words,says", [((), "no command was given: "), (("serv", "--port", "0"), "'serv' is no command: "),
                                        (("--port", "0"), "'--port' is no command: ")])
def test_what_is_no_command_is_answered_with_those_that_are(words, says):
    ended = run(*words)
    assert ended.returncode == 2 and says + "give one of serve, complete, " in ended.stderr and len(ended.stderr.splitlines()) == 1
    ended = run("session", *words[:1])
    assert ended.returncode == 2 and "give one of export, import" in ended.stderr, ended.stderr


def test_a_name_that_is_served_twice_is_refused():
    ended = run("serve", *FAKE, "--served-model-name", "a", "--served-model-name", "b", "--served-model-name", "a")
    assert ended.returncode == 2 and ended.stderr == "batucada: --served-model-name gives a twice\n"


@pytest.mark.parametrize("name", ["API_KEY", "API_KEY_FILE", "METRICS_ACCESS", "MIN_PRIORITY", "TLS_CERT", "TLS_KEY"])
def test_what_guards_the_server_and_was_not_filled_in_is_refused(name):
    ended = run("serve", *FAKE, "--port", "0", "--grpc-port", "0", env={f"BATUCADA_{name}": ""})
    assert ended.returncode == 2 and ended.stderr == f"batucada: BATUCADA_{name}: it is empty: give a value, or leave it away\n"


def test_a_prompt_may_stand_between_flags():
    ended = run("complete", *FAKE, "--seed", "5", "Call me", "--max-tokens", "1", "--model", str(MODEL))
    assert ended.returncode == 0 and ended.stdout.startswith("Call me"), ended.stderr


def test_variables_that_are_no_settings_are_told_of():
    ended = run("serve", *FAKE, env={"BATUCADA_API_KEYS": "secret"})
    assert ended.returncode == 2 and "BATUCADA_API_KEY " in ended.stderr and "secret" not in ended.stderr
    with Server(*FAKE, env={"BATUCADA_OWN_THING": "x"}) as server:
        assert "BATUCADA_OWN_THING is no setting" in server.log()
        assert httpx.get(f"{server.url}/health", timeout=PATIENCE_S, trust_env=False).status_code == 200
