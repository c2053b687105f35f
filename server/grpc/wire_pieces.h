// A long message as it goes over the wire, in pieces: made of parts as these come, and sent as the client takes it. As
// a Protobuf object it would be many times its bytes, and to turn it into them all at once would keep a thread for
// seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <string>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/wire_format_lite.h>

namespace batucada {

// Used by one thread at a time.
class WirePieces {
 public:
  static constexpr size_t kPieceBytes = 64 << 10;

  // `part` of the message, behind those that are there: lists go on, other fields are those of the last part.
  void Append(const google::protobuf::MessageLite& part) {
    std::string& piece = Room();
    const size_t before = piece.size();
    part.AppendToString(&piece);
    size_ += piece.size() - before;
  }
  // `message`, as the field of that number.
  void AppendField(int number, WirePieces message) {
    using Coded = google::protobuf::io::CodedOutputStream;
    using Wire = google::protobuf::internal::WireFormatLite;
    uint8_t head[16];
    uint8_t* end = Coded::WriteTagToArray(Wire::MakeTag(number, Wire::WIRETYPE_LENGTH_DELIMITED), head);
    end = Coded::WriteVarint64ToArray(message.size_, end);
    Room().append(head, end);
    size_ += static_cast<size_t>(end - head) + message.size_;
    pieces_.insert(pieces_.end(), std::make_move_iterator(message.pieces_.begin()),
                   std::make_move_iterator(message.pieces_.end()));
  }

  size_t size() const { return size_; }  // bytes
  // What comes before it as a message of gRPC's that is not compressed. REQUIRES: size() < 4 GiB
  std::string Head() const {
    return {0, static_cast<char>(size_ >> 24), static_cast<char>(size_ >> 16), static_cast<char>(size_ >> 8),
            static_cast<char>(size_)};
  }
  bool empty() const { return pieces_.empty(); }
  // REQUIRES: !empty()
  std::string TakeFirst() {
    std::string first = std::move(pieces_.front());
    pieces_.pop_front();
    size_ -= first.size();
    return first;
  }

 private:
  std::string& Room() {
    return pieces_.empty() || pieces_.back().size() >= kPieceBytes ? pieces_.emplace_back() : pieces_.back();
  }

  std::deque<std::string> pieces_;
  size_t size_ = 0;
};

}  // namespace batucada
