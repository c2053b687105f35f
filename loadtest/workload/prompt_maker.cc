#include "loadtest/workload/prompt_maker.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace batucada::loadtest {
namespace {

constexpr std::array<std::string_view, 64> kWords = {
    "the",  "of",    "and",  "to",  "a",    "in",   "that",  "he",    "was",    "it",    "his",  "is",    "with",
    "as",   "had",   "for",  "she", "not",  "but",  "at",    "on",    "her",    "be",    "they", "you",   "have",
    "him",  "which", "said", "all", "from", "so",   "this",  "when",  "would",  "one",   "were", "been",  "there",
    "what", "out",   "if",   "no",  "will", "then", "we",    "up",    "into",   "more",  "time", "could", "some",
    "them", "very",  "like", "now", "man",  "upon", "house", "water", "little", "night", "long", "before"};

bool StartsCharacter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

// Drops a UTF-8 character at the end whose last bytes are missing.
void TrimPartCharacter(std::string* text) {
  size_t lead = text->size();
  while (lead > 0 && text->size() - lead < 4 && !StartsCharacter((*text)[lead - 1])) --lead;
  if (lead == 0) return;
  const auto byte = static_cast<unsigned char>((*text)[lead - 1]);
  const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
  if (text->size() - (lead - 1) < length) text->resize(lead - 1);
}

}  // namespace

std::string PromptMaker::Text(int64_t tokens, Random& random) const {
  const auto bytes = static_cast<size_t>(std::max(1.0, static_cast<double>(tokens) * options_.bytes_per_token));
  std::string text;
  const std::string& corpus = options_.corpus;
  if (corpus.empty()) {
    text.reserve(bytes + 8);
    while (text.size() < bytes) {
      text += kWords[random() % kWords.size()];
      text += ' ';
    }
    text.resize(bytes);
    return text;
  }
  // A passage from anywhere, going round where it is longer than the corpus.
  size_t at = random() % corpus.size();
  while (at < corpus.size() && !StartsCharacter(corpus[at])) ++at;
  if (at == corpus.size()) at = 0;
  while (text.size() < bytes) {
    text.append(corpus, at, bytes - text.size());
    at = 0;
  }
  TrimPartCharacter(&text);
  return text;
}

void PromptMaker::Append(int64_t tokens, Random random, std::string_view role, Prompt* prompt) const {
  if (options_.kind == PromptKind::kIds) {
    for (int64_t i = 0; i < tokens; ++i) {
      prompt->ids.push_back(static_cast<int32_t>(random.Between(options_.lowest_id, options_.highest_id)));
    }
    return;
  }
  if (prompt->messages.empty() || prompt->messages.back().role != role) {
    prompt->messages.push_back({.role = std::string(role), .text = ""});
  }
  prompt->messages.back().text += Text(tokens, random);
}

absl::StatusOr<std::string> ReadCorpus(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (file) bytes << file.rdbuf();
  std::string text = std::move(bytes).str();
  if (!file || text.empty()) {
    return absl::InvalidArgumentError(fmt::format("--corpus {}: cannot be read, or is empty", path));
  }
  if (text.find('\0') != text.npos) return absl::InvalidArgumentError(fmt::format("--corpus {}: is not text", path));
  return text;
}

}  // namespace batucada::loadtest
