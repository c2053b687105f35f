// The work that is counted is the work that is done: for every operator, method and filter on the shapes that are worst
// for it, what is counted grows as its input does, and no operation takes much longer for what it counts than another.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <ostream>
#include <string>
#include <vector>

#include "text/jinja/runtime.h"
#include "text/jinja/template.h"

namespace batucada::jinja {
namespace {

struct Shape {
  const char* name;
  const char* source;      // over the text `s` and the list `l`
  const char* unit = "a";  // `s` is this over and over
  int size = 40'000;       // bytes of `s`

  friend void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }
};

std::string TextOf(const Shape& shape, int times) {
  std::string text;
  while (text.size() < static_cast<size_t>(shape.size) * static_cast<size_t>(times)) text += shape.unit;
  return text;
}

struct Cost {
  int64_t work = 0;
  double seconds = 0;  // of this process, the least of a few runs
};

Cost CostOf(const Shape& shape, int times) {
  const auto parsed = Template::Parse(shape.source);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  const boost::json::value text = TextOf(shape, times).c_str();
  boost::json::array items;
  boost::json::object entries;
  for (int i = 0; i < shape.size / 40 * times; ++i) {
    const std::string name = "Item " + std::to_string((i * 7919) % 100'003);
    items.push_back({{"name", name.c_str()}, {"size", i}});
    entries[name] = i;
  }
  const boost::json::value list = std::move(items), dict = std::move(entries);
  const Variable variables[] = {{"s", &text}, {"l", &list}, {"d", &dict}};
  // What it takes to hand over the variables is not the operation's.
  const auto empty = Template::Parse("");
  Cost cost{.seconds = 1e9};
  for (int run = 0; run < 3; ++run) {
    int64_t work = 0, handed_over = 0;
    const std::clock_t begin = std::clock();
    EXPECT_TRUE((*empty)->Render(variables, absl::UnixEpoch(), &handed_over).ok());
    const std::clock_t middle = std::clock();
    const auto rendered = (*parsed)->Render(variables, absl::UnixEpoch(), &work);
    const std::clock_t end = std::clock();
    EXPECT_TRUE(rendered.ok()) << rendered.status();
    cost.work = work - handed_over;
    cost.seconds = std::min(cost.seconds, static_cast<double>((end - middle) - (middle - begin)) / CLOCKS_PER_SEC);
  }
  return cost;
}

class JinjaWorkTest : public testing::TestWithParam<Shape> {
 protected:
  static double SecondsPerUnit() {
    static const double kLoop = [] {
      const Cost cost = CostOf({"Loop", "{% for a in range(50000) %}{% set b = a + 1 %}{% endfor %}"}, 1);
      return cost.seconds / static_cast<double>(cost.work);
    }();
    return kLoop;
  }
};

TEST_P(JinjaWorkTest, IsCountedAsItIsDone) {
  const Cost once = CostOf(GetParam(), 1), four = CostOf(GetParam(), 4);
  EXPECT_GT(once.work, 0);
  EXPECT_LT(four.work, 6 * once.work + 64 * kWorkPerStep);
  EXPECT_LT(four.work, kMaxWork / 2);
  // A generous factor: sanitizers slow some code down more than other, and a microsecond is what can be told.
  EXPECT_LT(four.seconds, 25 * SecondsPerUnit() * static_cast<double>(four.work) + 2e-3)
      << four.work << " units counted, " << SecondsPerUnit() * 1e9 << " ns each in a loop";
}

const Shape kShapes[] = {
    {"ReplaceEach", "{{ s | replace('a', 'b') | length }}"},
    {"ReplaceLonger", "{{ s | replace('a', 'bcd') | length }}"},
    {"ReplaceMethod", "{{ s.replace('a', '') | length }}"},
    {"ReplaceBetween", "{{ s.replace('', 'x') | length }}"},
    {"ReplaceAlmost", "{{ s.replace('aaaaaaaaaaaaaaaaaaab', 'x') | length }}"},
    {"SplitEach", "{{ s.split('a') | length }}"},
    {"SplitWords", "{{ s.split() | length }}", "a "},
    {"SplitWordsOfSpaces", "{{ s.split() | length }}", "\xe3\x80\x80"},
    {"RightSplit", "{{ s.rsplit('a') | length }}"},
    {"RightSplitWords", "{{ s.rsplit() | length }}", "a "},
    {"SplitLines", "{{ s.splitlines() | length }}", "\n"},
    {"CountEach", "{{ s.count('a') }}"},
    {"Partition", "{{ s.partition('b') | length }}{{ s.rpartition('b') | length }}"},
    {"Find", "{{ s.find('ab') }}{{ s.rfind('ba') }}"},
    {"FindInItself", "{{ s.find(s) }}{{ s in s }}"},
    {"LongNeedles", "{% for i in range(100) %}{{ 'a'.find(s) }}{{ 'a'.startswith(s) }}{{ s in 'a' }}{% endfor %}"},
    {"LongPrefixes", "{% for i in range(100) %}{% set b = 'a'.removeprefix(s) ~ 'b'.strip(s[:99]) %}{% endfor %}"},
    {"Strip", "{{ s.strip() | length }}{{ s | trim | length }}", " "},
    {"StripCharacters", "{{ s.strip('bcda') | length }}"},
    {"Upper", "{{ s.upper() | length }}", "\xc3\x9f"},
    {"Lower", "{{ s | lower | length }}", "\xce\xa3'"},
    {"LowerSigmas", "{{ s.lower() | length }}", "\xce\xa3"},
    {"Title", "{{ s | title | length }}{{ s.title() | length }}", "a-"},
    {"Capitalize", "{{ s | capitalize | length }}", "\xef\xac\x81"},
    {"SwapCase", "{{ s.swapcase() | length }}", "aB"},
    {"IsAlnum", "{{ s.isalnum() }}{{ s.isupper() }}{{ s.isspace() }}{{ s is lower }}"},
    {"WordCount", "{{ s | wordcount }}", "a "},
    {"Truncate", "{{ s | truncate(1000) | length }}{{ s | truncate(1000, true) | length }}", "ab "},
    {"Indent", "{{ s | indent(2, true, true) | length }}", "\n"},
    {"Center", "{{ s | center(200000) | length }}{{ s.ljust(9) | length }}{{ s.zfill(9) | length }}"},
    {"Escape", "{{ s | e | length }}{{ (s | safe + '<') | length }}", "<"},
    {"ToJson", "{{ s | tojson | length }}", "\""},
    {"ToJsonControls", "{{ s | tojson | length }}", "\x01"},
    {"ToJsonAscii", "{{ s | tojson(ensure_ascii=true) | length }}", "\xf0\x9f\x98\x80"},
    {"ToJsonList", "{{ l | tojson(indent=2) | length }}{{ l | tojson(sort_keys=true) | length }}"},
    {"ToJsonDict", "{{ d | tojson(sort_keys=true) | length }}"},
    {"Repr", "{{ [s] | string | length }}", "\x01"},
    {"ReprWide", "{{ [s] | string | length }}", "\xf3\xa0\x80\x80"},
    {"Format", "{{ ('%s|%r|%5s' % (s, s, s)) | length }}"},
    {"FormatMany", "{{ s % () }}", "%%"},
    {"BraceFormat", "{{ s.format(1) | length }}", "{0}"},
    {"BraceFormatText", "{{ '{}{!r}{:>9}'.format(s, s, s) | length }}"},
    {"Slice", "{{ s[1:-1] | length }}{{ s[::2] | length }}{{ s[::-1] | length }}", "\xc3\xa9"},
    {"Reverse", "{{ s | reverse | length }}"},
    {"Index", "{% for i in range(50) %}{{ s[i] }}{{ s[-1] }}{% endfor %}", "\xc3\xa9"},
    {"Length", "{% for i in range(50) %}{% set b = s | length %}{% endfor %}", "\xc3\xa9"},
    {"Characters", "{% for c in s %}{% endfor %}", "a", 4000},
    {"Concatenate", "{% set b = s ~ s ~ s %}{% set b = s + s %}{{ b | length }}"},
    {"Repeat", "{{ ('a' * (s | length * 10)) | length }}{{ ([1] * (s | length)) | length }}"},
    {"Join", "{{ s | join(',') | length }}{{ ','.join(s) | length }}", "a", 4000},
    {"JoinNames", "{{ l | join(', ', attribute='name') | length }}"},
    {"Sort", "{{ l | sort(attribute='name') | length }}"},
    {"SortBySeveral", "{{ l | sort(attribute='size,name', reverse=true) | length }}"},
    {"DictSort", "{{ d | dictsort | length }}{{ d | dictsort(by='value') | length }}"},
    {"Unique", "{{ l | map(attribute='name') | unique | list | length }}"},
    {"MinMax", "{{ (l | min(attribute='name')).size }}{{ (l | max(attribute='size')).size }}"},
    {"Sum", "{{ l | sum(attribute='size') }}"},
    {"Map", "{{ l | map(attribute='name') | map('upper') | list | length }}"},
    {"Select", "{{ l | selectattr('size', 'gt', 3) | rejectattr('name', 'in', ['x']) | list | length }}"},
    {"Batch", "{{ l | batch(3) | list | length }}"},
    {"Items", "{% for k, v in d | items %}{% endfor %}{{ d.keys() | length }}{{ d.values() | list | length }}"},
    {"Lookups", "{% for k in d %}{% set b = d[k] + d.get(k) %}{{ '' if k in d else 'no' }}{% endfor %}"},
    {"CopyDict", "{{ dict(d) | length }}{{ d.copy() | length }}{{ dict(d.items()) | length }}"},
    {"ListOperators", "{{ (l + l) | length }}{{ l[1:] | length }}{{ l == l + [] }}{{ 3 in l }}"},
    {"DictEquality", "{{ d == dict(d) }}"},
    {"Keywords", "{% macro f(a, b) %}{{ kwargs | length }}{% endmacro %}{{ f(1, 2, **d) }}", "a", 2000},
    {"Positionals", "{% macro f(a) %}{{ varargs | length }}{% endmacro %}{{ f(*l) }}"},
    {"IntOfDigits", "{{ s | int }}{{ s | float }}", "0"},
    {"IntOfUnderscores", "{{ s | int }}", "0_"},
    {"Macro", "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(f(f(s))) | length }}"},
    {"SetBlock", "{% set b %}{{ s }}{% endset %}{% filter upper %}{{ b }}{% endfilter %}"},
};

INSTANTIATE_TEST_SUITE_P(All, JinjaWorkTest, testing::ValuesIn(kShapes),
                         [](const testing::TestParamInfo<Shape>& test) { return std::string(test.param.name); });

// What ran for seconds under the limit of half a second.
TEST(JinjaWorkLimitTest, ManySmallReplacementsEndSoon) {
  const auto parsed = Template::Parse("{% for i in range(1000) %}{% set b = s.replace('a', 'b') %}{% endfor %}");
  const boost::json::value text = std::string(200'000, 'a').c_str();
  const Variable variables[] = {{"s", &text}};
  int64_t work = 0;
  const auto rendered = (*parsed)->Render(variables, absl::UnixEpoch(), &work);
  ASSERT_FALSE(rendered.ok());
  EXPECT_NE(std::string(rendered.status().message()).find("steps"), std::string::npos) << rendered.status();
  EXPECT_LT(work, kMaxWork + kMaxWork / 10);
}

}  // namespace
}  // namespace batucada::jinja
