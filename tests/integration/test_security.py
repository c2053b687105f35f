"""Keys, pages of other origins, and TLS."""

import json
import select
import socket
import ssl
import subprocess
import threading

import grpc
import httpx
import openai
import pytest

from h2_client import resident_bytes
from server import MODEL, PATIENCE_S, SANITIZED, Server, run
from tls_client import TlsClient

OK = {"prompt": "a", "max_tokens": 2}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("# the team's\nteam-key\n\nother-key\n")
    with Server("--backend", "fake", "--api-key", "first-key", "--api-key", "second-key", "--api-key-file", str(keys)) as server:
        yield server


def test_every_route_but_health_and_metrics_needs_a_key(keyed):
    for path in ("/", "/health", "/health/live", "/health/ready", "/metrics"):
        assert keyed.http.get(path).status_code == 200, path
    for method, path in (("POST", "/v1/completions"), ("POST", "/v1/chat/completions"), ("GET", "/v1/models"),
                         ("GET", "/v1/models/x"), ("POST", "/tokenize"), ("POST", "/detokenize"), ("GET", "/load"),
                         ("GET", "/version"), ("GET", "/openapi.json"), ("GET", "/nothing/there"), ("DELETE", "/load")):
        response = keyed.http.request(method, path, json=OK if method == "POST" else None)
        error = response.json()["error"]
        assert (response.status_code, error["type"], error["code"]) == (401, "authentication_error", "missing_api_key")
        assert response.headers["www-authenticate"] == "Bearer"


def test_what_is_open_is_described_as_open_and_nothing_else_is(keyed):
    """Every route of the description, those of the Open Inference Protocol too: one that is added must choose."""
    document = keyed.http.get("/openapi.json", headers=bearer("first-key")).json()
    opened = set()
    for path, item in document["paths"].items():
        url = path.replace("{model}", "samba-classics-18m").replace("{version}", "1")
        for method, operation in item.items():
            for headers in ({}, bearer("nonsense")):
                status = keyed.http.request(method, url, content=b"{", headers=headers).status_code
                assert (status == 401) == (operation.get("security") != []), (method, path)
            if status != 401:
                opened.add(path)
    health = {"/health", "/health/live", "/health/ready", "/health_generate", "/healthz", "/livez", "/readyz", "/ping", "/v1/health", "/v2/health/live", "/v2/health/ready",
              "/v2/models/{model}/ready", "/v2/models/{model}/versions/{version}/ready"}
    assert opened == health | {"/", "/metrics"}


def test_the_page_and_its_json_give_nothing_away(keyed):
    """/ is open so that a browser gets the page, which asks for the key; it must not tell what is served."""
    for accept in ("text/html", "application/json"):
        assert "samba" not in keyed.http.get("/", headers={"accept": accept}).text


def test_each_key_opens_and_nothing_else_does(keyed):
    for key in ("first-key", "second-key", "team-key", "other-key"):
        assert keyed.http.post("/v1/completions", json=OK, headers=bearer(key)).status_code == 200
    for header in ("first-key", "Basic first-key", "Bearer", "Bearer first", "Bearer first-keyx", "Bearer # the team's"):
        response = keyed.http.post("/v1/completions", json=OK, headers={"authorization": header})
        assert response.status_code == 401 and response.json()["error"]["code"] == "invalid_api_key"
    assert keyed.openai().with_options(api_key="team-key").models.list().data
    with pytest.raises(openai.AuthenticationError):
        keyed.openai().with_options(api_key="none").completions.create(model="", prompt="a")
    assert "first-key" not in keyed.log() and "team-key" not in keyed.log()


def test_two_keys_are_one_too_many(keyed):
    same = {**bearer("first-key"), "x-api-key": "first-key"}
    assert keyed.http.post("/v1/completions", json=OK, headers=same).status_code == 200
    for more in ({"x-api-key": "second-key"}, {"x-api-key": "none"}, {"x-api-key": "first-key", "authorization": "Basic first-key"}):
        response = keyed.http.post("/v1/completions", json=OK, headers={**bearer("first-key"), **more})
        assert response.status_code == 400 and response.json()["error"]["code"] == "several_api_keys", more
    assert keyed.http.get("/health", headers={**bearer("first-key"), "x-api-key": "none"}).status_code == 200
    for first, last in (("first-key", "none"), ("none", "first-key"), ("first-key", "first-key")):
        twice = [("authorization", f"Bearer {first}"), ("authorization", f"Bearer {last}")]
        assert keyed.http.get("/v1/models", headers=twice).status_code == 400


