"""KV events on ZeroMQ, read as vLLM's subscribers read them: by msgspec, with structs of the shape that vLLM publishes."""

import contextlib
import socket

import msgspec
import pytest
import zmq

from patience import PATIENCE_S
from server import Server, run, wait_until

FAKE = ("--backend", "fake", "--fake-step-time", "0s", "--prefix-cache", "on")
EVENTS = ("--kv-events-endpoint", "tcp://127.0.0.1:*", "--kv-events-replay-endpoint", "tcp://127.0.0.1:*", "--kv-events-topic", "kv@here@classics",
          "--kv-events-block-tokens", "16")


class EventBatch(msgspec.Struct, array_like=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    ts: float
    events: list
    data_parallel_rank: int | None = None


def vllms_structs(array_like):
    """BlockStored and the others: maps, as vLLM has them since 0.24, or arrays, as before."""

    class KVCacheEvent(msgspec.Struct, array_like=array_like, omit_defaults=True, gc=False, tag=True, forbid_unknown_fields=True):
        pass

    class BlockStored(KVCacheEvent):
        block_hashes: list[int | bytes]
        parent_block_hash: int | bytes | None
        token_ids: list[int]
        block_size: int
        lora_id: int | None
        medium: str | None
        lora_name: str | None
        extra_keys: list[tuple | None] | None = None
        group_idx: int | None = None

    class BlockRemoved(KVCacheEvent):
        block_hashes: list[int | bytes]
        medium: str | None
        group_idx: int | None = None

    class AllBlocksCleared(KVCacheEvent):
        pass

    class KVEventBatch(EventBatch):
        events: list[BlockStored | BlockRemoved | AllBlocksCleared]

    return KVEventBatch


class Router:
    """What a router makes of events: the beginnings that a server keeps, as tuples of token ids with their salt."""

    def __init__(self, server, topic="kv@", array_like=False, subscribed=True):
        self.decoder = msgspec.msgpack.Decoder(vllms_structs(array_like))
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.SUB)
        self.socket.setsockopt_string(zmq.SUBSCRIBE, topic)
        self.replay_address = f"tcp://127.0.0.1:{server.kv_replay_port}"
        if subscribed:
            self.socket.connect(f"tcp://127.0.0.1:{server.kv_events_port}")
        self.blocks, self.next, self.cleared, self.batches = {}, 0, 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    def apply(self, number, payload):
        assert number == self.next
        self.next = number + 1
        self.batches += 1
        batch = self.decoder.decode(payload)
        assert batch.data_parallel_rank == 0 and batch.ts > 1_700_000_000
        for event in batch.events:
            match type(event).__name__:
                case "AllBlocksCleared":
                    self.blocks.clear()
                    self.cleared += 1
                case "BlockRemoved":
                    for block in event.block_hashes:
                        del self.blocks[block]
                    assert all(parent is None or parent in self.blocks for parent, _, _ in self.blocks.values())
                case "BlockStored":
                    self.store(event)

    def store(self, event):
        size, parent = event.block_size, event.parent_block_hash
        assert event.medium == "GPU" and len(event.token_ids) == size * len(event.block_hashes) == size * len(event.extra_keys)
        for i, block in enumerate(event.block_hashes):
            assert block not in self.blocks and 0 < block < 2**64
            assert parent is None or parent in self.blocks
            self.blocks[block] = (parent, tuple(event.token_ids[i * size:(i + 1) * size]), event.extra_keys[i])
            parent = block

    def ask_again(self):
        """What was missed, by the replay endpoint; ends when the server says that this is all."""
        ask = self.context.socket(zmq.DEALER)
        ask.connect(self.replay_address)
        ask.send_multipart((b"", self.next.to_bytes(8, "big")))
        while True:
            assert ask.poll(PATIENCE_S * 1000), "no answer"
            empty, number, payload = ask.recv_multipart()
            assert empty == b""
            if int.from_bytes(number, "big", signed=True) == -1:
                assert payload == b""
                break
            number = int.from_bytes(number, "big")
            self.next = max(self.next, number)  # what lies before is not kept any more, or was another process's
            self.apply(number, payload)
        ask.close()

    def listen(self):
        """What has come; asks for what is missing, as on its first batch, which others may have come before."""
        while self.socket.poll(0):
            topic, number, payload = self.socket.recv_multipart()
            assert topic == b"kv@here@classics"
            number = int.from_bytes(number, "big")
            if number > self.next:
                self.ask_again()
            if number == self.next:
                self.apply(number, payload)

    def beginnings(self):
        """{(salt, ids)}, of which each is a block longer than another."""
        self.listen()
        all_ids = set()
        for block in self.blocks:
            ids, salt = (), None
            while block is not None:
                block, tokens, salt = self.blocks[block]
                ids = tokens + ids
            all_ids.add((salt, ids))
        return all_ids

    def wait_for(self, beginnings, what="the events"):
        def have_come():
            if self.beginnings() != beginnings and not self.socket.poll(2000):
                self.ask_again()  # whose subscription came late hears nothing of what came before
            return self.beginnings() == beginnings
        wait_until(have_come, what)


