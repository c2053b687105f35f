#include "server/http/framing.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include "absl/container/inlined_vector.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "server/http/grammar.h"

namespace batucada {
namespace {

using Fault = std::optional<FramingFault>;

constexpr std::string_view kEnd = "\r\n\r\n";
constexpr size_t kMaxMethodBytes = 32;
constexpr size_t kMaxLengthDigits = 18;  // of Content-Length: fits an int64

bool Same(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(ToAbsl(a), ToAbsl(b)); }

// What came, as a message may show it: escaped, and not too much of it.
std::string Shown(std::string_view text) {
  constexpr size_t kMost = 80;
  return absl::CHexEscape(ToAbsl(text.substr(0, kMost))) + (text.size() > kMost ? "..." : "");
}

Fault Bad(std::string message) { return FramingFault{.message = "not a valid HTTP/1.1 request: " + message}; }

// The first line must be right before anything that follows is believed.
Fault CheckVersion(std::string_view version) {
  const bool form = version.size() == 8 && version.starts_with("HTTP/") && absl::ascii_isdigit(version[5]) &&
                    version[6] == '.' && absl::ascii_isdigit(version[7]);
  if (!form) return Bad(fmt::format("its first line ends with '{}' instead of HTTP/1.1", Shown(version)));
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return std::nullopt;
  return FramingFault{.status = 505,
                      .message = fmt::format("this server does not speak {}: use HTTP/1.1", version),
                      .code = "http_version_not_supported"};
}

Fault CheckTarget(std::string_view method, std::string_view target) {
  const bool visible = std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (target.empty() || !visible) return Bad("the request target holds something else than visible ASCII");
  if (target.find('#') != target.npos) return Bad("the request target holds a fragment (#)");
  if (method == "CONNECT") {
    return FramingFault{
        .status = 501, .message = "this server is no proxy: CONNECT is not offered", .code = "no_proxy"};
  }
  if (target == "*") return method == "OPTIONS" ? std::nullopt : Bad("the target * is for OPTIONS alone");
  if (target.starts_with('/')) return std::nullopt;
  // The absolute form that proxies send.
  const size_t scheme = target.find("://");
  if (scheme != target.npos && (Same(target.substr(0, scheme), "http") || Same(target.substr(0, scheme), "https"))) {
    const std::string_view rest = target.substr(scheme + 3);
    const std::string_view authority = rest.substr(0, std::min(rest.find_first_of("/?"), rest.size()));
    if (!authority.empty() && IsHost(authority)) return std::nullopt;
  }
  return Bad("the request target is neither a path nor an http URL");
}

struct Head {
  std::string_view method;
  bool http_1_0 = false;
  absl::InlinedVector<std::string_view, 1> hosts, lengths, codings, expectations;
  int authorizations = 0, keys = 0, origins = 0;  // headers that say who asks, and from which page
};

// "name: value" without its line's end.
Fault ReadField(std::string_view line, Head* head) {
  if (line.front() == ' ' || line.front() == '\t') {
    return Bad("a header is folded over two lines (obsolete line folding): write it in one");
  }
  const size_t colon = line.find(':');
  const std::string_view name = line.substr(0, std::min(colon, line.size()));
  if (colon == line.npos || !IsToken(name)) {
    return Bad(fmt::format("'{}' is not the name of a header followed by a colon", Shown(name)));
  }
  const absl::string_view stripped = absl::StripAsciiWhitespace(ToAbsl(line.substr(colon + 1)));
  const std::string_view value(stripped.data(), stripped.size());
  const auto sound = [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7f); };
  if (!std::all_of(value.begin(), value.end(), sound)) {
    return Bad(fmt::format("the header {} holds a control character", name));
  }
  if (Same(name, "host")) head->hosts.push_back(value);
  if (Same(name, "content-length")) head->lengths.push_back(value);
  if (Same(name, "transfer-encoding")) head->codings.push_back(value);
  if (Same(name, "expect")) head->expectations.push_back(value);
  if (Same(name, "authorization")) ++head->authorizations;
  if (Same(name, "x-api-key")) ++head->keys;
  if (Same(name, "origin")) ++head->origins;
  return std::nullopt;
}

Fault CheckHost(const Head& head) {
  if (head.hosts.size() > 1 || (head.hosts.empty() && !head.http_1_0)) {
    return Bad("an HTTP/1.1 request has exactly one Host header");
  }
  if (head.hosts.empty() || head.hosts.front().empty() || IsHost(head.hosts.front())) return std::nullopt;
  return Bad(fmt::format("the Host header '{}' is no host and port", Shown(head.hosts.front())));
}

// A proxy that takes the last for the one that counts lets through what it would have refused.
Fault CheckKeys(const Head& head) {
  if (head.authorizations > 1) return Bad("there are several Authorization headers: send one");
  if (head.keys > 1) return Bad("there are several x-api-key headers: send one");
  if (head.origins > 1) return Bad("there are several Origin headers: send one");
  return std::nullopt;
}

// RFC 9112 §6.1 and §6.3. Whoever decodes less than a sender encoded takes its body for the next request.
Fault CheckCodings(const Head& head) {
  if (head.codings.empty()) return std::nullopt;
  if (head.http_1_0) return Bad("HTTP/1.0 knows no Transfer-Encoding: send Content-Length");
  if (!head.lengths.empty()) return Bad("Transfer-Encoding and Content-Length exclude each other: send one of them");
  if (head.codings.size() > 1) return Bad("there are several Transfer-Encoding headers: send one");
  const std::string_view coding = head.codings.front();
  if (Same(coding, "chunked")) return std::nullopt;
  const std::vector<absl::string_view> list = absl::StrSplit(ToAbsl(coding), ',');
  const auto is_chunked = [](absl::string_view item) {
    return absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(item), "chunked");
  };
  const bool ends_chunked = is_chunked(list.back()) && std::count_if(list.begin(), list.end(), is_chunked) == 1;
  return FramingFault{
      .status = ends_chunked ? 501 : 400,
      .message = fmt::format("the Transfer-Encoding '{}' is not decoded here: use chunked alone, or Content-Length",
                             Shown(coding)),
      .code = "transfer_encoding_not_supported"};
}

