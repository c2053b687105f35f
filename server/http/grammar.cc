#include "server/http/grammar.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace batucada {
namespace {

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }
bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

bool IsPort(std::string_view port) {
  constexpr size_t kMaxDigits = 5;
  if (port.size() > kMaxDigits || !std::all_of(port.begin(), port.end(), IsDigit)) return false;
  int number = 0;
  for (const char digit : port) number = number * 10 + (digit - '0');
  return number <= 65535;
}

// reg-name: letters, digits, marks and %-escapes.
bool IsName(std::string_view name) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=";
  for (size_t i = 0; i < name.size(); ++i) {
    if (IsAlnum(name[i]) || kMarks.find(name[i]) != kMarks.npos) continue;
    if (name[i] != '%' || i + 2 >= name.size() || !IsHex(name[i + 1]) || !IsHex(name[i + 2])) return false;
    i += 2;
  }
  return !name.empty();
}

}  // namespace

bool IsToken(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [&](char c) { return IsAlnum(c) || kMarks.find(c) != kMarks.npos; });
}

std::string_view HostWithoutPort(std::string_view authority) {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  return authority.substr(0, std::min(colon, authority.size()));
}

bool IsHost(std::string_view authority) {
  const std::string_view host = HostWithoutPort(authority);
  const std::string_view rest = authority.substr(host.size());
  if (!rest.empty() && !IsPort(rest.substr(1))) return false;
  if (!host.starts_with('[')) return IsName(host);
  const auto literal = [](char c) { return IsHex(c) || c == ':' || c == '.'; };
  return host.size() > 3 && host.ends_with(']') && std::all_of(host.begin() + 1, host.end() - 1, literal);
}

}  // namespace batucada
