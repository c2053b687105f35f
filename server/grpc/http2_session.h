// The protocol of one HTTP/2 connection, server's side, on nghttp2 (RFC 9113): bytes in, requests out, answers back. It
// knows no sockets; who owns it moves the bytes.
//
// What the other side can make it hold or do is bounded here, whether it keeps to our SETTINGS or not:
//   streams at once      max_streams; one more is refused (REFUSED_STREAM), acknowledged SETTINGS or not
//   headers              max_header_bytes of a request, names and values and 32 bytes for each; more are not kept, a
//                        kilobyte of them counts for a frame of no use, and past four times the limit the stream is
//                        reset; nghttp2 ends the connection past 8 CONTINUATION frames of a header block
//   data                 kStreamWindow of a stream until Consume says that there is room for more
//   frames of no use     PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA: kIdleFrameBurst at once and
//                        kIdleFramesPerSecond from then on, and more while there is an answer that they are about;
//                        RST_STREAM counts for two
// Past the last the connection ends with GOAWAY, ENHANCE_YOUR_CALM.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "server/net/patience.h"

struct nghttp2_session;

namespace batucada {

using Http2Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case, pseudo-headers first

// Used by one thread at a time.
class Http2Session {
 public:
  struct Limits {
    int32_t max_streams = 100;
    int64_t max_header_bytes = 16 << 10;
    absl::Duration answer_timeout = absl::Minutes(1);  // for a client to take a byte of a call's answer
    int64_t min_transfer_rate = 16 << 10;              // bytes a second that buy more of that
  };
  static constexpr int32_t kStreamWindow = 256 << 10;  // bytes of a stream that may come before they are consumed
  static constexpr int32_t kConnectionWindow = 1 << 20;
  static constexpr double kIdleFrameBurst = 2000, kIdleFramesPerSecond = 200, kIdleFramesPerAnswer = 10;

  // What happens, told from within Receive and TakeOutput. May call the session's methods below those two.
  class Events {
   public:
    virtual ~Events() = default;
    // A request's headers are there. `too_large`: they were more than max_header_bytes, and only some are told.
    virtual void OnRequest(int32_t stream, Http2Headers headers, bool too_large) = 0;
    virtual void OnData(int32_t stream, std::string_view bytes) = 0;
    // The client sends no more on this stream.
    virtual void OnEnd(int32_t stream) = 0;
    // All that was written has been taken.
    virtual void OnDrained(int32_t stream) = 0;
    // The stream is over, one way or another: its number is never told again.
    virtual void OnClosed(int32_t stream) = 0;
  };

  // REQUIRES: `events` outlives this.
  Http2Session(const Limits& limits, Events& events);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  // Takes what the client sent. False: these bytes are no HTTP/2, or the client does what is not to be answered;
  // nothing more can be received, and what TakeOutput still has is to be sent before the connection closes.
  bool Receive(std::string_view bytes);
  // Appends what is to be sent now, up to about `most` bytes.
  void TakeOutput(size_t most, std::string* out);
  // Nothing more will be received or sent: close.
  bool over() const;
  // The client has said that it speaks HTTP/2, and its SETTINGS are there.
  bool greeted() const { return greeted_; }
  // Nothing more will be received: what there is to say about it is to be sent.
  bool ending() const;
  // Frames that wait for TakeOutput. While they are many, nothing should be received.
  size_t queued_frames() const;

  // --- answers ---
  // Headers of the answer; what is written follows, then the trailers.
  void Answer(int32_t stream, const Http2Headers& headers);
  void Write(int32_t stream, std::string_view bytes);
  void End(int32_t stream, Http2Headers trailers);
  // Headers alone.
  void AnswerOnly(int32_t stream, const Http2Headers& headers);
  // Breaks the stream off (CANCEL).
  void Reset(int32_t stream);
  // Bytes written and not taken.
  size_t Unsent(int32_t stream) const;
  // Streams whose client has run out of patience (patience.h): it takes too little of what was written.
  std::vector<int32_t> Stalled(absl::Time now) const;

  // Of a stream's data, `bytes` have been dealt with: the client may send as many more.
  void Consume(int32_t stream, size_t bytes);

  // --- the end ---
  // No new streams; those that run go on. The first says that it will come to that, so that no request is lost.
  void AnnounceGoAway();
  void GoAway();
  // Ends the connection for a client that asks too much: nothing more is received.
  void Calm();

 private:
  struct Stream {
    explicit Stream(const Limits& limits) : patience(limits.answer_timeout, limits.min_transfer_rate) {}
    Http2Headers headers;
    int64_t header_bytes = 0;
    bool told = false;   // OnRequest
    std::string outbox;  // written, of which `taken` bytes are gone
    size_t taken = 0;
    bool deferred = false;  // nghttp2 waits for more to send
    bool ending = false;
    Http2Headers trailers;
    Patience patience;                                  // of the client with what is in the outbox
    absl::Time waiting_since = absl::InfiniteFuture();  // that it takes something; infinite: there is nothing
  };
  struct Callbacks;

  Stream* Find(int32_t stream);
  // A frame of no use, which may count for several; past their limit the connection ends.
  void CountIdle(double cost);
  // A header of so many bytes, whether it is kept or not; what its callback returns.
  int CountHeader(int64_t bytes);

  const Limits limits_;
  Events& events_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  std::vector<int32_t> drained_;          // to be told
  double idle_frames_ = kIdleFrameBurst;  // that may still come
  absl::Time counted_;                    // when that was so
  bool greeted_ = false;
  bool broken_ = false;
  bool calmed_ = false;      // Calm
  int64_t block_bytes_ = 0;  // of the header block that is coming in
};

}  // namespace batucada
