// What answers depend on besides the request, in one word: clients compare it to find out that a server has changed.
#pragma once

#include <string>
#include <string_view>

namespace batucada {

// "fp_" and 16 hexadecimal digits: a digest (SHA-256) of the files of `model_dir`, the version of this program and
// `computed_as`, which tells device and numbers. Of a large file (weights) the size and both ends are read, which hold
// its header, and with it every tensor's dtype and shape. Files that cannot be read count as empty.
std::string SystemFingerprint(const std::string& model_dir, std::string_view computed_as);

// Likewise of the weights and what is computed with them alone: states kept by another version of this program are used
// as long as their layout is the same.
std::string WeightsFingerprint(const std::string& model_dir, std::string_view computed_as);

}  // namespace batucada