def upto(ids, salt=None, size=16):
    return {(salt, tuple(ids[:end])) for end in range(size, len(ids) + 1, size)}


def ask(server, prompt, **more):
    answer = server.complete(prompt=prompt, temperature=0, return_token_ids=True, **{"max_tokens": 30, **more})
    return prompt + answer["choices"][0]["token_ids"]


@contextlib.contextmanager
def routed(*flags, **router):
    with Server(*FAKE, *EVENTS, *flags) as server, Router(server, **router) as subscriber:
        yield server, subscriber


def test_a_router_knows_what_is_kept_up_to_the_last_whole_block():
    with routed() as (server, router):
        text = ask(server, [5 + i % 90 for i in range(300)])
        # The answer's last token was fed to nobody.
        router.wait_for(upto(text[:-1]))
        longer = ask(server, text + [9, 8, 7], max_tokens=50)
        router.wait_for(upto(longer[:-1]))
        salted = ask(server, [7, 8] * 50, cache_salt="pepper")
        router.wait_for(upto(longer[:-1]) | upto(salted[:-1], ("pepper",)))
        assert router.cleared == 1
        metrics = server.metrics()
        assert metrics["batucada_kv_event_blocks"] == len(router.blocks)
        assert metrics['batucada_kv_event_blocks_total{event="stored"}'] == len(router.blocks)
        assert metrics["batucada_kv_event_batches_total"] == router.batches


def test_what_a_router_was_told_is_what_is_found():
    with routed() as (server, router):
        first = ask(server, [3 + i % 70 for i in range(200)])
        router.wait_for(upto(first[:-1]))
        answer = server.complete(prompt=first + [1] * 40, max_tokens=1, temperature=0)
        longest = max(len(ids) for _, ids in router.beginnings())
        assert longest <= answer["usage"]["prompt_tokens_details"]["cached_tokens"] < longest + 16


def test_the_same_text_of_two_keys_is_two():
    with routed("--api-key", "alice", "--api-key", "bob") as (server, router):
        for key in ("alice", "bob"):
            answer = server.http.post("/v1/completions", headers={"authorization": f"Bearer {key}"},
                                      json={"prompt": [4] * 100, "max_tokens": 1, "temperature": 0})
            assert answer.status_code == 200
        wait_until(lambda: router.listen() or len(router.blocks) == 12, "six blocks of each")
        assert router.beginnings() == upto([4] * 96)


def test_who_comes_late_or_loses_some_asks_again():
    with routed(subscribed=False) as (server, late):
        text = ask(server, list(range(5, 95)) * 3)
        late.ask_again()
        wait_until(lambda: late.ask_again() or late.beginnings() == upto(text[:-1]), "all from the start")
        other = ask(server, [2, 3] * 60)
        wait_until(lambda: late.ask_again() or late.beginnings() == upto(text[:-1]) | upto(other[:-1]), "what came since")
        assert late.cleared == 1
        assert server.metric('batucada_kv_event_replays_total{got="some"}') == 0


