#include "kernels/device.h"

#include "absl/strings/str_cat.h"

namespace batucada {

void Device::Fail(std::string_view work, const absl::Status& why) {
  if (why.ok() || !status_.ok()) return;
  status_ = absl::Status(why.code(), absl::StrCat(std::string(work), ": ", why.message()));
}

}  // namespace batucada
