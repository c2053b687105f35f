#include "tests/golden/made_model.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <boost/json.hpp>

#include "base/fnv.h"
#include "base/splitmix.h"

namespace batucada {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;

const fs::path kModels = fs::path(BATUCADA_SOURCE_DIR) / "tests" / "golden" / "models";

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

// Element `i` of a tensor.
float Element(uint64_t name_hash, uint64_t i, float base, float scale) {
  const uint64_t z = SplitMix(name_hash + i * kSplitMixStep);
  return base + scale * (static_cast<float>(static_cast<int64_t>(z % 255) - 127) / 128.0F);
}

// A tokenizer of single bytes, 256 + 3 ids, and of as many more that no text has as `ids` wants.
std::string ByteTokenizer(int64_t ids) {
  bj::object vocab;
  vocab["<pad>"] = 0;
  vocab["<s>"] = 1;
  vocab["</s>"] = 2;
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kHex[] = "0123456789ABCDEF";
    vocab[std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">"] = 3 + byte;
  }
  for (int64_t id = 256 + 3; id < ids; ++id) vocab["<unused" + std::to_string(id) + ">"] = id;
  bj::array added;
  for (const char* token : {"<pad>", "<s>", "</s>"}) {
    added.push_back(bj::object{{"id", vocab[token]},
                               {"content", token},
                               {"single_word", false},
                               {"lstrip", false},
                               {"rstrip", false},
                               {"normalized", false},
                               {"special", true}});
  }
  return bj::serialize(bj::object{
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", nullptr},
      {"post_processor", nullptr},
      {"decoder", bj::object{{"type", "ByteFallback"}}},
      {"model", bj::object{{"type", "BPE"}, {"byte_fallback", true}, {"vocab", vocab}, {"merges", bj::array()}}}});
}

void WriteFile(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
}

}  // namespace

std::vector<std::string> MadeModelNames() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kModels)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void WriteMadeModel(const std::string& name, const fs::path& dir, MadeTokenizer tokenizer) {
  fs::copy_file(kModels / name / "config.json", dir / "config.json", fs::copy_options::overwrite_existing);
  const bj::value golden = bj::parse(ReadFile(kModels / name / "golden.json"));
  bj::object header;
  std::string data;
  for (const bj::value& tensor : golden.at("tensors").as_array()) {
    const bj::array& fields = tensor.as_array();
    const std::string tensor_name(fields[0].as_string());
    uint64_t elements = 1;
    for (const bj::value& dimension : fields[1].as_array()) elements *= dimension.to_number<uint64_t>();
    const uint64_t hash = Fnv1a(tensor_name);
    const auto base = fields[2].to_number<float>(), scale = fields[3].to_number<float>();
    const size_t begin = data.size();
    data.resize(begin + elements * sizeof(float));
    for (uint64_t i = 0; i < elements; ++i) {
      const float value = Element(hash, i, base, scale);
      std::copy_n(reinterpret_cast<const char*>(&value), sizeof(value), data.data() + begin + i * sizeof(value));
    }
    header[tensor_name] =
        bj::object{{"dtype", "F32"}, {"shape", fields[1]}, {"data_offsets", bj::array{begin, data.size()}}};
  }
  const std::string text = bj::serialize(header);
  std::string length(sizeof(uint64_t), '\0');
  for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  WriteFile(dir / "model.safetensors", length + text + data);
  const int64_t vocab = bj::parse(ReadFile(dir / "config.json")).at("vocab_size").as_int64();
  WriteFile(dir / "tokenizer.json", ByteTokenizer(tokenizer == MadeTokenizer::kWhole ? vocab : 0));
}

std::vector<GoldenCase> ReadMadeCases(const std::string& name) {
  return ReadGoldenCases((kModels / name / "golden.json").string());
}

Bf16Error ReadBf16Error(const std::string& name) {
  const bj::value file = bj::parse(ReadFile(kModels / name / "golden.json"));
  const bj::object& error = file.at("bf16").as_object();
  return {error.at("worst").to_number<float>(), error.at("mean").to_number<float>()};
}

}  // namespace batucada
