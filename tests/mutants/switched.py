"""Many mutants in one build: each is planted beside the code that it replaces, and an environment variable says which of
them is there when a program runs. What cannot be written so (a half sentence of C++, a constant expression) is left to
the one who asks, to be built on its own."""

import re

VARIABLE = "PLANTED_MUTANT"
PRELUDE = f"""#ifndef {VARIABLE}
#include <cstdlib>
inline bool PlantedMutant(int number) {{
  static const int there = std::getenv("{VARIABLE}") != nullptr ? std::atoi(std::getenv("{VARIABLE}")) : -1;
  return there == number;
}}
#define {VARIABLE}(number) PlantedMutant(number)
#endif
"""
DECLARATION = re.compile(r"(constexpr|const|auto|static|int\w*|size_t|double|float|bool|absl::\w+|std::\w+) [^=(]*=")


def balanced(text):
    depth = 0
    for letter in re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'', "", text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0:
            return False
    return depth == 0


def common(old, new):
    """What old and new begin and end with alike, at borders of words: (begin, end) as lengths."""
    begin = 0
    while begin < min(len(old), len(new)) and old[begin] == new[begin]:
        begin += 1
    end = 0
    while end < min(len(old), len(new)) - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    return begin, end


def condition(text):
    """(before, condition, behind) of an `if` or `while` that `text` begins with; None where it is none."""
    head = re.match(r"\s*(?:\} else )?(?:if|while) \(", text)
    if head is None:
        return None
    depth = 1
    for at in range(head.end(), len(text)):
        depth += (text[at] in "(") - (text[at] in ")")
        if depth == 0:
            return text[:head.end()], text[head.end():at], text[at:]
    return None


def switch(old, new, number):
    """C++ that does what `new` says when mutant `number` is there and else what `old` says; None where no way is seen."""
    there = f"{VARIABLE}({number})"
    body, instead = old.strip(), new.strip()
    if condition(old) and condition(new):  # ifs that differ in what they ask
        (before, asks, behind), (before2, asks2, behind2) = condition(old), condition(new)
        if before == before2 and behind == behind2 and not re.search(r"\bauto\b|;| = ", asks + asks2):
            return f"{before}{there} ? ({asks2}) : ({asks}){behind}"
    whole = body.endswith((";", "}")) and balanced(body) and not body.startswith(("else", "}", "case", "default"))
    if whole and balanced(instead) and (not instead or instead.endswith((";", "}"))) and not DECLARATION.match(body):
        return f"if ({there}) {{ {new}\n}} else {{ {old}\n}}\n"
    if whole and body.count(";") == 1 and instead.count(";") == 1 and DECLARATION.match(body):
        (name, value), (name2, value2) = old.split("=", 1), new.split("=", 1) if "=" in new else ("", "")
        if name == name2:
            value, value2 = value.strip().rstrip(";"), value2.strip().rstrip(";")
            return f"{name.replace('constexpr', 'const')}= {there} ? ({value2}) : ({value});\n"
    field = re.match(r"\.\w+ = ", body)
    if field and instead.startswith(field[0]) and body.endswith(",") and instead.endswith(","):
        return f"{field[0]}{there} ? ({instead[len(field[0]):-1]}) : ({body[len(field[0]):-1]}),"
    if not re.search(r"[;{}]", body + instead) and instead and balanced(body) and balanced(instead) and not re.match(
            r"[&|<>=?:,]|.*(&&|\|\||[-+*/,=?:])$", body, re.DOTALL):
        return f"({there} ? ({new}) : ({old}))"
    return None


class Planted:
    """A file with as many of its mutants as can be switched, and where each stands in it."""

    def __init__(self, text, numbered):
        """`numbered`: (number, mutant) of this file."""
        places, taken = [], []
        for number, mutant in numbered:
            written = mutant.get("switch", "").replace("MUTANT", f"{VARIABLE}({number})") or switch(
                mutant["old"], mutant["new"], number)
            begin = text.find(mutant["old"])
            end = begin + len(mutant["old"])
            if written and not any(begin < e and b < end for b, e in taken):
                taken.append((begin, end))
                places.append((begin, end, written, number))
        self.numbers = [place[3] for place in places]
        self.lines = {}  # number: (first, last) line
        out, at = PRELUDE, 0
        for begin, end, written, number in sorted(places):
            out += text[at:begin]
            first = out.count("\n") + 1
            out += written
            self.lines[number] = first, out.count("\n") + 1
            at = end
        self.text = out + text[at:]

    def at(self, line):
        """The numbers of mutants that stand on this line."""
        return [number for number, (first, last) in self.lines.items() if first <= line <= last]
