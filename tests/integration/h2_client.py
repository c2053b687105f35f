"""HTTP/2 by hand, for clients that no library would be: frames go out as they are given, and what comes back is kept."""

import socket
import struct
import time

import hpack

from patience import PATIENCE_S

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CHECK = "/grpc.health.v1.Health/Check"
REFUSED_STREAM, ENHANCE_YOUR_CALM, CANCEL, NO_ERROR = 7, 11, 8, 0


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(**values):
    """initial_window_size=…, …"""
    numbers = {"header_table_size": 1, "max_concurrent_streams": 3, "initial_window_size": 4, "max_frame_size": 5}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", numbers[name], value) for name, value in values.items()))


def message(size, content=b""):
    """The head of a gRPC message that says it has `size` bytes, and `content`."""
    return b"\0" + struct.pack(">I", size) + content


class H2:
    """A connection. Reads nothing unless asked."""

    def __init__(self, port, greeting=PREFACE + settings()):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.encoder, self.decoder, self.next = hpack.Encoder(), hpack.Decoder(max_header_list_size=1 << 20), 1
        self.inbox, self.closed = b"", False
        self.settings, self.goaway, self.resets, self.headers, self.data, self.credit = {}, None, {}, {}, {}, {}
        self.send(greeting)

    def send(self, data):
        """False: the connection is gone."""
        try:
            self.socket.sendall(data)
        except OSError:
            self.closed = True
        return not self.closed

    def block(self, path, *more):
        return self.encoder.encode([(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"),
                                    ("content-type", "application/grpc"), ("te", "trailers"), *more], huffman=False)

    def open(self, path="/batucada.v1.Inference/Generate", *more, end=False):
        """A new stream's number."""
        stream, self.next = self.next, self.next + 2
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.block(path, *more)))
        return stream

    def data_frame(self, stream, content, end=False):
        return self.send(frame(DATA, END_STREAM if end else 0, stream, content))

    def receive(self, until, patience_s=PATIENCE_S):
        """Reads until `until(self)`, or until the server closes; whether it was so. SETTINGS are not acknowledged."""
        deadline = time.monotonic() + patience_s
        while not until(self) and not self.closed:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                return False
            except OSError:
                data = b""
            self.closed = not data
            self.inbox += data
            self.take_frames()
        return bool(until(self))

    def take_frames(self):
        while len(self.inbox) >= 9:
            size = int.from_bytes(self.inbox[:3], "big")
            if len(self.inbox) < 9 + size:
                return
            kind, stream = self.inbox[3], int.from_bytes(self.inbox[5:9], "big")
            payload, self.inbox = self.inbox[9:9 + size], self.inbox[9 + size:]
            if kind == SETTINGS:
                self.settings.update({number: value for number, value in struct.iter_unpack(">HI", payload)})
            elif kind == GOAWAY:
                self.goaway = int.from_bytes(payload[4:8], "big")
            elif kind == WINDOW_UPDATE:
                self.credit[stream] = self.credit.get(stream, 0) + int.from_bytes(payload, "big")
            elif kind == RST_STREAM:
                self.resets[stream] = int.from_bytes(payload, "big")
            elif kind == HEADERS:
                self.headers.setdefault(stream, {}).update(self.decoder.decode(payload))
            elif kind == DATA:
                self.data[stream] = self.data.get(stream, b"") + payload

    def status(self, stream):
        """The call's grpc-status, once it is there."""
        return self.headers.get(stream, {}).get("grpc-status")

    def calmed(self):
        """The server has ended the connection because of what it was asked."""
        return self.goaway not in (None, NO_ERROR) or self.closed

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(status.read().split("VmRSS:")[1].split()[0]) * 1024


def healthy(server):
    """Whether a well-behaved client is answered."""
    with H2(server.grpc_port) as client:
        stream = client.open(CHECK)
        client.data_frame(stream, message(0), end=True)
        fine = client.receive(lambda c: c.status(stream) == "0") and client.data[stream].endswith(b"\x08\x01")
        if not fine:
            print(f"closed {client.closed}, GOAWAY {client.goaway}, {client.resets}, {client.headers}, {client.data}")
        return fine