def test_a_stranger_cannot_make_the_server_read_a_body(keyed):
    with socket.create_connection(("127.0.0.1", keyed.http_port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
        assert connection.recv(13) == b"HTTP/1.1 401 ", "a read timeout would be 408"


def test_grpc_takes_the_same_keys(keyed, stubs):
    messages, services = stubs
    with grpc.insecure_channel(f"127.0.0.1:{keyed.grpc_port}") as channel:
        stub = services.InferenceStub(channel)
        request = messages.GenerateRequest(text="a", max_tokens=2)
        metadata = [("authorization", "Bearer second-key")]
        assert list(stub.Generate(request, metadata=metadata))[-1].usage.completion_tokens == 2
        assert stub.GetModelInfo(messages.GetModelInfoRequest(), metadata=metadata).names
        for call in (lambda **more: list(stub.Generate(request, **more)),
                     lambda **more: stub.GetModelInfo(messages.GetModelInfoRequest(), **more)):
            for wrong in ([], [("authorization", "Bearer nonsense")]):
                with pytest.raises(grpc.RpcError) as error:
                    call(metadata=wrong)
                assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED
            with pytest.raises(grpc.RpcError) as error:
                call(metadata=[*metadata, ("authorization", "Bearer nonsense")])
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_metrics_may_need_a_key_too():
    with Server("--backend", "fake", "--metrics-access", "key", env={"BATUCADA_API_KEY": "k"}) as server:
        assert server.http.get("/metrics").status_code == 401
        assert server.http.get("/metrics", headers=bearer("k")).status_code == 200
        assert server.http.get("/health").status_code == 200


@pytest.mark.parametrize("flags, message", [
    (("--api-key", "with space"), "--api-key"), (("--api-key-file", "no/such/file"), "no/such/file"),
    (("--tls-cert", "x.pem"), "--tls-key"), (("--tls-cert", "no.pem", "--tls-key", "no.pem"), "--tls-cert no.pem"),
    (("--cors-origin", "example.org"), "example.org"),
], ids=str)
def test_wrong_settings_are_one_sentence(flags, message):
    ended = run("serve", "--backend", "fake", "--model", str(MODEL), "--port", "0", "--grpc-port", "0", *flags)
    assert ended.returncode == 2 and message in ended.stderr and len(ended.stderr.splitlines()) == 1


PAGE = "https://page.example.com"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


def test_cors_is_off_by_default(fast):
    assert "access-control-allow-origin" not in fast.http.get("/version", headers={"origin": PAGE}).headers
    response = fast.http.options("/v1/completions", headers={"origin": PAGE, **PREFLIGHT})
    assert response.status_code == 403 and "access-control-allow-origin" not in response.headers
    assert "--cors-origin" in response.json()["error"]["message"]


def test_pages_of_named_origins_may_ask():
    with Server("--backend", "fake", "--api-key", "k", "--cors-origin", PAGE, "--cors-origin", "http://localhost:3000") as server:
        response = server.http.options("/v1/completions", headers={"origin": PAGE, **PREFLIGHT})
        assert response.status_code == 200 and response.headers["access-control-allow-origin"] == PAGE
        assert "authorization" in response.headers["access-control-allow-headers"]
        response = server.http.post("/v1/completions", json={**OK, "stream": True}, headers={"origin": PAGE, **bearer("k")})
        assert response.status_code == 200 and response.headers["access-control-allow-origin"] == PAGE
        assert "x-request-id" in response.headers["access-control-expose-headers"] and response.headers["vary"] == "origin"
        # A page must be able to read why it was refused.
        response = server.http.post("/v1/completions", json=OK, headers={"origin": PAGE})
        assert response.status_code == 401 and response.headers["access-control-allow-origin"] == PAGE
        for origin in ("https://other.example.com", "null", PAGE + ".evil"):
            response = server.http.options("/v1/completions", headers={"origin": origin, **PREFLIGHT})
            assert response.status_code == 403 and "--cors-origin" in response.text and "access-control-allow-origin" not in response.headers


def test_openais_javascript_client_may_ask_from_a_page():
    wanted = "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-timeout"

    def allowed(server, wanted):
        headers = {"origin": PAGE, **PREFLIGHT, "access-control-request-headers": wanted}
        response = server.http.options("/v1/chat/completions", headers=headers)
        return {name.strip() for name in response.headers["access-control-allow-headers"].split(",")}

    with Server("--backend", "fake", "--api-key", "k", "--cors-origin", PAGE) as server:
        assert set(wanted.split(",")) <= allowed(server, wanted)
        own = {"authorization", "content-type", "traceparent", "x-request-id"}
        assert allowed(server, "") == own
        assert allowed(server, 'x-one, no token, "x", <b>,, x-two') == own | {"x-one", "x-two"}
        assert allowed(server, "x-" + "a" * 2000) == own


def test_where_keys_are_required_every_page_that_has_one_may_ask():
    with Server("--backend", "fake", "--api-key", "k") as server:
        response = server.http.options("/v1/completions", headers={"origin": PAGE, **PREFLIGHT})
        assert response.status_code == 200 and response.headers["access-control-allow-origin"] == "*"
        response = server.http.post("/v1/completions", json=OK, headers={"origin": PAGE, **bearer("k")})
        assert response.status_code == 200 and response.headers["access-control-allow-origin"] == "*"
        assert server.http.post("/v1/completions", json=OK, headers={"origin": PAGE}).status_code == 401
        for path in ("/health", "/metrics", "/"):  # what the network alone gives is not for pages
            assert "access-control-allow-origin" not in server.http.get(path, headers={"origin": PAGE}).headers
        assert server.http.options("/v1/completions").status_code == 405


def test_any_origin():
    with Server("--backend", "fake", "--cors-origin", "*") as server:
        assert server.http.get("/version", headers={"origin": PAGE}).headers["access-control-allow-origin"] == "*"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key), self-signed for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    return paths


@pytest.fixture(scope="module")
def secure(certificate):
    with Server("--backend", "fake", "--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]),
                "--read-timeout", "1s", "--idle-timeout", "2s", "--max-body-bytes", "4MB") as server:
        server.trust = ssl.create_default_context(cafile=certificate[0])
        server.url = f"https://127.0.0.1:{server.http_port}"
        server.http = httpx.Client(base_url=server.url, timeout=PATIENCE_S, trust_env=False, verify=server.trust)
        yield server


def test_https_serves_everything(secure):
    answer = secure.complete(prompt="a", max_tokens=30, seed=1)
    client = openai.OpenAI(base_url=f"{secure.url}/v1", api_key="none", max_retries=0,
                           http_client=httpx.Client(trust_env=False, verify=secure.trust))
    text = "".join(chunk.choices[0].text for chunk in client.completions.create(
        model="", prompt="a", max_tokens=30, seed=1, stream=True))
    assert text == answer["choices"][0]["text"]
    large = "word " * 200_000
    assert secure.complete(prompt=large, max_tokens=1)["usage"]["prompt_tokens"] > 200_000
    # Larger than any buffer on the way, both ways.
    assert secure.complete(prompt=large, max_tokens=1, echo=True)["choices"][0]["text"].startswith(large)


def test_old_and_plain_clients_are_turned_away(secure):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = version
        # At once, whatever the system's own settings would make of it later in the handshake.
        with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
            old.wrap_socket(socket.create_connection(("127.0.0.1", secure.http_port), timeout=PATIENCE_S))
    with socket.create_connection(("127.0.0.1", secure.http_port), timeout=PATIENCE_S) as plain:
        plain.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: plain.recv(1000), b""))
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.endswith(b"\r\n\r\nThis port speaks TLS: ask with https://")
        assert b"\r\nContent-Length: %d\r\n" % len(answer.partition(b"\r\n\r\n")[2]) in answer
    assert secure.http.get("/health").status_code == 200


