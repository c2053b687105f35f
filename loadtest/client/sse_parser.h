// Server-sent events (WHATWG HTML, "Server-sent events") out of bytes that come in any pieces. Only `data` matters
// here.
#pragma once

#include <cstring>
#include <string>
#include <string_view>

namespace batucada::loadtest {

// An event that lies whole in what is fed is passed on without a copy.
class SseParser {
 public:
  // Calls on_data(std::string_view) for every event that has data and is now complete; several data lines of one event
  // are joined by '\n'. The view lives until on_data returns.
  template <typename OnData>
  void Feed(std::string_view bytes, OnData&& on_data);

  // Bytes of an unfinished event that are being kept.
  size_t held_bytes() const { return line_.size() + data_.size(); }
  void Reset() { *this = SseParser(); }

 private:
  template <typename OnData>
  void TakeLine(std::string_view line, OnData& on_data);
  // Copies what is a view into bytes that are about to go.
  void Hold() {
    if (!whole_.data()) return;
    data_.assign(whole_);
    whole_ = {};
  }

  std::string line_;           // the beginning of a line whose end has not come
  std::string data_;           // of the event so far, unless it is whole_
  std::string_view whole_;     // the event's only data line, inside the bytes being fed
  bool has_data_ = false;      // of the event so far
  bool skip_newline_ = false;  // the last byte was '\r': a '\n' now belongs to it
};

template <typename OnData>
void SseParser::Feed(std::string_view bytes, OnData&& on_data) {
  while (!bytes.empty()) {
    if (skip_newline_) {
      skip_newline_ = false;
      if (bytes.front() == '\n') bytes.remove_prefix(1);
      continue;
    }
    const void* newline = std::memchr(bytes.data(), '\n', bytes.size());
    size_t end = newline ? static_cast<const char*>(newline) - bytes.data() : bytes.size();
    if (const void* cr = std::memchr(bytes.data(), '\r', end)) end = static_cast<const char*>(cr) - bytes.data();
    if (end == bytes.size()) {
      line_.append(bytes);
      break;
    }
    skip_newline_ = bytes[end] == '\r';
    if (line_.empty()) {
      TakeLine(bytes.substr(0, end), on_data);
    } else {
      line_.append(bytes.substr(0, end));
      TakeLine(line_, on_data);
      Hold();
      line_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  Hold();
}

template <typename OnData>
void SseParser::TakeLine(std::string_view line, OnData& on_data) {
  if (line.empty()) {
    if (!has_data_) return;
    on_data(whole_.data() ? whole_ : std::string_view(data_));
    data_.clear();
    whole_ = {};
    has_data_ = false;
    return;
  }
  if (!line.starts_with("data")) return;
  line.remove_prefix(4);
  if (!line.empty() && line.front() != ':') return;  // a field of another name
  if (!line.empty()) line.remove_prefix(1);
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (!has_data_) {
    has_data_ = true;
    whole_ = line;
    return;
  }
  Hold();
  data_ += '\n';
  data_ += line;
}

}  // namespace batucada::loadtest
