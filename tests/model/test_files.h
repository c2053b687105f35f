// Safetensors made up for tests, written field by field, so that every field can be wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/model/tensor_source.h"
#include "tests/temp_dir.h"

namespace batucada {

// One entry of a safetensors header, as it will be written; nothing is checked.
struct Entry {
  std::string name;
  std::string dtype = "F32";
  std::vector<int64_t> shape;
  int64_t begin = 0;
  int64_t end = 0;
};

inline std::string HeaderJson(const std::vector<Entry>& entries) {
  std::vector<std::string> members = {R"("__metadata__":{"format":"pt"})"};
  for (const Entry& e : entries) {
    members.push_back(absl::StrCat("\"", e.name, "\":{\"dtype\":\"", e.dtype, "\",\"shape\":[",
                                   absl::StrJoin(e.shape, ","), "],\"data_offsets\":[", e.begin, ",", e.end, "]}"));
  }
  return absl::StrCat("{", absl::StrJoin(members, ","), "}");
}

// Length, header, `data_bytes` bytes of data 0, 1, 2, … modulo 251.
inline std::string FileBytes(std::string_view header, int64_t data_bytes, uint64_t claimed_header_bytes) {
  std::string file(sizeof(uint64_t), '\0');
  for (size_t i = 0; i < sizeof(uint64_t); ++i) file[i] = static_cast<char>(claimed_header_bytes >> (8 * i) & 0xff);
  file.append(header);
  for (int64_t i = 0; i < data_bytes; ++i) file.push_back(static_cast<char>(i % 251));
  return file;
}

inline std::string FileBytes(std::string_view header, int64_t data_bytes) {
  return FileBytes(header, data_bytes, header.size());
}

inline std::span<const std::byte> AsBytes(const std::string& file) {
  return std::as_bytes(std::span(file.data(), file.size()));
}

// Entries for these tensors, back to back: matrices BF16, the rest F32, the convolution as [E, 1, 4].
inline std::vector<Entry> EntriesFor(const std::vector<ExpectedTensor>& tensors) {
  std::vector<Entry> entries;
  int64_t offset = 0;
  for (const ExpectedTensor& t : tensors) {
    Entry entry = {.name = t.name, .dtype = IsMatrix(t.role) ? "BF16" : "F32"};
    entry.shape = t.rows == 1 ? std::vector{t.cols} : std::vector{t.rows, t.cols};
    if (t.role == TensorRole::kConv) entry.shape = {t.rows, 1, t.cols};
    entry.begin = offset;
    offset += t.elements() * (IsMatrix(t.role) ? 2 : 4);
    entry.end = offset;
    entries.push_back(entry);
  }
  return entries;
}

// Lays the entries out back to back again, after shapes or dtypes (F32, or two bytes) have changed.
inline void Repack(std::vector<Entry>* entries) {
  int64_t offset = 0;
  for (Entry& entry : *entries) {
    int64_t bytes = entry.dtype == "F32" ? 4 : 2;
    for (const int64_t dimension : entry.shape) bytes *= dimension;
    entry.begin = offset;
    entry.end = offset += bytes;
  }
}

inline std::string FileBytes(const std::vector<Entry>& entries) {
  return FileBytes(HeaderJson(entries), entries.empty() ? 0 : entries.back().end);
}

// A model small enough to write out: one Mamba layer, one attention layer, MLPs.
inline constexpr std::string_view kTinyConfig = R"({
  "model_type": "samba", "vocab_size": 32, "hidden_size": 64, "num_hidden_layers": 2, "mlp_width": 40,
  "attn": {"layers": [1], "num_heads": 1, "num_kv_heads": 1, "window_size": 8, "rope_theta": 10000.0},
  "tie_word_embeddings": true, "bos_token_id": 0, "eos_token_id": [1, 2]
})";

}  // namespace batucada