def test_a_greeting_that_never_ends_times_out(secure):
    with socket.create_connection(("127.0.0.1", secure.http_port), timeout=PATIENCE_S) as silent:
        silent.sendall(b"\x16\x03\x01")
        assert silent.recv(10) == b""


@pytest.mark.skipif(SANITIZED, reason="a sanitizer holds more of each")
def test_what_connections_with_tls_hold_is_bounded(certificate):
    """Nothing before they greet, little while they wait, and no room for a greeting that says it is 131 KB long."""
    with Server("--backend", "fake", "--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1]),
                "--read-timeout", "10m", "--idle-timeout", "10m") as server:
        trust = ssl.create_default_context(cafile=certificate[0])
        server.http = httpx.Client(base_url=f"https://127.0.0.1:{server.http_port}", timeout=PATIENCE_S, trust_env=False, verify=trust)

        def connect():
            return socket.create_connection(("127.0.0.1", server.http_port), timeout=PATIENCE_S)

        def growth(links, bytes_each):
            """That all are there, and what they cost."""
            server.wait_for_metric("batucada_http_connections", len(links) + 1)
            assert resident_bytes(server) - before < len(links) * bytes_each
            for link in links:
                link.close()
            server.wait_for_metric("batucada_http_connections", 1)

        assert server.http.get("/health").status_code == 200
        before = resident_bytes(server)
        links = [connect() for _ in range(300)]
        for link in links:
            link.sendall(bytes.fromhex("1603010200010001fc0303") + bytes(100))  # 111 bytes of 517
        growth(links, 24 << 10)
        growth([trust.wrap_socket(connect(), server_hostname="localhost") for _ in range(300)], 64 << 10)
        for hello in ("160301000401020140", "16030100080102014003030000"):
            with connect() as link:
                link.sendall(bytes.fromhex(hello))
                assert link.recv(10) == b"", "closed long before it times out"


