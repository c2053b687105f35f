// What a tokenizer makes of texts, for comparison with another library.
//
//   tokenizer_lines MODEL_DIR < LINES    for each line one line of JSON:
//     a string: {"ids", "plain_ids"} it encodes to, as prompts are read (special tokens recognised and added) and as
//               plain text; or {"error"} if it is no text
//     a list of ids: {"decoded", "decoded_without_special", "streamed", "streamed_without_special"}, the latter two
//               as the detokenizer hands it out id by id
#include <boost/json.hpp>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

boost::json::object Encoded(const Tokenizer& tokenizer, const std::string& text) {
  const absl::StatusOr<std::vector<int32_t>> ids = tokenizer.Encode(text, {});
  if (!ids.ok()) return {{"error", std::string(ids.status().message())}};
  const absl::StatusOr<std::vector<int32_t>> plain =
      tokenizer.Encode(text, {.add_special_tokens = false, .parse_special = false});
  if (!plain.ok()) return {{"error", std::string(plain.status().message())}};
  return {{"ids", boost::json::value_from(*ids)}, {"plain_ids", boost::json::value_from(*plain)}};
}

std::string Streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip_special) {
  Detokenizer detokenizer(tokenizer, skip_special);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.Push(id);
  return text + detokenizer.Flush();
}

boost::json::object Decoded(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  return {{"decoded", tokenizer.Decode(ids, /*skip_special=*/false)},
          {"decoded_without_special", tokenizer.Decode(ids, /*skip_special=*/true)},
          {"streamed", Streamed(tokenizer, ids, /*skip_special=*/false)},
          {"streamed_without_special", Streamed(tokenizer, ids, /*skip_special=*/true)}};
}

}  // namespace
}  // namespace batucada

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: tokenizer_lines MODEL_DIR < LINES\n";
    return 2;
  }
  const absl::StatusOr<std::unique_ptr<batucada::Tokenizer>> tokenizer = batucada::Tokenizer::Load(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    const boost::json::value value = boost::json::parse(line);
    if (value.is_string()) {
      std::cout << batucada::Encoded(**tokenizer, boost::json::value_to<std::string>(value)) << "\n";
    } else {
      std::cout << batucada::Decoded(**tokenizer, boost::json::value_to<std::vector<int32_t>>(value)) << "\n";
    }
  }
  return 0;
}
