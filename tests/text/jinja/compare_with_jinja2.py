#!/usr/bin/env python3
"""Renders random templates with jinja2 and with this engine and reports where they differ.

    build/jinja-venv/bin/python tests/text/jinja/compare_with_jinja2.py PATH/TO/jinja_render [COUNT [SEED]]

The virtual environment is that of make_goldens.py.
"""

import json
import random
import re
import subprocess
import sys

import jinja_environment
import snippets

# Expressions by the type that they have, mostly. $s $n $f $l $b $d $t $a stand for another string, integer, float, list,
# bool, dict, test or anything.
GRAMMAR = {
    "s": ["s", "u", "lines", "blank", "empty", "quotes", "words[0]", "people[1].name", "'a'", "'abc'", "' '", "','", "'é'",
          "'Hello'", "'\\n'", "'%s'", "$s.upper()", "$s.lower()", "$s.title()", "$s.capitalize()", "$s.swapcase()",
          "$s.strip()", "$s.strip($s)", "$s.lstrip($s)", "$s.rstrip($s)", "$s.replace($s, $s)",
          "$s.replace($s, $s, $n)", "$s.join($l | map('string'))", "$s.center($n, '*')", "$s.zfill($n)",
          "$s.ljust($n)", "$s.rjust($n, 'é')", "$s.removeprefix($s)", "$s.removesuffix($s)", "$s[$n]",
          "$s[$n:]", "$s[:$n]", "$s[$n:$n]", "$s[::$n]", "$s[$n:$n:$n]", "($s + $s)", "($s ~ $a)",
          "($s * $n)", "($a | string)", "($s | trim)", "($s | trim($s))", "($s | upper)", "($s | lower)",
          "($s | title)", "($s | capitalize)", "($s | reverse)", "($s | replace($s, $s))", "($l | join)",
          "($l | join($s))", "($a | tojson)", "($a | tojson(indent=$n))", "($s | indent)", "($s | indent($n, $b, $b))",
          "($s | truncate($n))", "($s | truncate($n, $b, '..', 0))", "($s | center($n))", "($s % $a)",
          "('%s-%s' % ($a, $a))", "('%d|%5d|%-4d|%x' % ($n, $n, $n, $n))", "'{} {}'.format($a, $a)",
          "'{:>8}|{:^9}'.format($s, $s)", "'{:.2f}|{:+d}'.format($f, $n)", "($s if $b else $s)",
          "($s | first)", "($s | last)", "($s or $s)", "($s and $s)", "($a | default($s, $b))",
          "($l | map('string') | join($s))", "($s | safe)", "($l | map('string') | min)", "$s.format($a)"],
    "n": ["0", "1", "2", "-1", "3", "10", "n", "m", "true", "($n + $n)", "($n - $n)", "($n * $n)", "($n // $n)",
          "($n % $n)", "-$n", "($s | length)", "($l | length)", "$s.find($s)", "$s.rfind($s, $n)",
          "$s.count($s)", "$s.index($s)", "$l.index($a)", "$l.count($a)", "($l | sum)", "($a | int)",
          "($a | int($n))", "($n | abs)", "($s | wordcount)", "($l | list | length)", "($n if $b else $n)",
          "people[0].age", "d.b", "($f | int)", "($f | round | int)", "($l | first)"],
    "f": ["f", "1.5", "-2.25", "1e3", "tiny", "huge", "($n / $n)", "($f + $n)", "($f * $f)", "($n ** $n)",
          "($f // $n)", "($f % $n)", "($f | round)", "($f | round($n))", "($f | round(1, 'floor'))", "($a | float)",
          "($f | abs)"],
    "l": ["l", "words", "people", "mixed", "[]", "tree", "[$a]", "[$a, $a]", "($a, $a)", "($l + $l)", "($l * 2)",
          "$l[$n:]", "$l[:$n]", "$l[::$n]", "$s.split()", "$s.split($s)", "$s.split($s, $n)", "$s.rsplit($s, $n)",
          "$s.splitlines()", "$s.splitlines($b)", "$s.split(none, $n)", "$s.rsplit(none, $n)", "($l | list)",
          "($l | reverse | list)", "($l | sort)", "($l | sort($b))", "($l | sort($b, $b))", "($l | unique | list)",
          "($s | list)", "($l | map('string') | list)", "($l | map('upper') | list)", "($l | map('length') | list)",
          "($l | select('string') | list)", "($l | reject('none') | list)", "($l | select | list)",
          "($l | selectattr('age') | list)", "(people | selectattr('age', 'gt', $n) | map(attribute='name') | list)",
          "($l | map(attribute='name') | list)", "($l | select('in', $l) | list)", "($l | select('equalto', $a) | list)",
          "($d.items() | list)", "($d.keys() | list)", "($d.values() | list)", "($d | dictsort)", "($d | items | list)",
          "($l | batch($n) | list)", "(range($n) | list)", "(range($n, $n) | list)", "$s.partition($s)",
          "$s.rpartition($s)", "($l if $b else $l)", "($l or $l)"],
    "b": ["yes", "no", "true", "false", "($a == $a)", "($a != $a)", "($n < $n)", "($s < $s)", "($l <= $l)",
          "($n > $f)", "($a in $l)", "($s in $s)", "($a in $d)", "($s not in $s)", "not $a", "($b and $b)",
          "($b or $b)", "$s.startswith($s)", "$s.endswith($s)", "$s.startswith(($s, $s))", "$s.isalpha()",
          "$s.isdigit()", "$s.isupper()", "$s.islower()", "$s.isspace()", "$s.isalnum()", "($a is $t)",
          "($a is not $t)", "($n < $n <= $n)", "($n is odd)", "($n is divisibleby $n)", "($a is sameas $b)"],
    "d": ["d", "deep", "{}", "people[0]", "{'k': $a}", "{$s: $a, 'z': $a}", "dict(a=$a)", "dict($d, b=$a)",
          "$d.copy()", "(deep.x)", "($d or $d)"],
    "t": ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence",
          "iterable", "true", "false", "lower", "upper", "callable", "in $l", "eq $a"],
    "a": ["$s", "$n", "$l", "$b", "$d", "$f", "none", "nil", "missing", "$d.a", "$d.get($s)", "$d.get($s, $a)",
          "$d[$s]", "$l[$n]", "($l | first)", "($l | last)", "($l | min)", "($l | max)", "x", "($a | default($a))",
          "($a if $b)", "$a.name", "($a or $a)", "($a and $a)", "($l | sum)", "($a + $a)", "($d | attr('a'))"],
}


