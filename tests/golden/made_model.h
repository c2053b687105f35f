// Small models of every architecture, made on the spot: their weights follow from their tensors' names
// (reference/made_weights.py has the formula), so that only config.json and the reference's answers are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/golden/golden_files.h"

namespace batucada {

// tests/golden/models/NAME for each NAME, sorted.
std::vector<std::string> MadeModelNames();

enum class MadeTokenizer : uint8_t {
  kWhole,  // has an id for every row of the embeddings
  kBytes,  // 256 + 3: the rest is padding
};
inline constexpr int32_t kByteTokenizerIds = 256 + 3;

// Writes config.json, model.safetensors and a tokenizer of single bytes for a model of tests/golden/models into `dir`:
// the tensors under the names and shapes in which the reference saves them, in fp32.
void WriteMadeModel(const std::string& name, const std::filesystem::path& dir,
                    MadeTokenizer tokenizer = MadeTokenizer::kWhole);

// The reference's answers.
std::vector<GoldenCase> ReadMadeCases(const std::string& name);

// How far the reference's own code is from that when it computes in bf16: the worst log-probability, and the worst
// mean over a case.
struct Bf16Error {
  float worst;
  float mean;
};
Bf16Error ReadBf16Error(const std::string& name);

}  // namespace batucada