def test_keys_that_change_without_end_leave_others_their_turns(certificate):
    """A megabyte of records that say nothing is no single turn of the thread's."""
    with Server("--backend", "fake", "--io-threads", "1", "--tls-cert", str(certificate[0]),
                "--tls-key", str(certificate[1])) as server:
        trust = ssl.create_default_context(cafile=certificate[0])
        flooder = TlsClient(server.http_port)
        flood = flooder.key_updates(40_000)
        with httpx.Client(base_url=f"https://127.0.0.1:{server.http_port}", timeout=PATIENCE_S, trust_env=False,
                          verify=trust) as other:
            assert other.get("/health").status_code == 200
            sender = threading.Thread(target=flooder.socket.sendall, args=(flood,))
            sender.start()
            turns = 0
            while not select.select([flooder.socket], [], [], 0)[0]:
                assert other.get("/health").status_code == 200
                turns += 1
            sender.join()
        assert turns >= 8


def test_leaving_a_tls_stream_frees_it(secure):
    with secure.http.stream("POST", "/v1/completions", json={"prompt": "a", "max_tokens": 1_000_000, "stream": True}) as stream:
        next(stream.iter_lines())
    secure.wait_until_free()


def test_grpc_speaks_tls_too(secure, stubs, certificate):
    messages, services = stubs
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    with grpc.secure_channel(f"localhost:{secure.grpc_port}", credentials) as channel:
        stub = services.InferenceStub(channel)
        assert list(stub.Generate(messages.GenerateRequest(text="a", max_tokens=2)))[-1].usage.completion_tokens == 2


def test_a_key_of_another_certificate_is_refused(certificate, tmp_path):
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", other],
                   check=True, capture_output=True)
    ended = run("serve", "--backend", "fake", "--port", "0", "--grpc-port", "0", "--tls-cert", str(certificate[0]),
                "--tls-key", str(other))
    assert ended.returncode == 2 and "--tls-key" in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_answers_end_with_a_proper_goodbye(secure):
    """TLS's close_notify: without it a client could not tell an end from an attack."""
    with socket.create_connection(("127.0.0.1", secure.http_port), timeout=PATIENCE_S) as raw:
        with secure.trust.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as connection:
            body = json.dumps(OK)
            connection.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
