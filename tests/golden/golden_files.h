// The reference's answers, read from the files beside the embedded checkpoint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace batucada {

// One case of golden.json, computed in fp32, the whole sequence at once.
struct GoldenCase {
  std::string name;
  std::vector<int32_t> ids;                         // the prompt, start token included
  std::vector<float> prompt_logprobs;               // of ids[1], ids[2], …
  std::vector<std::pair<int32_t, float>> last_top;  // most likely ids after the prompt, with log-probabilities
  std::vector<int32_t> greedy;                      // continuation
  std::vector<float> margins;                       // logit of first minus second choice, at each step
};
// The cases of a file: a list of them, or an object with such a list as "cases".
std::vector<GoldenCase> ReadGoldenCases(const std::string& path);
// Those of the embedded checkpoint.
std::vector<GoldenCase> ReadGoldenCases();

// One text of nll.json: mean negative log-likelihood by position, and log-probabilities at single positions.
struct GoldenText {
  std::string text;
  std::map<std::pair<int64_t, int64_t>, double> nll;  // [first, last) -> mean over predicted tokens 1 + first … last
  std::map<int64_t, double> sample;                   // index of the predicted token, from 0 -> log-probability
};
std::map<std::string, GoldenText> ReadGoldenTexts();

std::string ModelDir();

}  // namespace batucada