class Generator:

    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, choices):
        return self.random.choice(choices)

    def of(self, kind, depth):
        if kind != "t" and self.random.random() < 0.02:
            kind = self.pick(list("snlbdfa"))  # what does not fit
        choices = GRAMMAR[kind]
        if depth <= 0:
            choices = [choice for choice in choices if "$" not in choice] or ["n"]
        return re.sub(r"\$(\w)", lambda match: self.of(match[1], depth - 1), self.pick(choices))

    def expression(self, depth):
        return self.of("a", depth)

    def blanks(self):
        return self.pick(["", "", " ", "\n", "  \n", "\n  ", "\n\n", "\t", " x "])

    def tag(self, inside):
        return f"{{%{self.pick(['', '-', '+', ''])} {inside} {self.pick(['', '-', '+', ''])}%}}"

    def block(self, depth):
        return "".join(self.statement(depth - 1) for _ in range(self.random.randrange(1, 4)))

    def statement(self, depth):
        kind = self.random.random()
        text = self.blanks()
        if depth <= 0 or kind < 0.3:
            open_sign, close_sign = self.pick(["", "-"]), self.pick(["", "-"])
            return f"{text}{{{{{open_sign} {self.expression(2)} {close_sign}}}}}{self.blanks()}"
        if kind < 0.5:
            other = self.tag("else") + self.block(depth) if self.random.random() < 0.5 else ""
            return text + self.tag(f"if {self.expression(2)}") + self.block(depth) + other + self.tag("endif")
        if kind < 0.7:
            condition = f" if {self.expression(1)}" if self.random.random() < 0.2 else ""
            sequence = self.pick(["l", "words", "people", "mixed", "d", "range(3)", "s", self.expression(1)])
            stop = self.tag(self.pick(["break", "continue"])) if self.random.random() < 0.1 else ""
            peek = self.pick(["", "{{ loop.index }}", "{{ loop.last }}", "{{ loop.length }}", "{{ loop.revindex0 }}"])
            return (text + self.tag(f"for x in {sequence}{condition}") + peek + self.block(depth) + stop
                    + self.tag("endfor"))
        if kind < 0.85:
            return text + self.tag(f"set {self.pick(['x', 'n', 's', 'q'])} = {self.expression(2)}") + "{{ x }}{{ q }}"
        if kind < 0.9:
            return text + self.tag("set q") + self.block(depth) + self.tag("endset") + "[{{ q }}]"
        if kind < 0.95:
            return text + self.tag("filter upper") + self.block(depth) + self.tag("endfilter")
        return f"{text}{{#{self.pick(['', '-', '+'])} c {self.pick(['', '-', '+'])}#}}{self.blanks()}"

    def template(self):
        if self.random.random() < 0.6:
            return "{{ " + self.expression(self.random.randrange(1, 5)) + " }}"
        return "".join(self.statement(3) for _ in range(self.random.randrange(1, 4))) + self.blanks()


def reference(source):
    try:
        return jinja_environment.render(source, snippets.VARIABLES)
    except RecursionError:
        raise
    except Exception as error:
        return error


def incomparable(expected, answer):
    """Differences that are meant: what Python prints with an address, and what this engine says it does not do."""
    if isinstance(expected, str) and any(word in expected for word in (" at 0x", "range(", "<LoopContext", "&lt;")):
        return True
    return any(word in answer.get("error", "") for word in (
        "64 bits", "is not supported", "cannot be printed", "unique is not for", "cannot be the key", "more than",
        "not supported for", "beyond", "too large", "a field inside a field", "only the conversions"))


def main():
    engine = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    generator = Generator(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    compared = differences = refused = 0
    for _ in range(count):
        source = generator.template()
        expected = reference(source)
        engine.stdin.write(json.dumps({"source": source, "variables": snippets.VARIABLES}) + "\n")
        engine.stdin.flush()
        answer = json.loads(engine.stdout.readline())
        if incomparable(expected, answer):
            continue
        compared += 1
        if isinstance(expected, Exception):
            refused += 1
            same = "error" in answer
        else:
            same = answer.get("text") == expected
        if not same:
            differences += 1
            print(f"{source!r}\n  jinja2: {expected!r}\n  engine: {answer!r}")
    print(f"{compared} compared, {refused} of them refused by jinja2, {differences} differ")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