def test_what_the_buffer_has_let_go_of_is_missed():
    with routed("--kv-events-replay-size", "1KiB", subscribed=False) as (server, late):
        for i in range(8):
            ask(server, [5 + i] * 100, max_tokens=1)
        server.wait_for_metric("batucada_kv_event_blocks", 8 * 6)
        late.store = lambda event: None  # what it stands behind was missed
        late.ask_again()
        assert late.cleared == 0
        assert server.metric('batucada_kv_event_replays_total{got="some"}') == 1


def test_what_has_to_go_is_removed():
    with routed("--max-sequences", "20") as (server, router):
        texts = [ask(server, [10 + i] * 300, max_tokens=1) for i in range(60)]
        places = server.metric('batucada_prefix_checkpoints_capacity{tier="device"}')
        assert places < 60, "nothing has to go"
        removed = 'batucada_kv_event_blocks_total{event="removed"}'
        wait_until(lambda: router.listen() or server.metric(removed) == (60 - places) * 18, "the last to go")
        wait_until(lambda: router.listen() or len(router.blocks) == places * 18, "the router to know")
        kept = {ids[0] for _, ids in router.beginnings()}
        assert len(kept) == places
        # What is there is found, and nothing else. Who asks for those changes nothing.
        for text in sorted(texts, key=lambda text: text[0] not in kept):
            answer = server.complete(prompt=text[:300] + [1], max_tokens=1, temperature=0)
            assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == (300 if text[0] in kept else 0)


def test_a_session_that_is_erased_is_removed():
    with routed() as (server, router):
        text = ask(server, [6, 7] * 60, session_id="mine")
        router.wait_for(upto(text[:-1]))
        assert server.http.post("/close_session", json={"session_id": "mine"}).status_code == 200
        wait_until(lambda: router.beginnings() < upto(text[:-1]), "its end to be gone")


def test_the_end_of_a_server_clears_all_and_its_disk_is_told_again(tmp_path):
    flags = ("--host-cache", "64MiB", "--disk-cache", str(tmp_path))
    with contextlib.ExitStack() as stack:
        with Server(*FAKE, *EVENTS, *flags) as server:
            router = stack.enter_context(Router(server))
            text = ask(server, [5 + i % 90 for i in range(300)])
            router.wait_for(upto(text[:-1]))
        wait_until(lambda: router.listen() or router.cleared == 2, "the last batch")
        assert not router.blocks
    with Server(*FAKE, *EVENTS, *flags) as server, Router(server, subscribed=False) as router:
        wait_until(lambda: router.ask_again() or router.beginnings() == upto(text[:-1]), "what the disk has")


def test_who_knew_a_server_that_was_killed_learns_that_nothing_is_left():
    with contextlib.ExitStack() as stack:
        first = Server(*FAKE, *EVENTS)
        router = stack.enter_context(Router(first))
        text = ask(first, [5 + i % 90 for i in range(300)])
        router.wait_for(upto(text[:-1]))
        first.process.kill()
        first.process.wait()
        same = ("--kv-events-endpoint", f"tcp://127.0.0.1:{first.kv_events_port}",
                "--kv-events-replay-endpoint", f"tcp://127.0.0.1:{first.kv_replay_port}")
        with Server(*FAKE, *EVENTS, *same) as second:
            other = ask(second, [2, 3] * 60)
            # Whatever comes while the router connects again is missed, until something comes that is not.
            def heard():
                ask(second, [9] * 100, max_tokens=1, cache_salt=str(second.metric("batucada_steps_total")))
                router.listen()
                return router.cleared == 2
            wait_until(heard, "a gap")
            assert {ids for salt, ids in router.beginnings() if salt is None} == {ids for _, ids in upto(other[:-1])}


