// Which event of a streamed response comes next, and what it says.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/json/json_writer.h"
#include "server/json/pieces.h"
#include "server/responses/response_run.h"

namespace batucada {

struct ResponseEvent {
  enum class Kind : uint8_t {
    kBegun,      // the response as it was when it began
    kEnded,      // the response as it is now
    kItem,       // an item
    kPart,       // its part
    kTextDelta,  // its text, from `begin` on
    kTextDone,
  };
  Kind kind = Kind::kBegun;
  std::string_view type;  // "response.created"
  size_t item = 0;        // its place in the output
  ResponseOutput::As as = ResponseOutput::As::kBegun;
  size_t begin = 0;        // of the text, in bytes
  size_t first_token = 0;  // of those whose log-probabilities come with it
};

// Used by one thread at a time.
class ResponseEvents {
 public:
  // `run` outlives this.
  explicit ResponseEvents(const ResponseRun& run) : run_(run) {}

  // The next event, if there is something to tell. `kept`: the run is over and the store has answered.
  std::optional<ResponseEvent> Next(bool kept);
  bool done() const { return stage_ == Stage::kDone; }
  // One JSON object. Until it is written the run is left alone.
  Pieces Write(ResponseEvent event, JsonWriter& json);

 private:
  enum class Stage : uint8_t { kCreated, kInProgress, kItem, kPart, kText, kPartDone, kItemDone, kDone };

  const ResponseRun& run_;
  Stage stage_ = Stage::kCreated;
  int64_t sequence_ = 0;
  size_t item_ = 0;                         // being told
  size_t told_text_ = 0, told_tokens_ = 0;  // of it
};

}  // namespace batucada
