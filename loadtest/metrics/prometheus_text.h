// Prometheus' text format, as far as counters and gauges need it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace batucada::loadtest {

struct Sample {
  std::string name;    // "vllm:prompt_tokens_total"
  std::string labels;  // between the braces, as it stands: model="m",reason="stop"
  double value = 0;
};

// Lines that are no samples are left out: nobody but the server is to blame for them.
std::vector<Sample> ParsePrometheus(std::string_view text);

// The value of one label; empty if there is none of that name. Escapes are left as they are.
std::string_view LabelOf(const Sample& sample, std::string_view name);

}  // namespace batucada::loadtest
