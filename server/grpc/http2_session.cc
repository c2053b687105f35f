#include "server/grpc/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <exception>

#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr size_t kMaxOutboundAcks = 256;       // of PING and SETTINGS that wait to be sent
constexpr int64_t kHeaderOverhead = 32;        // of one header, as RFC 9113 counts (SETTINGS_MAX_HEADER_LIST_SIZE)
constexpr double kHeaderBytesPerFrame = 1024;  // of those past the limit: as many count for a frame of no use
constexpr int64_t kMostOverLimit = 4;          // past so many times the limit a block of headers is not looked at
constexpr size_t kReceivedAtOnce = 4096;       // bytes, between which the session may come to its end

std::string_view View(const uint8_t* bytes, size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

std::vector<nghttp2_nv> ToNghttp2(const Http2Headers& headers) {
  std::vector<nghttp2_nv> result;
  result.reserve(headers.size());
  const auto bytes = [](const std::string& text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));  // nghttp2 copies, and writes nothing
  };
  for (const auto& [name, value] : headers) {
    result.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return result;
}

// Of frames that carry nothing for us, and cost their sender nothing: what they count for; 0 for others.
double CostOf(const nghttp2_frame_hd& frame) {
  switch (frame.type) {
    case NGHTTP2_DATA: return frame.length == 0 && (frame.flags & NGHTTP2_FLAG_END_STREAM) == 0 ? 1 : 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_GOAWAY: return 0;
    case NGHTTP2_RST_STREAM: return 2;  // and the call that it ends, which was begun for nothing
    default: return 1;
  }
}

}  // namespace

// nghttp2's callbacks, which are a session's own.
struct Http2Session::Callbacks {
  static Http2Session& Self(void* user) { return *static_cast<Http2Session*>(user); }

