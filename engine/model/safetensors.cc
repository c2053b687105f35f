#include "engine/model/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_join.h"
#include "base/json.h"
#include "base/nested_json.h"
#include "base/status.h"
#include "base/strings.h"

namespace batucada {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor data is used in place and is little-endian");

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference reader
constexpr size_t kPrefixBytes = 8;
constexpr size_t kMaxDimensions = 8;

// Every dtype whose elements are whole bytes, so that sizes can be checked even of tensors nobody uses.
std::optional<int64_t> ElementBytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int64_t> kKnown[] = {
      {"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1}, {"U16", 2}, {"I16", 2},
      {"F16", 2},  {"BF16", 2}, {"U32", 4}, {"I32", 4},     {"F32", 4},     {"U64", 8},     {"I64", 8}, {"F64", 8}};
  for (const auto& [name, bytes] : kKnown) {
    if (name == dtype) return bytes;
  }
  return std::nullopt;
}

absl::Status Bad(std::string_view what, std::string_view problem) {
  return absl::InvalidArgumentError(Concat(what, ": ", problem));
}

std::string Named(const StoredTensor& tensor) { return Concat("tensor ", Printable(tensor.name)); }

// Bytes of a tensor of this shape, or nothing if they leave int64.
std::optional<int64_t> ByteCount(const std::vector<int64_t>& shape, int64_t element_bytes) {
  int64_t bytes = element_bytes;
  for (const int64_t dimension : shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return bytes;
}

// One entry of the header. `data` is everything after the header.
absl::StatusOr<StoredTensor> ReadEntry(const JsonObject& header, std::string name, std::span<const std::byte> data,
                                       std::string_view what) {
  const JsonObject entry = header.Object(name);
  StoredTensor tensor = {
      .name = std::move(name), .dtype = entry.String("dtype"), .shape = entry.Ints("shape", {}), .data = {}};
  const std::vector<int64_t> offsets = entry.Ints("data_offsets", {});
  for (const std::string_view key : {"shape", "data_offsets"}) {
    if (!entry.Has(key)) entry.Fail(key, "is missing, expected a list of integers");
  }
  if (!entry.ok()) return StoredTensor{};  // the reader's status tells

  const std::optional<int64_t> element_bytes = ElementBytes(tensor.dtype);
  if (!element_bytes) {
    return Bad(what, Concat(Named(tensor), " has the unknown dtype \"", Printable(tensor.dtype), "\""));
  }
  if (tensor.shape.size() > kMaxDimensions) {
    return Bad(what, Concat(Named(tensor), " has ", tensor.shape.size(), " dimensions, at most ", kMaxDimensions,
                            " are supported"));
  }
  const std::string shape = Concat("[", absl::StrJoin(tensor.shape, ", "), "]");
  const std::optional<int64_t> bytes = ByteCount(tensor.shape, *element_bytes);
  if (!bytes) return Bad(what, Concat(Named(tensor), " has shape ", shape, ", which is more than 2^63 bytes"));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return Bad(what,
               Concat(Named(tensor), " has data_offsets [", absl::StrJoin(offsets, ", "), "], expected [begin, end]"));
  }
  if (offsets[1] > static_cast<int64_t>(data.size())) {
    return Bad(what, Concat(Named(tensor), " ends at byte ", offsets[1], " of the data, of which the file has ",
                            data.size(), "; is it complete?"));
  }
  if (offsets[1] - offsets[0] != *bytes) {
    return Bad(what, Concat(Named(tensor), " takes ", offsets[1] - offsets[0], " bytes, but ", tensor.dtype, " ", shape,
                            " needs ", *bytes));
  }
  tensor.data = data.subspan(static_cast<size_t>(offsets[0]), static_cast<size_t>(*bytes));
  return tensor;
}

// `tensors` in order of offset must lie back to back from the first byte of `data` to the last.
absl::Status CheckCoverage(const std::vector<StoredTensor>& tensors, std::span<const std::byte> data,
                           std::string_view what) {
  const std::byte* covered = data.data();
  const StoredTensor* before = nullptr;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.data.data() < covered) {
      return Bad(what, Concat(Named(*before), " and ", Named(tensor), " overlap at byte ",
                              tensor.data.data() - data.data(), " of the data"));
    }
    if (tensor.data.data() > covered) {
      return Bad(what, Concat("bytes ", covered - data.data(), " to ", tensor.data.data() - data.data(),
                              " of the data, before ", Named(tensor), ", belong to no tensor"));
    }
    covered = tensor.data.data() + tensor.data.size();
    before = &tensor;
  }
  const std::byte* end = data.data() + data.size();
  if (covered == end) return absl::OkStatus();
  return Bad(what, Concat("the last ", end - covered, " bytes of the data belong to no tensor"));
}

void CheckMetadata(const JsonObject& header) {
  if (!header.Has("__metadata__")) return;
  const JsonObject metadata = header.Object("__metadata__");
  const boost::json::value* members = header.Find("__metadata__");
  if (!metadata.ok()) return;
  for (const auto& member : members->get_object()) {
    if (!member.value().is_string()) metadata.Fail(std::string(member.key()), "is not a string");
  }
}