Fault CheckLength(const Head& head) {
  if (head.lengths.empty()) return std::nullopt;
  if (head.lengths.size() > 1) return Bad("there are several Content-Length headers: send one");
  const std::string_view length = head.lengths.front();
  const bool digits = !length.empty() && std::all_of(length.begin(), length.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  if (!digits) return Bad(fmt::format("the Content-Length '{}' is no decimal number", Shown(length)));
  if (length.size() > kMaxLengthDigits) {
    return Bad(fmt::format("the Content-Length {} is out of range", Shown(length)));
  }
  return std::nullopt;
}

Fault CheckExpect(const Head& head) {
  for (const std::string_view expectation : head.expectations) {
    if (ReadExpectation(expectation, head.http_1_0) != Expectation::kUnknown) continue;
    return FramingFault{
        .status = 417,
        .message = fmt::format("the expectation '{}' cannot be met: only 100-continue is known", Shown(expectation)),
        .code = "expectation_failed"};
  }
  return std::nullopt;
}

// `line`: the first, without its end.
Fault ReadStartLine(std::string_view line, Head* head) {
  const size_t first = line.find(' ');
  head->method = line.substr(0, std::min(first, line.size()));
  if (!IsToken(head->method) || head->method.size() > kMaxMethodBytes)
    return Bad("it does not begin with a method such as GET");
  const size_t last = line.rfind(' ');
  if (first == line.npos || last == first) return Bad("its first line is not 'METHOD /path HTTP/1.1'");
  if (Fault fault = CheckVersion(line.substr(last + 1))) return fault;
  head->http_1_0 = line.ends_with('0');
  return CheckTarget(head->method, line.substr(first + 1, last - first - 1));
}

// `bytes`: a whole head, every line of which ends with CRLF.
Fault CheckHead(std::string_view bytes) {
  Head head;
  size_t line_end = bytes.find("\r\n");
  if (Fault fault = ReadStartLine(bytes.substr(0, line_end), &head)) return fault;
  while (true) {
    const size_t begin = line_end + 2;
    line_end = bytes.find("\r\n", begin);
    if (line_end == begin) break;
    if (Fault fault = ReadField(bytes.substr(begin, line_end - begin), &head)) return fault;
  }
  if (Fault fault = CheckHost(head)) return fault;
  if (Fault fault = CheckKeys(head)) return fault;
  if (Fault fault = CheckCodings(head)) return fault;
  if (Fault fault = CheckLength(head)) return fault;
  return CheckExpect(head);
}

}  // namespace

std::optional<FramingFault> HeadGuard::CheckStart(std::string_view bytes) {
  if (bytes.starts_with("\x16\x03")) return Bad("this port speaks plain HTTP, and these bytes are TLS's: use http://");
  const size_t line = bytes.find("\r\n");
  Head ignored;
  if (line != bytes.npos) {
    start_sound_ = true;
    return ReadStartLine(bytes.substr(0, line), &ignored);
  }
  const std::string_view method = bytes.substr(0, bytes.find(' '));
  if ((!method.empty() && !IsToken(method)) || method.size() > kMaxMethodBytes) {
    return Bad("it does not begin with a method such as GET");
  }
  return std::nullopt;
}

