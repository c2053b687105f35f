// What the cache holds, for people to read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace batucada {

struct CachedModel {
  std::string repository;              // "tiiuae/falcon-mamba-7b"
  std::vector<std::string> revisions;  // that mean this commit, sorted; often "main"
  std::string commit;
  std::filesystem::path directory;   // of its files
  int64_t bytes = 0;                 // of what is there
  std::vector<std::string> missing;  // what it lacks to be served
};

// One for each snapshot of a model, by name, then commit. Whatever is not laid out as the cache is, is passed over.
std::vector<CachedModel> ListCache(const std::filesystem::path& root);

}  // namespace batucada
