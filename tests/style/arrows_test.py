"""Which room may include which: the arrows of docs/architecture.md, read off every #include of the tree."""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Room -> the rooms it may include besides itself. A file belongs to the longest name that its path starts with, so a
# room may be a folder or a single file that more rooms may see than its folder.
ROOMS = {
    "base": [],
    "proto": [],
    "kernels": [],  # ops.h, device.h and the values they speak of
    "kernels/cpu": ["kernels"],
    "kernels/cuda": ["kernels"],
    "kernels/bench": ["kernels", "kernels/cpu", "kernels/cuda"],
    "text": ["base"],
    "engine/core": ["base"],
    "engine/pages": ["base", "engine/core"],
    "engine/state": ["base", "engine/core", "engine/pages", "kernels"],
    "engine/prefix": ["base", "engine/core", "engine/pages"],
    "engine/disk": ["base", "engine/pages", "engine/prefix"],
    "engine/schedule": ["base", "engine/core", "engine/pages", "engine/prefix"],
    "engine/model": ["base", "engine/core", "engine/pages", "engine/state", "kernels"],
    "engine/run": ["base", "engine/core", "engine/state", "engine/pages", "engine/schedule", "engine/model",
                   "engine/prefix", "kernels"],
    "engine": ["base", "engine/core", "text", "engine/state", "engine/pages", "engine/prefix", "engine/disk",
               "engine/schedule",
               "engine/model", "engine/run", "kernels"],
    "hub": ["base"],
    "server/common": ["base", "engine/core"],
    "server/json": ["base", "server/common"],
    "server/net": ["base", "server/common"],
    "server/config": ["base", "engine", "engine/core", "text", "server/common", "server/json"],
    "server/memory": ["base", "server/common"],
    "server/store": ["base"],
    "server/telemetry": ["base", "engine", "engine/core", "server/common", "server/json", "server/net", "server/config",
                         "server/memory", "server/store"],
    "server/kv_events": ["base", "engine/core", "server/config", "server/telemetry"],
    "server/generate": ["base", "engine", "engine/core", "text", "engine/model", "server/common", "server/net",
                        "server/config", "server/memory", "server/store", "server/telemetry"],
    "server/http": ["base", "text", "server/common", "server/json", "server/net", "server/config", "server/memory",
                    "server/telemetry", "server/generate"],
    "server/openai": ["base", "engine", "engine/core", "text", "server/common", "server/json", "server/telemetry",
                      "server/generate", "server/http"],
    "server/responses": ["base", "engine", "engine/core", "text", "server/common", "server/json", "server/memory",
                         "server/store", "server/telemetry", "server/generate", "server/http", "server/openai"],
    "server/open_inference": ["base", "text", "server/common", "server/json", "server/config", "server/generate",
                              "server/http", "server/openai"],
    "server/grpc": ["base", "proto", "text", "engine/core", "engine/model", "server/common", "server/net", "server/config",
                    "server/memory", "server/telemetry", "server/generate", "server/openai", "server/open_inference"],
    "server/web": ["base"],
    "server/operations": ["base", "server/common", "server/json", "server/telemetry", "server/generate", "server/http",
                          "server/web"],
    "server/api": ["server/json", "server/generate", "server/http", "server/openai", "server/responses",
                   "server/open_inference", "server/operations"],
    "server/compat": ["base", "engine/model", "text", "server/common", "server/json", "server/config", "server/generate",
                      "server/http", "server/openai"],
    "server/commands": ["base", "engine", "engine/model", "hub", "server/common", "server/json", "server/net",
                        "server/config", "server/memory", "server/store", "server/telemetry", "server/kv_events",
                        "server/generate", "server/http", "server/grpc", "server/operations", "server/api", "server/compat"],
    "server/main": ["server/common", "server/memory", "server/commands"],
    "loadtest": ["base", "proto"],
    "bench": ["base", "engine", "engine/core", "engine/model", "engine/run", "kernels", "kernels/bench", "kernels/cpu"],
}

# Plain arithmetic on plain values: every room may see it, kernels too.
EVERYWHERE = {"base/float16.h", "base/rounding.h"}

# Third-party headers -> the rooms that may include them; None: all. What is not listed is a new dependency: add it.
LIBRARIES = {
    r"absl/": None,
    r"grpc|google/|.*\.(pb|upb)\.h$": ["server/grpc", "loadtest", "proto"],
    r"boost/json": ["base", "text", "engine/model", "hub", "server/common", "server/json", "server/store", "server/http",
                    "server/openai", "server/responses", "server/open_inference", "server/grpc", "server/api", "server/compat",
                    "loadtest"],
    r"boost/(asio|beast|system|core)": ["server/net", "server/telemetry", "server/http", "server/grpc", "loadtest"],
    r"openssl/": ["base", "server/common", "server/net"],
    r"curl/": ["hub", "server/grpc"],
    r"nghttp2/": ["server/grpc"],
    r"prometheus/": ["server/telemetry"],
    r"zlib\.h$": ["base", "server/http", "server/grpc"],
    r"sqlite3\.h$": ["server/store"],
    r"zstd\.h$": ["server/http"],
    r"zmq\.h$": ["server/kv_events"],
    r"fmt/": ["server/common", "server/json", "server/net", "server/config", "server/memory",
              "server/telemetry", "server/kv_events", "server/generate", "server/http", "server/openai", "server/responses",
              "server/open_inference", "server/grpc", "server/compat", "server/commands", "loadtest"],
    r"spdlog/": ["server/net", "server/store", "server/telemetry", "server/generate", "server/http", "server/grpc",
                 "server/operations", "server/commands", "loadtest"],
    r"CLI/": ["server/config", "server/commands", "server/main", "loadtest", "bench"],
    r"pcre2|utf8proc|sentencepiece|unicode/": ["text"],
    r"hwy/": ["kernels/cpu", "kernels/bench"],
    r"cuda|cublas|nvtx|nccl|mma\.h$|cooperative_groups|cub/": ["kernels/cuda", "kernels/bench"],
    r"benchmark/": ["kernels/bench"],
    r"(sys|netinet|arpa|linux)/|[a-z_0-9]+(\.h)?$": None,  # the C++ library, C and POSIX
}

