#include "loadtest/chaos/hostile_bytes.h"

#include <fmt/format.h>

namespace batucada::loadtest {
namespace {

std::string RandomBytes(size_t count, Random& random) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Changes, inserts or drops a few bytes anywhere.
std::string Mutate(std::string request, Random& random) {
  for (int64_t changes = random.Between(1, 8); changes > 0 && !request.empty(); --changes) {
    const size_t at = random() % request.size();
    switch (random.Between(0, 2)) {
      case 0: request[at] = static_cast<char>(random()); break;
      case 1: request.insert(at, RandomBytes(random() % 16, random)); break;
      default: request.erase(at, 1 + random() % 8); break;
    }
  }
  return request;
}

}  // namespace

std::string GarbageRequest(std::string_view sound, Random& random) {
  const std::string request(sound);
  switch (random.Between(0, 7)) {
    case 0: return RandomBytes(1 + random() % (64 << 10), random);
    case 1: return RandomBytes(1 + random() % 64, random) + "\r\n\r\n" + request;
    case 2: return "\x16\x03\x01\x02" + RandomBytes(512, random);  // the beginning of TLS
    case 3: return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + RandomBytes(64, random);
    case 4: return "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}";
    case 5:
      return "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
             "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n";
    case 6: return request.substr(0, random() % request.size());  // the rest never comes
    default: return Mutate(request, random);
  }
}

std::string OversizeRequest(const RequestHead& head, std::string_view path, Random& random) {
  const auto post = [&](const std::string& body) { return head.Post(path, body); };
  switch (random.Between(0, 8)) {
    case 0: return fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", std::string(1 << 20, 'a'));
    case 1: return fmt::format("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", std::string(1 << 20, 'a'));
    case 2: {
      std::string request = "GET / HTTP/1.1\r\nHost: x\r\n";
      for (int i = 0; i < 20'000; ++i) request += fmt::format("X-{}: {}\r\n", i, i);
      return request + "\r\n";
    }
    case 3: return fmt::format("POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999\r\n\r\n{{", path);
    case 4: return post(fmt::format("{{\"prompt\": \"{}\"}}", std::string(32 << 20, 'a')));
    case 5: return post("{\"prompt\": \"a\", \"max_tokens\": 999999999999999999, \"stream\": true}");
    case 6: return post("{\"prompt\": \"a\", \"n\": 2147483647, \"best_of\": 2147483647}");
    case 7: return post("{\"prompt\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}");
    default: {
      std::string stops;
      for (int i = 0; i < 50'000; ++i) stops += fmt::format("\"{}\",", i);
      return post(fmt::format("{{\"prompt\": \"a\", \"stop\": [{}\"end\"]}}", stops));
    }
  }
}

}  // namespace batucada::loadtest
