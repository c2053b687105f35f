#include "engine/model/part_reader.h"

#include "base/status.h"
#include "base/strings.h"
#include "engine/model/finite.h"

namespace batucada {

PartReader::PartReader(const ModelConfig& config, TensorSource& source)
    : source_(source), tensors_(ExpectedTensors(config)), read_(tensors_.size()) {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    for (const TensorPart& part : tensors_[i].parts) {
      const bool fresh = places_.try_emplace({tensors_[i].layer, part.part}, Place{i, part.first, part.count}).second;
      BATUCADA_CHECK(fresh, "a part is in two tensors");
    }
  }
}

const PartReader::Place& PartReader::PlaceOf(int32_t layer, Part part) const {
  const auto found = places_.find({layer, part});
  BATUCADA_CHECK(found != places_.end(), "the model's table has no such part");
  return found->second;
}

const std::string& PartReader::NameOf(int32_t layer, Part part) const {
  return tensors_[PlaceOf(layer, part).tensor].name;
}

std::string PartReader::Describe(int32_t layer, Part part) const { return source_.Describe(NameOf(layer, part)); }

absl::StatusOr<HostTensor> PartReader::Read(size_t tensor) {
  if (read_[tensor]) return *read_[tensor];
  const ExpectedTensor& want = tensors_[tensor];
  BATUCADA_ASSIGN_OR_RETURN(const HostTensor got, source_.Get(want.name, want.rows, want.cols));
  if (const std::optional<int64_t> bad = FindNotFinite(got)) {
    return absl::InvalidArgumentError(
        Concat(source_.Describe(want.name), " holds NaN or infinity, first at ",
               want.rows == 1 ? Concat("[", *bad, "]") : Concat("[", *bad / want.cols, ", ", *bad % want.cols, "]"),
               ": every weight must be a finite number. The file is damaged, or the training went wrong"));
  }
  read_[tensor] = got;
  return got;
}

absl::StatusOr<HostTensor> PartReader::Get(int32_t layer, Part part) {
  const Place& place = PlaceOf(layer, part);
  BATUCADA_ASSIGN_OR_RETURN(HostTensor got, Read(place.tensor));
  const bool is_vector = got.rows == 1 && !IsMatrix(tensors_[place.tensor].role);
  const int64_t first = place.first * (is_vector ? 1 : got.cols);
  got.data = static_cast<const char*>(got.data) + first * static_cast<int64_t>(SizeOf(got.dtype));
  (is_vector ? got.cols : got.rows) = place.count;
  return got;
}

}  // namespace batucada
