#include "base/write_json.h"

#include <boost/json/serialize.hpp>

#include "base/float_repr.h"

namespace batucada {
namespace {

namespace bj = boost::json;

void Append(const bj::value& value, std::string* out) {
  switch (value.kind()) {
    case bj::kind::object: {
      char before = '{';
      for (const auto& [key, member] : value.get_object()) {
        *out += before;
        out->append(bj::serialize(key)).append(":");
        Append(member, out);
        before = ',';
      }
      *out += before == '{' ? "{}" : "}";
      return;
    }
    case bj::kind::array: {
      char before = '[';
      for (const bj::value& item : value.get_array()) {
        *out += before;
        Append(item, out);
        before = ',';
      }
      *out += before == '[' ? "[]" : "]";
      return;
    }
    case bj::kind::double_: *out += FloatRepr(value.get_double()); return;
    default: *out += bj::serialize(value);
  }
}

}  // namespace

std::string WriteJson(const bj::value& value) {
  std::string out;
  Append(value, &out);
  return out;
}

}  // namespace batucada
