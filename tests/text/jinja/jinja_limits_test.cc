// Hostile templates and conversations end soon, with an error that says why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <ostream>
#include <string>
#include <vector>

#include "text/jinja/runtime.h"
#include "text/jinja/template.h"

namespace batucada::jinja {
namespace {

using ::testing::HasSubstr;

std::string Repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

absl::StatusOr<std::string> RenderWith(const std::string& source, const boost::json::value& x = nullptr) {
  const auto parsed = Template::Parse(source);
  if (!parsed.ok()) return parsed.status();
  const std::vector<Variable> variables = {{"x", &x}};
  return (*parsed)->Render(variables, absl::UnixEpoch());
}

struct Hostile {
  const char* name;
  std::string source;
  const char* error;

  friend void PrintTo(const Hostile& test, std::ostream* out) { *out << test.name; }
};

class HostileTemplateTest : public testing::TestWithParam<Hostile> {};

TEST_P(HostileTemplateTest, EndsWithAnError) {
  const std::clock_t begin = std::clock();  // of this process alone: the machine may be busy
  const absl::StatusOr<std::string> text = RenderWith(GetParam().source);
  const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  ASSERT_FALSE(text.ok()) << "rendered " << text->size() << " bytes";
  EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(text.status().message()), HasSubstr(GetParam().error));
  EXPECT_LT(seconds, 60);  // a second or so; sanitizers take many times that
}

const Hostile kHostile[] = {
    {"EndlessLoops", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps"},
    {"LargeRange", "{% for a in range(100001) %}{% endfor %}", "Range too big"},
    {"ReallyLargeRange", "{{ range(-9223372036854775807, 9223372036854775807) }}", "Range too big"},
    {"DoublingString", "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
     "MiB"},
    {"TildeString", "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
     "MiB"},
    {"RepeatedString", "{{ 'ab' * 999999999 }}", "MiB"},
    {"RepeatedList", "{{ [1] * 9223372036854775807 }}", "MiB"},
    {"DoublingList", "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
     "MiB"},
    {"GrowingList", "{% set n = namespace(l=[1]) %}{% for i in range(99999) %}{% set n.l = n.l + ['x'] %}{% endfor %}",
     "MiB"},
    {"ManyStrings",
     "{% set s = 'x' * 9999999 %}{% set n = namespace(l=[]) %}{% for i in range(999) %}{% set n.l = n.l + [s ~ i] %}"
     "{% endfor %}",
     "more than"},
    {"LongOutput", "{% set s = 'x' * 999999 %}{% for i in range(99) %}{{ s }}{% endfor %}", "MiB"},
    {"GrowingReplace", "{% set s = 'x' * 99999 %}{{ s | replace('x', s) }}", "MiB"},
    {"GrowingJoin", "{% set s = 'x' * 99999 %}{{ s | join(s) }}", "MiB"},
    {"GrowingIndent", "{% set s = '\\n' * 99999 %}{{ s | indent(99999, true, true) }}", "MiB"},
    {"WideCenter", "{{ 'x' | center(9223372036854775807) }}", "MiB"},
    {"WideFormat", "{{ '%999999999d' % 1 }}", "wider than"},
    {"WideBraces", "{{ '{:999999999}'.format(1) }}", "wider than"},
    {"WideJson", "{{ [1] | tojson(indent=9223372036854775807) }}", "MiB"},
    {"WideBatch", "{{ [1] | batch(9223372036854775807, 0) | list }}", "MiB"},
    {"DeepList", "{% set n = namespace(l=[]) %}{% for i in range(999) %}{% set n.l = [n.l] %}{% endfor %}", "nest"},
    {"DeepDict", "{% set n = namespace(l={}) %}{% for i in range(999) %}{% set n.l = {'a': n.l} %}{% endfor %}",
     "nest"},
    // Thirty lists in memory, 2^30 when printed or compared.
    {"SharedListPrinted",
     "{% set n = namespace(l=[1]) %}{% for i in range(30) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}", "MiB"},
    {"SharedListAsJson",
     "{% set n = namespace(l=[1]) %}{% for i in range(30) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l | tojson }}",
     "more than"},
    {"SharedListCompared",
     "{% set n = namespace(a=[1], b=[1]) %}{% for i in range(30) %}{% set n.a = [n.a, n.a] %}"
     "{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}",
     "steps"},
    {"EndlessMacro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recurses deeper"},
    {"EndlessMacros", "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
     "recurses deeper"},
    {"ForkingMacro", "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
     "steps"},
    {"EndlessLoopRecursion", "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recurses deeper"},
    {"EndlessCaller",
     "{% macro f() %}{{ caller() }}{% endmacro %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}"
     "{{ g() }}",
     "recurses deeper"},
    {"SlowSearch", "{% set s = 'a' * 999999 %}{{ s.rfind('b' + s[:499999]) }}", "steps"},
    {"DeepParentheses", "{{ " + Repeat("(", 99999) + "1" + Repeat(")", 99999) + " }}", "nest"},
    {"DeepLists", "{{ " + Repeat("[", 99999) + Repeat("]", 99999) + " }}", "nest"},
    {"DeepNot", "{{ " + Repeat("not ", 99999) + "1 }}", "nest"},
    {"DeepMinus", "{{ " + Repeat("-", 99999) + "1 }}", "nest"},
    {"LongSum", "{{ 1" + Repeat(" + 1", 99999) + " }}", "nest"},
    {"LongAttributes", "{{ x" + Repeat(".x", 99999) + " }}", "nest"},
    {"LongFilters", "{{ x" + Repeat("|list", 99999) + " }}", "nest"},
    {"LongElse", "{{ 1" + Repeat(" if x else 1", 79999) + " }}", "nest"},
    {"DeepBlocks", Repeat("{% if x %}", 9999) + Repeat("{% endif %}", 9999), "nest"},
    {"DeepTargets", "{% set " + Repeat("(", 99999) + "a" + Repeat(")", 99999) + " = 1 %}", "nest"},
    {"LongSource", std::string(kMaxSourceBytes + 1, 'x'), "more than"},
};

INSTANTIATE_TEST_SUITE_P(All, HostileTemplateTest, testing::ValuesIn(kHostile),
                         [](const testing::TestParamInfo<Hostile>& test) { return std::string(test.param.name); });

TEST(JinjaLimitsTest, HarmlessSizesPass) {
  EXPECT_EQ(RenderWith("{% for a in range(99999) %}{% if a == 99998 %}{{ a }}{% endif %}{% endfor %}").value(),
            "99998");
  EXPECT_EQ(RenderWith("{{ ('x' * 4000000) | length }}").value(), "4000000");
  EXPECT_EQ(RenderWith("{{ " + Repeat("(", 100) + "1" + Repeat(")", 100) + " }}").value(), "1");
  EXPECT_EQ(
      RenderWith("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% else %}end{% endif %}{% endmacro %}{{ f(100) }}").value(),
      "end");
  EXPECT_EQ(RenderWith(Repeat("{% if true %}", 100) + "x" + Repeat("{% endif %}", 100)).value(), "x");
}

// Chains of any length and circles through namespaces, macros and loops: taken apart without recursion, nothing leaks
// (the sanitizers tell).
TEST(JinjaLimitsTest, ChainsAndCirclesAreFreed) {
  EXPECT_EQ(RenderWith("{% set n = namespace(p=none) %}{% for i in range(99999) %}{% set n.p = namespace(p=n.p) %}"
                       "{% endfor %}end")
                .value(),
            "end");
  EXPECT_EQ(RenderWith("{% set n = namespace() %}{% set n.self = n %}{% set n.list = [n, {'n': n}] %}end").value(),
            "end");
  EXPECT_EQ(RenderWith("{% set n = namespace() %}{% macro f() %}{{ n.f is defined }}{% endmacro %}{% set n.f = f %}"
                       "{{ n.f() }}")
                .value(),
            "True");
  EXPECT_EQ(
      RenderWith("{% set n = namespace() %}{% for i in range(3) %}{% set n.loop = loop %}{% set n.i = i %}{% endfor %}"
                 "{{ n.loop.index }}{{ n.loop.last }}")
          .value(),
      "3True");
  EXPECT_EQ(RenderWith("{% set n = namespace(m=none) %}{% for i in range(9999) %}{% macro f() %}{{ i }}{% endmacro %}"
                       "{% set n.m = f %}{% endfor %}{{ n.m() }}")
                .value(),
            "9998");
}

TEST(JinjaLimitsTest, LoopsNestAsDeepAsValues) {
  EXPECT_THAT(std::string(RenderWith("{% set n = namespace(l=none) %}{% for i in range(999) %}{% for j in [n.l] %}"
                                     "{% set n.l = loop %}{% endfor %}{% endfor %}")
                              .status()
                              .message()),
              HasSubstr("nest"));
}

TEST(JinjaLimitsTest, DeepInputIsRefused) {
  boost::json::value deep = 1;
  for (int i = 0; i < kMaxValueDepth + 1; ++i) deep = boost::json::array{std::move(deep)};
  EXPECT_THAT(std::string(RenderWith("x", deep).status().message()), HasSubstr("nest"));
}

TEST(JinjaLimitsTest, LongInputIsRefused) {
  const boost::json::string text(kMaxStringBytes + 1, 'x');
  EXPECT_THAT(std::string(RenderWith("{{ x }}", text).status().message()), HasSubstr("MiB"));
}

TEST(JinjaLimitsTest, BadUtf8IsRefused) {
  EXPECT_THAT(std::string(RenderWith("a\xff").status().message()), HasSubstr("byte 1 is not valid UTF-8"));
  EXPECT_THAT(std::string(RenderWith("{{ x }}", "\xc3").status().message()), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace batucada::jinja