// The size of the header, checked against the file.
absl::StatusOr<size_t> HeaderBytes(std::span<const std::byte> file, std::string_view what) {
  if (file.size() < kPrefixBytes) {
    return Bad(what, Concat("a safetensors file starts with an 8-byte length, this file has ", file.size(), " bytes"));
  }
  uint64_t bytes = 0;
  std::memcpy(&bytes, file.data(), sizeof(bytes));
  if (bytes > kMaxHeaderBytes) {
    return Bad(what, Concat("the header claims ", bytes, " bytes, at most ", kMaxHeaderBytes,
                            " are allowed; is this a safetensors file?"));
  }
  if (bytes > file.size() - kPrefixBytes) {
    return Bad(what, Concat("the header claims ", bytes, " bytes, but only ", file.size() - kPrefixBytes,
                            " follow; is the file complete?"));
  }
  return static_cast<size_t>(bytes);
}

// Whether there is such a file, if only a link that leads nowhere, which then is what is wrong.
bool IsNamed(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

absl::Status CheckShardName(std::string_view shard, std::string_view index) {
  if (shard.empty() || shard == "." || shard == ".." || shard.find('/') != shard.npos ||
      shard.find('\0') != shard.npos) {
    return Bad(index, Concat("\"", Printable(shard), "\" is not the name of a file in the model directory"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<StoredTensor>> ParseSafetensors(std::span<const std::byte> file, std::string_view what) {
  BATUCADA_ASSIGN_OR_RETURN(const size_t header_bytes, HeaderBytes(file, what));
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kPrefixBytes, header_bytes);
  const std::span<const std::byte> data = file.subspan(kPrefixBytes + header_bytes);
  if (!text.starts_with('{')) return Bad(what, "the header is not a JSON object; is this a safetensors file?");
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJsonFile(text, Concat("the header of ", what)));

  absl::Status status;
  const JsonObject header(document, Concat(what, ": "), &status);
  CheckMetadata(header);
  std::vector<StoredTensor> tensors;
  for (const auto& member : document.get_object()) {
    if (member.key() == "__metadata__") continue;
    BATUCADA_ASSIGN_OR_RETURN(StoredTensor tensor, ReadEntry(header, std::string(member.key()), data, what));
    if (!status.ok()) return status;
    tensors.push_back(std::move(tensor));
  }
  if (!status.ok()) return status;
  // Empty tensors sort before the tensor that starts where they lie.
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return std::pair(a.data.data(), a.data.size()) < std::pair(b.data.data(), b.data.size());
  });
  BATUCADA_RETURN_IF_ERROR(CheckCoverage(tensors, data, what));
  return tensors;
}

absl::Status SafetensorsModel::Add(const std::filesystem::path& dir, const std::string& file) {
  BATUCADA_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(dir / file));
  BATUCADA_ASSIGN_OR_RETURN(std::vector<StoredTensor> tensors, ParseSafetensors(mapped.bytes(), Printable(file)));
  files_.push_back(std::move(mapped));
  std::move(tensors.begin(), tensors.end(), std::back_inserter(tensors_));
  return absl::OkStatus();
}

absl::Status SafetensorsModel::CheckUnchanged() const {
  for (const MappedFile& file : files_) BATUCADA_RETURN_IF_ERROR(file.CheckUnchanged());
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsModel> SafetensorsModel::OpenShards(const std::filesystem::path& dir) {
  SafetensorsModel model;
  model.what_ = "model.safetensors.index.json";
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(dir / model.what_, int64_t{kMaxHeaderBytes}));
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJsonFile(text, model.what_));
  absl::Status status;
  const JsonObject root(document, Concat(model.what_, ": "), &status);
  const JsonObject weight_map = root.Object("weight_map");
  if (!status.ok()) return status;

  std::map<std::string, absl::flat_hash_set<std::string>> shards;  // file -> tensors the index says it holds
  for (const auto& member : root.Find("weight_map")->get_object()) {
    const std::string tensor(member.key());
    const std::string shard = weight_map.String(tensor);
    if (!status.ok()) return status;
    BATUCADA_RETURN_IF_ERROR(CheckShardName(shard, model.what_));
    shards[shard].insert(tensor);
  }
  if (shards.empty()) return Bad(model.what_, "weight_map names no tensors");
  for (auto& [shard, listed] : shards) {
    const size_t first = model.tensors_.size();
    BATUCADA_RETURN_IF_ERROR(model.Add(dir, shard));
    for (size_t i = first; i < model.tensors_.size(); ++i) listed.erase(model.tensors_[i].name);
    for (const std::string& tensor : listed) model.absent_[tensor] = shard;
  }
  return model;
}

absl::StatusOr<SafetensorsModel> SafetensorsModel::Open(const std::filesystem::path& dir) {
  if (IsNamed(dir / "model.safetensors")) {
    SafetensorsModel model;
    model.what_ = "model.safetensors";
    BATUCADA_RETURN_IF_ERROR(model.Add(dir, model.what_));
    return model;
  }
  if (IsNamed(dir / "model.safetensors.index.json")) return OpenShards(dir);
  return absl::NotFoundError(Concat(dir.string(),
                                    " holds neither model.safetensors nor model.safetensors.index.json; convert "
                                    "other formats to safetensors, or use --load-format dummy"));
}

}  // namespace batucada