  // Exceptions do not go through C: what throws, for want of memory, ends the connection.
  template <typename Step>
  static auto Guarded(const Step& step) -> decltype(step()) {
    try {
      return step();
    } catch (const std::exception& exception) {
      spdlog::error("a gRPC connection ended by an exception: {}", exception.what());
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int BeginFrame(nghttp2_session*, const nghttp2_frame_hd* frame, void* user) {
    if (const double cost = CostOf(*frame); cost > 0) Self(user).CountIdle(cost);
    return 0;
  }

  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Self(user).block_bytes_ = 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      Self(user).streams_.try_emplace(frame->hd.stream_id, Self(user).limits_);
    }
    return 0;
  }

  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
    const int64_t bytes = static_cast<int64_t>(name_size + value_size) + kHeaderOverhead;
    if (const int verdict = Self(user).CountHeader(bytes); verdict != 0) return verdict;
    Stream* const stream = Self(user).Find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->header_bytes += bytes;
    // What comes past the limit, and trailers, which mean nothing to us, are read and not kept.
    if (stream->header_bytes > Self(user).limits_.max_header_bytes || stream->told) return 0;
    stream->headers.emplace_back(View(name, name_size), View(value, value_size));
    return 0;
  }

  // A field that HTTP does not allow is left out, and costs what others cost.
  static int InvalidHeader(nghttp2_session*, const nghttp2_frame*, const uint8_t*, size_t name_size, const uint8_t*,
                           size_t value_size, uint8_t, void* user) {
    return Self(user).CountHeader(static_cast<int64_t>(name_size + value_size) + kHeaderOverhead);
  }

  static int FrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Self(user);
    const int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_SETTINGS) self.greeted_ = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    if (Stream* const stream = self.Find(id); stream != nullptr && !stream->told) {
      stream->told = true;
      self.events_.OnRequest(id, std::move(stream->headers), stream->header_bytes > self.limits_.max_header_bytes);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && self.Find(id) != nullptr) self.events_.OnEnd(id);
    return 0;
  }

  static int Data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
    // The connection's window is given back at once: a stream that is not read must not hold up the others.
    nghttp2_session_consume_connection(session, size);
    if (Self(user).Find(id) != nullptr) Self(user).events_.OnData(id, View(bytes, size));
    return 0;
  }

  static int StreamClosed(nghttp2_session*, int32_t id, uint32_t, void* user) {
    const auto found = Self(user).streams_.find(id);
    if (found == Self(user).streams_.end()) return 0;
    const bool told = found->second.told;
    Self(user).streams_.erase(found);
    if (told) Self(user).events_.OnClosed(id);
    return 0;
  }

  static int FrameSent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                      (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    // A call that fails is all headers; its client's frames are as much about it as others' are about data.
    if (frame->hd.type == NGHTTP2_DATA || ends) {
      Self(user).idle_frames_ = std::min(Self(user).idle_frames_ + kIdleFramesPerAnswer, kIdleFrameBurst);
    }
    // The answer is whole, and nobody waits for the rest of the request: the client need not send it.
    if (ends && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static ssize_t ReadOutbox(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t most, uint32_t* flags,
                            nghttp2_data_source*, void* user) {
    Stream* const stream = Self(user).Find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t size = std::min(most, stream->outbox.size() - stream->taken);
    if (size == 0 && !stream->ending) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    std::memcpy(buffer, stream->outbox.data() + stream->taken, size);
    stream->taken += size;
    const absl::Time now = ProcessNow();
    if (size > 0) stream->patience.OnWaited(std::max(now - stream->waiting_since, absl::ZeroDuration()));
    if (size > 0) stream->patience.OnMoved(size);
    stream->waiting_since = now;
    if (stream->taken == stream->outbox.size()) {
      stream->outbox.clear();
      stream->taken = 0;
      stream->waiting_since = absl::InfiniteFuture();
      if (stream->ending) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::vector<nghttp2_nv> trailers = ToNghttp2(stream->trailers);
        if (nghttp2_submit_trailer(session, id, trailers.data(), trailers.size()) != 0) {
          return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
      } else {
        Self(user).drained_.push_back(id);
      }
    }
    return static_cast<ssize_t>(size);
  }
};

Http2Session::Http2Session(const Limits& limits, Events& events)
    : limits_(limits), events_(events), counted_(ProcessNow()) {
  nghttp2_session_callbacks* callbacks = nullptr;
  BATUCADA_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, Callbacks::BeginFrame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      callbacks, [](auto... given) { return Callbacks::Guarded([&] { return Callbacks::BeginHeaders(given...); }); });
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](auto... given) { return Callbacks::Guarded([&] { return Callbacks::Header(given...); }); });
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, Callbacks::InvalidHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](auto... given) { return Callbacks::Guarded([&] { return Callbacks::FrameReceived(given...); }); });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks, [](auto... given) { return Callbacks::Guarded([&] { return Callbacks::Data(given...); }); });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](auto... given) { return Callbacks::Guarded([&] { return Callbacks::StreamClosed(given...); }); });
  nghttp2_session_callbacks_set_on_frame_send_callback(
      callbacks, [](auto... given) { return Callbacks::Guarded([&] { return Callbacks::FrameSent(given...); }); });
  nghttp2_option* options = nullptr;
  BATUCADA_CHECK(nghttp2_option_new(&options) == 0);
  nghttp2_option_set_no_auto_window_update(options, 1);
  nghttp2_option_set_no_closed_streams(options, 1);
  nghttp2_option_set_max_outbound_ack(options, kMaxOutboundAcks);
  // Its own limit of resets stands behind ours, which says what is wrong.
  nghttp2_option_set_stream_reset_rate_limit(options, static_cast<uint64_t>(kIdleFrameBurst),
                                             static_cast<uint64_t>(kIdleFramesPerSecond));
  BATUCADA_CHECK(nghttp2_session_server_new2(&session_, callbacks, this, options) == 0);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);

  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<uint32_t>(limits.max_streams)},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.max_header_bytes)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Http2Session::~Http2Session() {
  // Streams that are still there are closed without a word, so that nothing is told while this goes.
  nghttp2_session_del(session_);
}

Http2Session::Stream* Http2Session::Find(int32_t stream) {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : &found->second;
}

