// Every construct of the language against jinja2, snippet by snippet.
#include <gtest/gtest.h>

#include <vector>

#include "tests/text/jinja/goldens.h"
#include "text/jinja/template.h"

namespace batucada::jinja {
namespace {

TEST(JinjaGoldenTest, SnippetsRenderAsInJinja2) {
  std::vector<Variable> variables;
  for (const auto& member : JinjaGoldens().at("variables").as_object()) {
    variables.push_back({{member.key().data(), member.key().size()}, &member.value()});
  }
  int rendered = 0;
  int refused = 0;
  for (const boost::json::value& snippet : JinjaGoldens().at("snippets").as_array()) {
    const std::string source(snippet.at("source").as_string());
    SCOPED_TRACE(source);
    const std::optional<std::string> expected = GoldenText(snippet);
    const auto parsed = Template::Parse(source);
    const absl::StatusOr<std::string> text =
        parsed.ok() ? (*parsed)->Render(variables, GoldenNow()) : absl::StatusOr<std::string>(parsed.status());
    if (expected.has_value()) {
      EXPECT_TRUE(text.ok()) << text.status() << "\njinja2 renders: " << *expected;
      if (text.ok()) {
        EXPECT_EQ(*text, *expected);
      }
      ++rendered;
    } else {
      EXPECT_FALSE(text.ok()) << "jinja2 refuses this (" << snippet.at("error")
                              << "), here it renders: " << text.value_or("");
      ++refused;
    }
  }
  EXPECT_GT(rendered, 600);
  EXPECT_GT(refused, 150);
}

}  // namespace
}  // namespace batucada::jinja
