#include "engine/model/part_reader.h"

#include "base/status.h"
#include "base/strings.h"

namespace batucada {
namespace {

// How far ahead of what is read numbers are looked at, which is also how much of a file is kept busy.
constexpr int64_t kAheadBytes = int64_t{1} << 30;

int64_t BytesOf(const HostTensor& tensor) {
  return tensor.rows * tensor.cols * static_cast<int64_t>(SizeOf(tensor.dtype));
}

}  // namespace

PartReader::PartReader(const ModelConfig& config, TensorSource& source, const LoadOptions& options)
    : source_(source), tensors_(ExpectedTensors(config)), progress_(options.progress), read_(tensors_.size()),
      ahead_(options.threads) {
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

void PartReader::LookAhead(size_t tensor) {
  while (found_.size() < tensors_.size() && (found_.size() <= tensor || bytes_found_ - bytes_read_ < kAheadBytes)) {
    const ExpectedTensor& want = tensors_[found_.size()];
    // One that is not right is told of when somebody wants it.
    const absl::StatusOr<HostTensor>& got = found_.emplace_back(source_.Get(want.name, want.rows, want.cols));
    const HostTensor nothing{.data = nullptr, .dtype = DType::kF32, .rows = 0, .cols = 0};
    static_cast<void>(ahead_.Add(got.ok() ? *got : nothing));
    if (!got.ok()) continue;
    bytes_found_ += BytesOf(*got);
    if (progress_ == nullptr) continue;
    // Until they are found, all others are taken for tensors of the first one's type.
    if (found_.size() == 1) {
      element_bytes_ = static_cast<int64_t>(SizeOf(got->dtype));
      for (const ExpectedTensor& any : tensors_) progress_->total += any.rows * any.cols * element_bytes_;
    }
    progress_->total += BytesOf(*got) - got->rows * got->cols * element_bytes_;
  }
}

absl::StatusOr<HostTensor> PartReader::Read(size_t tensor) {
  if (read_[tensor]) return *read_[tensor];
  LookAhead(tensor);
  const ExpectedTensor& want = tensors_[tensor];
  BATUCADA_ASSIGN_OR_RETURN(const HostTensor got, found_[tensor]);
  if (const std::optional<int64_t> bad = ahead_.FirstBad(tensor)) {
    return absl::InvalidArgumentError(
        Concat(source_.Describe(want.name), " holds NaN or infinity, first at ",
               want.rows == 1 ? Concat("[", *bad, "]") : Concat("[", *bad / want.cols, ", ", *bad % want.cols, "]"),
               ": every weight must be a finite number. The file is damaged, or the training went wrong"));
  }
  read_[tensor] = got;
  bytes_read_ += BytesOf(got);
  if (progress_ != nullptr) {
    progress_->there += BytesOf(got);
    progress_->moved += BytesOf(got);
  }
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
