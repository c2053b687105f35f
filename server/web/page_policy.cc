#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/status.h"
#include "server/web/page.h"

namespace batucada {
namespace {

// 'sha256-…' of what stands within the page's first <tag>.
std::string HashOf(std::string_view page, std::string_view tag) {
  const std::string open = absl::StrCat("<", std::string(tag), ">"), close = absl::StrCat("</", std::string(tag), ">");
  const size_t begin = page.find(open), end = page.find(close);
  BATUCADA_CHECK(begin != page.npos && end != page.npos && begin < end);
  const std::string_view inside = page.substr(begin + open.size(), end - begin - open.size());
  const Sha256 hash = Sha256Of(inside);
  const absl::string_view bytes(reinterpret_cast<const char*>(hash.data()), hash.size());
  return absl::StrCat("'sha256-", absl::Base64Escape(bytes), "'");
}

}  // namespace

std::string PageFor(bool store_in_directory) {
  constexpr std::string_view kBlank = "%STORE%";
  std::string page(kPage);
  page.replace(page.find(kBlank), kBlank.size(), store_in_directory ? "directory" : "memory");
  return page;
}

std::string PagePolicy(std::string_view page) {
  return absl::StrCat("default-src 'none'; style-src ", HashOf(page, "style"), "; script-src ", HashOf(page, "script"),
                      "; connect-src 'self'; img-src data:; form-action 'none'; frame-ancestors 'none'; ",
                      "base-uri 'none'");
}

}  // namespace batucada