TOPS = sorted({room.split("/")[0] for room in ROOMS})
SOURCE = re.compile(r"\.(h|cc|cu|cuh|inc)$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<][^">]+[">])', re.MULTILINE)


def room_of(path):
    found = [room for room in ROOMS if path == room or path.startswith((room + "/", room + "."))]
    return max(found, key=len, default=None)


def complaint(path, include):
    """Why the file at `path` must not include `include`, a name in quotes or brackets; None if it may."""
    brackets, include = include[0] == "<", include[1:-1]
    if include in EVERYWHERE:
        return None
    room, target = room_of(path), room_of(include)
    if target is not None and not re.match(r".*\.pb\.h$", include):
        allowed = [room, *ROOMS[room]]
        return None if target in allowed else f"{room} may see only {', '.join(ROOMS[room]) or 'itself'}"
    for pattern, rooms in LIBRARIES.items():
        if re.match(pattern, include) and (brackets or "/" in include):
            return None if rooms is None or room in rooms else f"only {', '.join(rooms)} may see this library"
    return "neither a file named from the repository's root nor a library this test knows"


def violations(root):
    """(how many files were read, one line per forbidden include)"""
    found, count = [], 0
    for top in TOPS:
        for file in sorted((root / top).rglob("*")):
            if not SOURCE.search(file.name):
                continue
            count += 1
            path = file.relative_to(root).as_posix()
            if room_of(path) is None:
                found.append(f"{path}: lies in no room")
                continue
            for include in INCLUDE.findall(file.read_text(encoding="utf-8")):
                why = complaint(path, include)
                if why:
                    found.append(f"{path} includes {include}: {why}")
    return count, found


class ArrowsTest(unittest.TestCase):

    def test_tree_has_no_forbidden_include(self):
        count, found = violations(ROOT)
        self.assertGreater(count, 10, "the test found no sources to read")
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_arrows_make_no_circle(self):
        done = set()

        def visit(room, path):
            self.assertNotIn(room, path, f"circle: {' -> '.join([*path, room])}")
            if room not in done:
                for target in ROOMS[room]:
                    visit(target, [*path, room])
                done.add(room)

        for room in ROOMS:
            visit(room, [])

    def test_planted_violations_are_found(self):
        planted = {
            "engine/engine.cc": ["proto/batucada.pb.h", "nghttp2/nghttp2.h", "boost/beast/http.hpp", "server/http/http.h"],
            "engine/run/step_loop.cc": ["engine/engine.h", "kernels/cuda/launch.h", "text/tokenizer.h"],
            "engine/schedule/scheduler.h": ["cuda_runtime.h", "kernels/ops.h", "engine/state/pools.h"],
            "engine/pages/page_allocator.cc": ["kernels/tensor.h", "engine/state/pools.h"],
            "text/tokenizer.cc": ["engine/model/model_config.h"],
            "kernels/cpu/scan.cc": ["base/status.h", "kernels/cuda/launch.h", "server/http/http.h"],
            "kernels/ops.h": ["kernels/cpu/thread_pool.h"],
            "loadtest/client.cc": ["engine/engine.h", "server/http/http.h"],
            "server/net/io_pool.h": ["server/http/http.h", "engine/engine.h", "CLI/CLI.hpp"],
            "server/main.cc": ["kernels/ops.h", "engine/run/step_loop.h", "some/new/library.hpp", "../engine/engine.h",
                               "http.h"],
        }
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, includes in planted.items():
                file = root / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("".join(f'#include "{i}"\n#  include <vector>\n' for i in includes), encoding="utf-8")
            count, found = violations(root)
        self.assertEqual(len(planted), count)
        wanted = sorted(f'{path} includes "{i}"' for path, includes in planted.items() for i in includes)
        self.assertEqual(wanted, sorted(line.split(": ")[0] for line in found))

    def test_files_outside_every_room_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "server").mkdir()
            (pathlib.Path(folder) / "server/loose.cc").write_text("")
            self.assertEqual((1, ["server/loose.cc: lies in no room"]), violations(pathlib.Path(folder)))

    def test_allowed_includes_pass(self):
        for path, include in [
            ("engine/schedule/scheduler.cc", "engine/pages/page_allocator.h"),
            ("engine/pages/page_allocator.cc", "engine/pages/page_allocator.h"),
            ("engine/run/step_loop.cc", "engine/pages/page_allocator.h"),
            ("engine/run/backend.cc", "kernels/buffer.h"),
            ("engine/engine.cc", "text/tokenizer.h"),
            ("server/grpc/call.cc", "proto/batucada.grpc.pb.h"),
            ("server/generate/service.h", "engine/engine.h"),
            ("kernels/cuda/rms_norm.cu", "cuda_bf16.h"),
            ("kernels/token_controls.h", "base/rounding.h"),
            ("base/clock.h", "sys/mman.h"),
        ]:
            self.assertIsNone(complaint(path, f"<{include}>"), f"{path} includes {include}")


if __name__ == "__main__":
    unittest.main()
