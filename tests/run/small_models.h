// The small models of tests/golden, one of every architecture, for tests of what runs them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/model_config.h"

namespace batucada {

inline std::filesystem::path ModelFolder() {
  return std::filesystem::path(BATUCADA_SOURCE_DIR) / "tests/golden/models";
}

inline std::vector<std::string> ModelNames() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(ModelFolder())) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  return names;
}

inline ModelConfig ConfigOf(const std::string& name) {
  std::ifstream file(ModelFolder() / name / "config.json");
  const std::string json{std::istreambuf_iterator<char>(file), {}};
  auto config = ParseModelConfig(json);
  EXPECT_TRUE(config.ok()) << name << ": " << config.status();
  return *std::move(config);
}

// What a row has drawn, or scored.
struct Drawn {
  int32_t id;
  float logprob;
  bool operator==(const Drawn&) const = default;
};

}  // namespace batucada
