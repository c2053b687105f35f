// Tokenizer throughput on whole files, and, for comparison with another library, the ids of many strings.
//
//   tokenizer_bench MODEL_DIR FILE...            median and best MB/s of one thread for each file: encoding it in one
//                                                call and paragraph by paragraph, and decoding it
//   tokenizer_bench --lines MODEL_DIR < STRINGS  for each line, a JSON string: a JSON object of what it encodes to
#include <time.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace batucada {
namespace {

constexpr int kRounds = 15;

std::unique_ptr<Tokenizer> LoadOrExit(const std::string& model_dir) {
  auto tokenizer = Tokenizer::Load(model_dir);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    std::exit(1);
  }
  return *std::move(tokenizer);
}

void Measure(const std::string& name, size_t bytes, const std::vector<double>& sorted_seconds, const char* what) {
  const double median = sorted_seconds[sorted_seconds.size() / 2];
  std::printf("%-28s %-10s median %7.2f MB/s   best %7.2f MB/s\n", name.c_str(), what,
              static_cast<double>(bytes) / median / 1e6, static_cast<double>(bytes) / sorted_seconds[0] / 1e6);
}

// Processor time of this thread: other work on the machine does not count.
double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename Work>
std::vector<double> Seconds(Work work) {
  std::vector<double> seconds;
  for (int round = 0; round < kRounds; ++round) {
    const double begin = ThreadSeconds();
    work();
    seconds.push_back(ThreadSeconds() - begin);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

void MeasureFile(const Tokenizer& tokenizer, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.empty()) {
    std::cerr << path << ": cannot be read, or empty\n";
    std::exit(1);
  }
  const std::string name = path.substr(path.find_last_of('/') + 1);
  std::vector<int32_t> ids;
  Measure(name, text.size(), Seconds([&] { ids = *tokenizer.Encode(text, {}); }), "encode");
  std::vector<std::string_view> paragraphs;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = rest.find("\n\n");
    paragraphs.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  const auto encode_paragraphs = [&] {
    for (const std::string_view paragraph : paragraphs) ids = *tokenizer.Encode(paragraph, {});
  };
  Measure(name, text.size(), Seconds(encode_paragraphs), "paragraphs");
  ids = *tokenizer.Encode(text, {});
  std::string decoded;
  Measure(name, text.size(), Seconds([&] { decoded = tokenizer.Decode(ids, true); }), "decode");
}

void EncodeLines(const Tokenizer& tokenizer) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto text = boost::json::value_to<std::string>(boost::json::parse(line));
    const std::vector<int32_t> ids = *tokenizer.Encode(text, {});
    const std::vector<int32_t> plain = *tokenizer.Encode(text, {.add_special_tokens = false, .parse_special = false});
    std::cout << boost::json::value_from(boost::json::object{{"ids", boost::json::value_from(ids)},
                                                             {"plain_ids", boost::json::value_from(plain)},
                                                             {"decoded", tokenizer.Decode(ids, true)}})
              << "\n";
  }
}

}  // namespace
}  // namespace batucada

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--lines") {
    batucada::EncodeLines(*batucada::LoadOrExit(argv[2]));
    return 0;
  }
  if (argc < 3) {
    std::cerr << "usage: tokenizer_bench MODEL_DIR FILE...\n       tokenizer_bench --lines MODEL_DIR < STRINGS\n";
    return 2;
  }
  const auto tokenizer = batucada::LoadOrExit(argv[1]);
  for (int i = 2; i < argc; ++i) batucada::MeasureFile(*tokenizer, argv[i]);
  return 0;
}