HeadGuard::State HeadGuard::Look(std::string_view bytes) {
  const std::string_view all = bytes;
  bytes = bytes.substr(0, limit_);
  size_t end = bytes.npos;
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) <= '\r'; };
  for (size_t i = scanned_; i < bytes.size() && !fault_ && end == bytes.npos; ++i) {
    // Most bytes are neither line ends nor NUL, nor stand behind a CR.
    if (i == 0 || bytes[i - 1] != '\r') {
      i = static_cast<size_t>(std::find_if(bytes.begin() + i, bytes.end(), is_control) - bytes.begin());
      scanned_ = i;
      if (i == bytes.size()) break;
    }
    if (bytes[i] == '\0') fault_ = Bad("its head holds a NUL");
    if (bytes[i] == '\n') {
      if (i == 0 || bytes[i - 1] != '\r') fault_ = Bad("a line of its head ends with LF alone: CRLF is needed");
      if (bytes.substr(0, i + 1).ends_with(kEnd)) end = i + 1;
    } else if (i > 0 && bytes[i - 1] == '\r') {
      fault_ = Bad("its head holds a CR without LF");
    }
    scanned_ = i + 1;
  }
  // What is wrong with its beginning comes before what is wrong behind that; CheckHead looks at both.
  if (!start_sound_ && (fault_ || end == bytes.npos)) {
    if (Fault fault = CheckStart(bytes)) fault_ = std::move(fault);
  }
  if (!fault_ && end != bytes.npos) fault_ = CheckHead(bytes.substr(0, end));
  if (!fault_ && end == bytes.npos && all.size() >= limit_) {
    fault_ = FramingFault{.status = 431,
                          .message = fmt::format("the request's headers are longer than {} bytes", limit_),
                          .code = "headers_too_large"};
  }
  if (fault_) return State::kFault;
  return end == bytes.npos ? State::kPartial : State::kWhole;
}

std::optional<FramingFault> ChunkGuard::Follow(std::string_view bytes) {
  while (!bytes.empty()) {
    if (part_ == Part::kData) {
      const size_t data = static_cast<size_t>(std::min<uint64_t>(data_left_, bytes.size()));
      bytes.remove_prefix(data);
      data_left_ -= data;
      if (data_left_ == 0) part_ = Part::kSizeLine;
      continue;
    }
    const size_t end = bytes.find('\n');
    const std::string_view some = bytes.substr(0, end == bytes.npos ? end : end + 1);
    line_.append(some.substr(0, limit_ + 1 - std::min(limit_, line_.size())));
    if (line_.size() > limit_) return TooLong();
    bytes.remove_prefix(some.size());
    // The end of a chunk's data stands before the next size.
    if (end == bytes.npos || line_ == "\r\n") continue;
    if (Fault fault = EndLine()) return fault;
  }
  return std::nullopt;
}

std::optional<FramingFault> ChunkGuard::EndLine() {
  if (part_ == Part::kTrailers) return line_.ends_with(kEnd) ? CheckTrailers() : std::nullopt;
  const std::string_view line = std::string_view{line_}.substr(line_.starts_with("\r\n") ? 2 : 0);
  const std::string_view digits = line.substr(0, std::min(line.find_first_of("; \t\r"), line.size()));
  // What is no number, or one of too many digits, the parser has refused.
  if (std::from_chars(digits.data(), digits.data() + digits.size(), data_left_, 16).ec != std::errc())
    return std::nullopt;
  extensions_ += line.size() - digits.size() - std::min<size_t>(2, line.size() - digits.size());
  if (extensions_ > limit_) return TooLong();
  part_ = data_left_ > 0 ? Part::kData : Part::kTrailers;
  if (part_ == Part::kData) line_.clear();
  return std::nullopt;
}

Fault ChunkGuard::CheckTrailers() const {
  Head ignored;
  const size_t begin = line_.find('\n', line_.starts_with("\r\n") ? 2 : 0) + 1;
  for (size_t at = begin; at + 2 < line_.size();) {
    const size_t end = line_.find("\r\n", at);
    if (end == at) break;
    if (Fault fault = ReadField(std::string_view{line_}.substr(at, end - at), &ignored)) return fault;
    at = end + 2;
  }
  return std::nullopt;
}

std::optional<FramingFault> ChunkGuard::CheckWaiting(std::string_view bytes) const {
  if (bytes.size() >= limit_) return TooLong();
  for (size_t at = bytes.find('\n'); at != bytes.npos; at = bytes.find('\n', at + 1)) {
    if (at == 0 || bytes[at - 1] != '\r') return Bad("a line between its chunks ends with LF alone: CRLF is needed");
  }
  return std::nullopt;
}

FramingFault ChunkGuard::TooLong() const {
  return {.status = 431,
          .message = fmt::format("the body's chunk extensions or trailers are longer than {} bytes", limit_),
          .code = "trailers_too_large"};
}

Expectation ReadExpectation(std::string_view header, bool http_1_0) {
  if (header.empty() || http_1_0) return Expectation::kNone;
  return Same(header, "100-continue") ? Expectation::kContinue : Expectation::kUnknown;
}

}  // namespace batucada