def test_older_routers_get_arrays():
    with routed("--kv-events-form", "array", array_like=True) as (server, router):
        text = ask(server, [5] * 100)
        router.wait_for(upto(text[:-1]))


def test_it_connects_to_a_router_that_listens():
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    host = socket.bind_to_random_port("tcp://127.0.0.1")
    flags = ("--kv-events-config",
             f'{{"enable_kv_cache_events": true, "publisher": "zmq", "endpoint": "tcp://[::ffff:127.0.0.1]:{host}", "topic": "t"}}')
    try:
        with Server(*FAKE, *flags) as server:
            def heard():
                ask(server, [5] * 100, max_tokens=1, cache_salt=str(server.metric("batucada_steps_total")))
                return socket.poll(50)
            wait_until(heard, "a batch")
            assert socket.recv_multipart()[0] == b"t"
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize("request_", [(b"", b"1234567"), (b"", b"\0" * 8, b"more"), (b"\0" * 8,), (b"",)])
def test_what_is_no_request_is_passed_over(request_):
    with routed() as (server, router):
        ask_ = router.context.socket(zmq.DEALER)
        ask_.connect(router.replay_address)
        ask_.send_multipart(request_)
        ask_.send_multipart((b"", bytes(8)))
        assert ask_.poll(PATIENCE_S * 1000)
        first = router.decoder.decode(ask_.recv_multipart()[2])
        assert [type(event).__name__ for event in first.events] == ["AllBlocksCleared"]


class RawPeer:
    """A DEALER by hand (ZMTP 3.0, no security): what it sends comes in one piece, and it sees when the server hangs up."""

    MORE, LONG, COMMAND = 1, 2, 4

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
        assert self.file.read(64)[:1] == b"\xff"
        self.socket.sendall(self.frame(b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER", self.COMMAND))
        flags, _ = self.read()
        assert flags & self.COMMAND

    def frame(self, content, flags=0):
        return bytes([flags, len(content)]) + content

    def ask(self, *numbers):
        """For what there is from each of these numbers on, at once."""
        self.socket.sendall(b"".join(self.frame(b"", self.MORE) + self.frame(number.to_bytes(8, "big")) for number in numbers))

    def read(self):
        """The next frame's (flags, content); None: the server has hung up."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        size = int.from_bytes(head[1:] + self.file.read(7), "big") if head[0] & self.LONG else head[1]
        return head[0], self.file.read(size)

    def answers(self):
        """Numbers of the batches up to the word that this is all."""
        numbers = []
        while True:
            (_, empty), (_, number), _ = (self.read() for _ in range(3))
            assert empty == b""
            if int.from_bytes(number, "big", signed=True) == -1:
                return numbers
            numbers.append(int.from_bytes(number, "big"))


def test_who_asks_again_before_the_answer_gets_one_answer():
    with routed(subscribed=False) as (server, _):
        ask(server, list(range(5, 95)) * 3)
        wait_until(lambda: server.metric("batucada_kv_event_blocks") > 0, "what is kept to be told of")
        peer = RawPeer(server.kv_replay_port)
        peer.ask(0, 0)
        numbers = peer.answers()
        assert numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        peer.ask(numbers[-1] + 1)
        assert not set(numbers) & set(peer.answers()), "the next answer is to the next request"
        peer.socket.close()


def test_a_request_that_says_it_is_long_ends_its_connection():
    with routed(subscribed=False) as (server, _):
        peer = RawPeer(server.kv_replay_port)
        peer.socket.sendall(bytes([RawPeer.LONG]) + (1 << 30).to_bytes(8, "big"))
        assert peer.read() is None
        peer.socket.close()


def test_a_port_that_is_taken_is_a_sentence():
    with routed() as (server, _):
        taken = f"tcp://127.0.0.1:{server.kv_events_port}"
        ended = run("serve", *FAKE, "--port", "0", "--grpc-port", "0", "--kv-events-endpoint", taken)
        assert ended.returncode != 0 and f"cannot listen at {taken}" in ended.stderr
