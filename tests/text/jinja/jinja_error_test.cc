// What is wrong or not supported is named, with its place.
#include <gtest/gtest.h>

#include <string>

#include "text/jinja/template.h"

namespace batucada::jinja {
namespace {

struct Case {
  const char* source;
  const char* error;
};

TEST(JinjaErrorTest, WrongTemplatesAreRefusedAtTheirPlace) {
  for (const Case& c : {
           Case{"a\n  {% if x %}\n",
                "line 2, column 13: the block that begins here has no end: {% endif %} is missing"},
           Case{"{% for x in y %}",
                "line 1, column 17: the block that begins here has no end: {% endfor %} is missing"},
           Case{"é {{ x", "line 1, column 3: this tag has no end: }} is missing"},
           Case{"{# x", "line 1, column 1: this comment has no end: #} is missing"},
           Case{"{% raw %}", "line 1, column 1: this raw block has no end: {% endraw %} is missing"},
           Case{"\n\n{% nosuch %}", "line 3, column 4: unknown tag 'nosuch'"},
           Case{"{% endfor %}", "line 1, column 4: unknown tag 'endfor'"},
           Case{"{{ 1 2 }}", "line 1, column 6: expected '}}', found a number"},
           Case{"{{ }}", "line 1, column 4: expected an expression, found '}}'"},
           Case{"{{ (1 }}", "line 1, column 7: unexpected '}', expected ')'"},
           Case{"{{ 'x }}", "line 1, column 4: this string has no end"},
           Case{"{{ $ }}", "line 1, column 4: unexpected character '$'"},
           Case{"{% set 1 = 2 %}", "line 1, column 8: expected a name to assign to, found a number"},
           Case{"{% set none = 2 %}", "line 1, column 8: can't assign to 'none'"},
           Case{"{% break %}", "line 1, column 4: 'break' outside of a loop"},
           Case{"{{ '\\x4' }}", "line 1, column 4: a \\x, \\u or \\U in this string lacks hexadecimal digits"},
       }) {
    const auto parsed = Template::Parse(c.source);
    ASSERT_FALSE(parsed.ok()) << c.source;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << c.source;
    EXPECT_EQ(std::string(parsed.status().message()), c.error) << c.source;
  }
}

TEST(JinjaErrorTest, UnsupportedConstructsAreNamedAtLoad) {
  for (const Case& c : {
           Case{"{% include 'x' %}", "line 1, column 4: the tag 'include' is not supported"},
           Case{"{% import 'x' as y %}", "line 1, column 4: the tag 'import' is not supported"},
           Case{"{% extends 'x' %}", "line 1, column 4: the tag 'extends' is not supported"},
           Case{"{% block x %}{% endblock %}", "line 1, column 4: the tag 'block' is not supported"},
           Case{"{% autoescape true %}", "line 1, column 4: the tag 'autoescape' is not supported"},
           Case{"{{ x[1, 2] }}", "line 1, column 7: a subscript with a comma is not supported"},
           Case{"{{ 99999999999999999999 }}", "line 1, column 4: an integer of more than 64 bits"},
           Case{"{{ '\\N{DASH}' }}",
                "line 1, column 4: a string escape (\\N or a backslash before a character that is not ASCII)"},
       }) {
    const auto parsed = Template::Parse(c.source);
    ASSERT_FALSE(parsed.ok()) << c.source;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kUnimplemented) << c.source;
    EXPECT_EQ(std::string(parsed.status().message()), c.error) << c.source;
  }
}

// Templates for several servers speak of filters that only one of them has.
TEST(JinjaErrorTest, WhatIsMissingMattersOnceItIsAskedFor) {
  const boost::json::value x = {{"s", "text"}, {"l", {1, 2}}};
  const Variable variables[] = {{"x", &x}};
  for (const Case& c : {
           Case{"{{ x | nosuch }}", "there is no filter 'nosuch' (chat template, line 1, column 8)"},
           Case{"{{ x | a.b.c }}", "there is no filter 'a.b.c' (chat template, line 1, column 8)"},
           Case{"{{ x is nosuch }}", "there is no test 'nosuch' (chat template, line 1, column 6)"},
           Case{"{{ x is not nosuch }}", "there is no test 'nosuch' (chat template, line 1, column 6)"},
           Case{"{{ x.l | map('nosuch') | list }}", "there is no filter 'nosuch' (chat template, line 1, column 10)"},
           Case{"{{ [x] | selectattr('s', 'nosuch') | list }}",
                "there is no test 'nosuch' (chat template, line 1, column 10)"},
           Case{"x\n{{ x | urlize }}", "the filter 'urlize' is not supported (chat template, line 2, column 8)"},
           Case{"{{ x.l | map('groupby') | list }}",
                "the filter 'groupby' is not supported (chat template, line 1, column 10)"},
           Case{"{{ x.s.encode() }}", "the method 'encode' is not supported (chat template, line 1, column 14)"},
           Case{"{{ cycler(1) }}", "the function 'cycler' is not supported (chat template, line 1, column 10)"},
       }) {
    const auto parsed = Template::Parse(c.source);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const auto text = (*parsed)->Render(variables, absl::UnixEpoch());
    ASSERT_FALSE(text.ok()) << c.source;
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(std::string(text.status().message()), c.error) << c.source;
    for (const char* around : {"{% if false %}@{% endif %}", "{% if true %}{% else %}@{% endif %}",
                               "{% macro f() %}@{% endmacro %}", "{% for a in [] %}@{% endfor %}"}) {
      std::string source = around;
      source.replace(source.find('@'), 1, c.source);
      const auto untaken = Template::Parse(source);
      ASSERT_TRUE(untaken.ok()) << untaken.status();
      EXPECT_EQ((*untaken)->Render(variables, absl::UnixEpoch()).value_or("an error"), "") << source;
    }
  }
}

TEST(JinjaErrorTest, RunTimeErrorsTellTheirPlace) {
  const boost::json::value d = {{"a", 1}};
  const Variable variables[] = {{"d", &d}};
  for (const Case& c : {
           Case{"{{ raise_exception('No tools!') }}", "No tools! (chat template, line 1, column 19)"},
           Case{"\n{{ nosuch.x }}", "'nosuch' is undefined (chat template, line 2, column 10)"},
           Case{"{{ d.b.c }}", "'dict object' has no attribute 'b' (chat template, line 1, column 7)"},
           Case{"{{ d['b'] + 1 }}", "'dict object' has no attribute 'b' (chat template, line 1, column 11)"},
           Case{"{{ none.strip() }}", "'None' has no attribute 'strip' (chat template, line 1, column 14)"},
           Case{"{{ 'a' + 1 }}", "can only concatenate str (not \"int\") to str (chat template, line 1, column 8)"},
           Case{"{{ d.pop('a') }}",
                "access to attribute 'pop' of 'dict' object is unsafe. (chat template, line 1, column 9)"},
           Case{"{{ 1 // 0 }}", "division by zero (chat template, line 1, column 6)"},
           Case{"{{ d.items }}", "a builtin_function_or_method cannot be printed (chat template, line 1, column 1)"},
           Case{"{{ range(3) }}", "a range cannot be printed; make it a list first (chat template, line 1, column 1)"},
           Case{"{{ 9223372036854775807 + 1 }}", "an integer of more than 64 bits (chat template, line 1, column 24)"},
       }) {
    const auto parsed = Template::Parse(c.source);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const auto text = (*parsed)->Render(variables, absl::UnixEpoch());
    ASSERT_FALSE(text.ok()) << c.source;
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(std::string(text.status().message()), c.error) << c.source;
  }
}

}  // namespace
}  // namespace batucada::jinja
