#include "text/grammar/text_formats.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>

namespace batucada::grammar {
namespace {

const std::map<std::string_view, std::string>& Formats() {
  static const auto* const formats = [] {
    // RFC 3339, every month with its days.
    const std::string leap = "((\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";
    const std::string date =
        "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))|" +
        leap + ")";
    const std::string time = "(([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d))";
    const std::string label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    const std::string hostname = label + "(\\." + label + "){0,3}";
    const std::string byte = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    const std::string ipv4 = byte + "(\\." + byte + "){3}";
    const std::string group = "[0-9a-fA-F]{1,4}";
    // RFC 5952 in its full form, or with :: in front or behind.
    const std::string ipv6 = "(" + group + "(:" + group + "){7}|::(" + group + "(:" + group + "){0,5})?|" + group +
                             "(:" + group + "){0,5}::)";
    // RFC 3986 with an authority, or a path alone behind the scheme.
    const std::string unreserved = "[A-Za-z0-9._~!$&'()*+,;=:@-]";
    const std::string uri = "[A-Za-z][A-Za-z0-9+.-]{0,20}://" + hostname + "(:\\d{1,4})?(/" + unreserved + "*)*(\\?(" +
                            unreserved + "|/)*)?(#(" + unreserved + "|/)*)?";
    const std::string duration =
        "P(\\d{1,9}W|\\d{1,9}Y(\\d{1,9}M(\\d{1,9}D)?)?|\\d{1,9}M(\\d{1,9}D)?|\\d{1,9}D|"
        "(\\d{1,9}D)?T(\\d{1,9}H(\\d{1,9}M(\\d{1,9}S)?)?|\\d{1,9}M(\\d{1,9}S)?|\\d{1,9}S))";
    return new std::map<std::string_view, std::string>{
        {"date", date},
        {"time", time},
        {"date-time", date + "T" + time},
        {"duration", duration},
        {"email", "[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@" + hostname},
        {"hostname", hostname},
        {"ipv4", ipv4},
        {"ipv6", ipv6},
        {"uri", uri},
        {"uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"},
    };
  }();
  return *formats;
}

// Of JSON Schema itself, of OpenAPI's registry and of Pydantic.
constexpr std::string_view kNotChecked[] = {"base64",
                                            "base64url",
                                            "binary",
                                            "byte",
                                            "char",
                                            "color",
                                            "directory-path",
                                            "file-path",
                                            "html",
                                            "idn-email",
                                            "idn-hostname",
                                            "ipv4interface",
                                            "ipv4network",
                                            "ipv6interface",
                                            "ipv6network",
                                            "ipvanyaddress",
                                            "ipvanyinterface",
                                            "ipvanynetwork",
                                            "iri",
                                            "iri-reference",
                                            "json-pointer",
                                            "json-string",
                                            "markdown",
                                            "multi-host-uri",
                                            "name-email",
                                            "password",
                                            "path",
                                            "phone",
                                            "regex",
                                            "relative-json-pointer",
                                            "uri-reference",
                                            "uri-template"};

}  // namespace

bool IsAnnotation(std::string_view format) {
  return std::find(std::begin(kNotChecked), std::end(kNotChecked), format) != std::end(kNotChecked);
}

std::string_view FormatPattern(std::string_view format) {
  const auto found = Formats().find(format);
  return found == Formats().end() ? std::string_view() : found->second;
}

std::vector<std::string_view> FormatNames() {
  std::vector<std::string_view> names;
  for (const auto& [name, pattern] : Formats()) names.push_back(name);
  return names;
}

}  // namespace batucada::grammar
