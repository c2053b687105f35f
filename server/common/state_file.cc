#include "server/common/state_file.h"

#include <array>
#include <cstring>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr std::string_view kMagic = "BATUCADA STATE 1";  // another layout is another number
// Nobody writes more; a length beyond it is damage.
constexpr uint64_t kMostName = 64 << 10, kMostIds = uint64_t{1} << 31, kMostState = uint64_t{1} << 40;

constexpr size_t kSumBytes = std::tuple_size_v<Sha256>;

struct Lengths {
  uint64_t model = 0, salt = 0, session = 0, ids = 0, state = 0;
  uint64_t content() const { return model + salt + session + ids * sizeof(int32_t) + state; }
  uint64_t whole() const { return kStateFileHeadBytes + content() + kSumBytes; }
};
static_assert(kStateFileHeadBytes == kMagic.size() + sizeof(Lengths));

absl::StatusOr<Lengths> ReadLengths(std::string_view bytes) {
  if (bytes.size() < kStateFileHeadBytes || !bytes.starts_with(kMagic)) {
    return absl::DataLossError(
        "this is no file of a session's state: it does not begin as `batucada session export` "
        "writes one");
  }
  Lengths lengths;
  std::memcpy(&lengths, bytes.data() + kMagic.size(), sizeof(lengths));
  const bool sound = lengths.model <= kMostName && lengths.salt <= kMostName && lengths.session <= kMostName &&
                     lengths.ids <= kMostIds && lengths.state <= kMostState;
  if (!sound) return absl::DataLossError("the file's head is damaged: export the session again");
  return lengths;
}

}  // namespace

int64_t StateFileBytes(const StateFile& file, int64_t state_bytes) {
  const Lengths lengths = {.model = file.state.model.size(),
                           .salt = file.state.salt.size(),
                           .session = file.session.size(),
                           .ids = file.state.ids.size(),
                           .state = static_cast<uint64_t>(state_bytes)};
  return static_cast<int64_t>(lengths.whole());
}

std::string WriteStateFile(StateFile file) {
  SavedState& state = file.state;
  const Lengths lengths = {.model = state.model.size(),
                           .salt = state.salt.size(),
                           .session = file.session.size(),
                           .ids = state.ids.size(),
                           .state = state.bytes.size()};
  std::string bytes;
  bytes.reserve(lengths.whole());
  bytes += kMagic;
  bytes.append(reinterpret_cast<const char*>(&lengths), sizeof(lengths));
  bytes.append(state.model).append(state.salt).append(file.session);
  bytes.append(reinterpret_cast<const char*>(state.ids.data()), state.ids.size() * sizeof(int32_t));
  bytes.append(state.bytes);
  state.bytes = {};
  const auto sum = Sha256Of(bytes);
  bytes.append(reinterpret_cast<const char*>(sum.data()), sum.size());
  return bytes;
}

absl::StatusOr<StateFileHead> ReadStateFileHead(std::string_view bytes) {
  BATUCADA_ASSIGN_OR_RETURN(const Lengths lengths, ReadLengths(bytes));
  return StateFileHead{.bytes = static_cast<int64_t>(lengths.whole())};
}

absl::StatusOr<StateFile> ReadStateFile(std::string_view bytes) {
  BATUCADA_ASSIGN_OR_RETURN(const Lengths lengths, ReadLengths(bytes));
  if (bytes.size() != lengths.whole()) {
    return absl::DataLossError(
        fmt::format("the file has {} bytes where its head says {}: it was cut off, or is not "
                    "what was exported",
                    bytes.size(), lengths.whole()));
  }
  const std::string_view summed = bytes.substr(0, bytes.size() - kSumBytes);
  const auto sum = Sha256Of(summed);
  if (std::memcmp(sum.data(), bytes.data() + summed.size(), sum.size()) != 0) {
    return absl::DataLossError("the file's bytes have changed since it was exported: its SHA-256 is another");
  }
  std::string_view rest = summed.substr(kStateFileHeadBytes);
  const auto take = [&rest](uint64_t size) {
    const std::string_view part = rest.substr(0, size);
    rest.remove_prefix(size);
    return part;
  };
  StateFile file;
  file.state.model = take(lengths.model);
  file.state.salt = take(lengths.salt);
  file.session = take(lengths.session);
  file.state.ids.resize(lengths.ids);
  const std::string_view ids = take(lengths.ids * sizeof(int32_t));
  std::memcpy(file.state.ids.data(), ids.data(), ids.size());
  file.state.bytes = take(lengths.state);
  return file;
}

}  // namespace batucada
