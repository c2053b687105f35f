// A request's body as a string that what arrives is appended to: Beast's own sets every byte twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>

namespace batucada {

// Beast's requirements of a Body that is read.
struct AppendedBody {
  using value_type = std::string;  // NOLINT(readability-identifier-naming): Beast's parser asks for these names

  class reader {  // NOLINT(readability-identifier-naming)
   public:
    template <bool kIsRequest, typename Fields>
    reader(boost::beast::http::header<kIsRequest, Fields>&, std::string& body) : body_(body) {}

    // `length`, where it is known, is within the parser's limit.
    void init(const boost::optional<uint64_t>& length, boost::system::error_code& error) {
      error = {};
      if (length) body_.reserve(*length);
    }
    template <typename Buffers>
    size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      const size_t before = body_.size();
      for (const boost::asio::const_buffer part : boost::beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(part.data()), part.size());
      }
      return body_.size() - before;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    std::string& body_;
  };
};

}  // namespace batucada
