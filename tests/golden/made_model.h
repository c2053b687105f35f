// Small models of every architecture, made on the spot: their weights follow from their tensors' names
// (reference/made_weights.py has the formula), so that only config.json and the reference's answers are kept.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/golden/golden_files.h"

namespace batucada {

// tests/golden/models/NAME for each NAME, sorted.
std::vector<std::string> MadeModelNames();

// Writes config.json, model.safetensors and a tokenizer of single bytes for a model of tests/golden/models into `dir`:
// the tensors under the names and shapes in which the reference saves them, in fp32.
void WriteMadeModel(const std::string& name, const std::filesystem::path& dir);

// The reference's answers.
std::vector<GoldenCase> ReadMadeCases(const std::string& name);

}  // namespace batucada
