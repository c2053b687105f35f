"""A client of TLS 1.3 that changes its keys as often as it likes, by OpenSSL's library: Python's ssl has no call for it."""

import ctypes
import socket

from server import PATIENCE_S

REQUEST = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


class TlsClient:
    """Connected, and answered once, so that whatever comes from now on is an answer to `key_updates`."""

    def __init__(self, port):
        self._ssl, self._crypto = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
        for library, name in [(self._ssl, "SSL_CTX_new"), (self._ssl, "TLS_client_method"), (self._ssl, "SSL_new"),
                              (self._crypto, "BIO_new"), (self._crypto, "BIO_s_mem")]:
            getattr(library, name).restype = ctypes.c_void_p
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setblocking(True)  # for OpenSSL
        context = ctypes.c_void_p(self._ssl.SSL_CTX_new(ctypes.c_void_p(self._ssl.TLS_client_method())))
        self._link = ctypes.c_void_p(self._ssl.SSL_new(context))
        assert self._ssl.SSL_set_fd(self._link, self.socket.fileno()) == 1 and self._ssl.SSL_connect(self._link) == 1
        assert self._ssl.SSL_write(self._link, REQUEST, len(REQUEST)) == len(REQUEST)
        answer = ctypes.create_string_buffer(4096)
        assert self._ssl.SSL_read(self._link, answer, 4096) > 0

    def key_updates(self, count):
        """The bytes of so many changes of keys, and of a request behind them. Nothing is sent."""
        memory = ctypes.c_void_p(self._crypto.BIO_new(ctypes.c_void_p(self._crypto.BIO_s_mem())))
        self._ssl.SSL_set0_wbio(self._link, memory)
        for _ in range(count):
            assert self._ssl.SSL_key_update(self._link, 0) == 1 and self._ssl.SSL_do_handshake(self._link) == 1
        assert self._ssl.SSL_write(self._link, REQUEST, len(REQUEST)) == len(REQUEST)
        room = ctypes.create_string_buffer(64 * count + 4096)
        size = self._crypto.BIO_read(memory, room, len(room))
        return room.raw[:size]
