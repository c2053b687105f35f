"""Bodies in gzip and zstd: the same answers as plain ones, within the same bounds."""

import ctypes
import gzip
import json

import pytest

from server import Server

ASK = {"prompt": "It was", "max_tokens": 8, "seed": 1}
LIMIT = 1 << 20


def zstd(data):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    library.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    library.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    room = ctypes.create_string_buffer(library.ZSTD_compressBound(len(data)))
    size = library.ZSTD_compress(room, len(room), data, len(data), 3)
    return room.raw[:size]


CODERS = {"gzip": gzip.compress, "zstd": zstd}


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "fake", "--max-body-bytes", "1MiB") as server:
        yield server


def send(server, coding, body, path="/v1/completions"):
    return server.http.post(path, content=body, headers={"content-encoding": coding, "content-type": "application/json"})


@pytest.mark.parametrize("coding", CODERS)
def test_the_answer_is_that_to_a_plain_body(server, coding):
    plain = server.complete(**ASK)["choices"]
    answer = send(server, coding, CODERS[coding](json.dumps(ASK).encode()))
    assert answer.status_code == 200 and answer.json()["choices"] == plain
    chunks = iter([CODERS[coding](json.dumps(ASK).encode())[i:i + 7] for i in range(0, 1000, 7)])
    assert send(server, coding.upper(), chunks).json()["choices"] == plain


@pytest.mark.parametrize("coding", CODERS)
def test_streams_too(server, coding):
    with server.http.stream("POST", "/v1/completions", content=CODERS[coding](json.dumps({**ASK, "stream": True}).encode()),
                            headers={"content-encoding": coding}) as answer:
        assert answer.status_code == 200 and list(answer.iter_lines())[-2] == "data: [DONE]"


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("path", ["/v1/completions", "/tokenize", "/v2/models/m/generate"])
def test_a_bomb_is_refused_within_bounds(server, coding, path):
    bomb = CODERS[coding](b" " * (64 * LIMIT))
    assert len(bomb) < LIMIT
    answer = send(server, coding, bomb, path)
    assert answer.status_code == 413 and f"{LIMIT} bytes when it is decoded" in answer.text


def test_what_is_just_as_long_as_it_may_be_is_taken(server):
    body = json.dumps({**ASK, "max_tokens": 1}).encode()
    for coding, encode in CODERS.items():
        assert send(server, coding, encode(body + b" " * (LIMIT - len(body)))).status_code == 200
        assert send(server, coding, encode(body + b" " * (LIMIT + 1 - len(body)))).status_code == 413


@pytest.mark.parametrize("coding", CODERS)
def test_what_is_not_of_the_coding_is_refused(server, coding):
    whole = CODERS[coding](json.dumps(ASK).encode())
    for body in (json.dumps(ASK).encode(), whole[:-5], whole + b"rest", b"\0"):
        answer = send(server, coding, body)
        assert answer.status_code == 400 and coding in answer.json()["error"]["message"], answer.text


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, zstd", "compress", "\xe4".encode("latin-1")], ids=str)
def test_what_is_not_decoded_is_named(server, coding):
    answer = send(server, coding, b"body")
    name = coding if isinstance(coding, str) else "\\xe4"
    assert answer.status_code == 415 and f"'{name}'" in answer.json()["error"]["message"]
    assert answer.headers["accept-encoding"] == "gzip, zstd"