void Http2Session::CountIdle(double cost) {
  const absl::Time now = ProcessNow();
  idle_frames_ += absl::ToDoubleSeconds(now - counted_) * kIdleFramesPerSecond;
  idle_frames_ = std::min(idle_frames_, kIdleFrameBurst) - cost;
  counted_ = now;
  if (idle_frames_ < 0) Calm();
}

// A byte of a block may stand for 4,000 of headers, each of which nghttp2 checks; those of a block that is given up it
// only unpacks.
int Http2Session::CountHeader(int64_t bytes) {
  const int64_t limit = limits_.max_header_bytes;
  const int64_t before = std::max(block_bytes_, limit);
  block_bytes_ += bytes;
  if (block_bytes_ <= limit) return 0;
  CountIdle(static_cast<double>(block_bytes_ - before) / kHeaderBytesPerFrame);
  return block_bytes_ > kMostOverLimit * limit ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
}

bool Http2Session::Receive(std::string_view bytes) {
  while (!bytes.empty() && !broken_ && !calmed_) {
    const std::string_view some = bytes.substr(0, kReceivedAtOnce);
    bytes.remove_prefix(some.size());
    broken_ = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(some.data()), some.size()) < 0;
  }
  return !broken_ && !calmed_;
}

void Http2Session::TakeOutput(size_t most, std::string* out) {
  while (out->size() < most) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) broken_ = true;
    if (size <= 0) break;
    out->append(View(bytes, static_cast<size_t>(size)));
  }
  for (const int32_t stream : std::exchange(drained_, {})) {
    if (Find(stream) != nullptr) events_.OnDrained(stream);
  }
}

bool Http2Session::over() const {
  return broken_ || (nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0);
}

bool Http2Session::ending() const { return broken_ || nghttp2_session_want_read(session_) == 0; }

size_t Http2Session::queued_frames() const { return nghttp2_session_get_outbound_queue_size(session_); }

void Http2Session::Answer(int32_t stream, const Http2Headers& headers) {
  const std::vector<nghttp2_nv> list = ToNghttp2(headers);
  const nghttp2_data_source_read_callback read = [](auto... given) {
    return Callbacks::Guarded([&] { return Callbacks::ReadOutbox(given...); });
  };
  const nghttp2_data_provider outbox = {.source = {.ptr = nullptr}, .read_callback = read};
  nghttp2_submit_response(session_, stream, list.data(), list.size(), &outbox);
}

void Http2Session::AnswerOnly(int32_t stream, const Http2Headers& headers) {
  const std::vector<nghttp2_nv> list = ToNghttp2(headers);
  nghttp2_submit_response(session_, stream, list.data(), list.size(), nullptr);
}

void Http2Session::Write(int32_t stream, std::string_view bytes) {
  Stream* const found = Find(stream);
  if (found == nullptr || bytes.empty()) return;
  if (found->outbox.empty()) found->waiting_since = ProcessNow();
  found->outbox.append(bytes);
  if (std::exchange(found->deferred, false)) nghttp2_session_resume_data(session_, stream);
}

void Http2Session::End(int32_t stream, Http2Headers trailers) {
  Stream* const found = Find(stream);
  if (found == nullptr || found->ending) return;
  found->ending = true;
  found->trailers = std::move(trailers);
  if (std::exchange(found->deferred, false)) nghttp2_session_resume_data(session_, stream);
}

void Http2Session::Reset(int32_t stream) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

size_t Http2Session::Unsent(int32_t stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? 0 : found->second.outbox.size() - found->second.taken;
}

std::vector<int32_t> Http2Session::Stalled(absl::Time now) const {
  std::vector<int32_t> stalled;
  for (const auto& [id, stream] : streams_) {
    if (now - stream.waiting_since >= stream.patience.left()) stalled.push_back(id);
  }
  return stalled;
}

void Http2Session::Consume(int32_t stream, size_t bytes) { nghttp2_session_consume_stream(session_, stream, bytes); }

void Http2Session::AnnounceGoAway() { nghttp2_submit_shutdown_notice(session_); }

void Http2Session::GoAway() {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

void Http2Session::Calm() {
  if (!std::exchange(calmed_, true)) nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

}  // namespace batucada
