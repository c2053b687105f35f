#include "loadtest/metrics/prometheus_text.h"

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace batucada::loadtest {
namespace {

// Of the brace that ends the labels: one inside a quoted value does not.
size_t EndOfLabels(absl::string_view line, size_t from) {
  bool quoted = false;
  for (size_t i = from; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == '}' && !quoted) {
      return i;
    }
  }
  return line.npos;
}

}  // namespace

std::vector<Sample> ParsePrometheus(std::string_view text) {
  std::vector<Sample> samples;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    const size_t name_end = line.find_first_of("{ ");
    if (name_end == line.npos) continue;
    Sample sample = {.name = std::string(line.substr(0, name_end)), .labels = ""};
    line.remove_prefix(name_end);
    if (line.front() == '{') {
      const size_t end = EndOfLabels(line, 1);
      if (end == line.npos) continue;
      sample.labels = std::string(line.substr(1, end - 1));
      line.remove_prefix(end + 1);
    }
    // A time stamp may follow the value.
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.empty() || !absl::SimpleAtod(words.front(), &sample.value)) continue;
    samples.push_back(std::move(sample));
  }
  return samples;
}

std::string_view LabelOf(const Sample& sample, std::string_view name) {
  const std::string key = fmt::format("{}=\"", name);
  for (size_t at = sample.labels.find(key); at != std::string::npos; at = sample.labels.find(key, at + 1)) {
    if (at > 0 && sample.labels[at - 1] != ',' && sample.labels[at - 1] != ' ') continue;
    const size_t begin = at + key.size();
    size_t end = begin;
    while (end < sample.labels.size() && sample.labels[end] != '"') end += sample.labels[end] == '\\' ? 2 : 1;
    return std::string_view{sample.labels}.substr(begin, end - begin);
  }
  return {};
}

}  // namespace batucada::loadtest
