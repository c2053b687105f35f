// A glance at one chunk of OpenAI's streams: enough to count a token, at a fraction of what parsing costs.
#pragma once

#include <string_view>

namespace batucada::loadtest {

struct EventTraits {
  bool has_text = false;     // some text, content or reasoning is a string that is not empty
  bool needs_parse = false;  // it also tells usage, a finish reason or an error
};

// Walks the strings of a JSON text and looks at what follows the names above, wherever they stand. Checks nothing: what
// is not JSON gives some answer.
EventTraits ScanEvent(std::string_view json);

}  // namespace batucada::loadtest
