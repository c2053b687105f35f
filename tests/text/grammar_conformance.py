"""Texts drawn from grammars at random, judged by programs that know nothing of ours: `jsonschema` for schemas, `re` for
regular expressions. No text may be invalid; what is refused must be refused by name.

  python tests/text/grammar_conformance.py [--schemas N] [--draws N] [--seed N] [--tokenizer DIR]
"""

import argparse
import json
import os
import pathlib
import random
import re
import subprocess
import sys

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORDS = ["a", "b", "name", "ünï", "x y", 'q"uote', "back\\slash", "né\nwline", "", "id", "日本"]

# Name, schema, and whether it is served: None where it must be refused.
CASES = {
    "pydantic": {"$defs": {"Step": {"properties": {"explanation": {"title": "E", "type": "string"},
                                                   "output": {"type": "string"}},
                                    "required": ["explanation", "output"], "title": "Step", "type": "object",
                                    "additionalProperties": False}},
                 "properties": {"steps": {"items": {"$ref": "#/$defs/Step"}, "type": "array"},
                                "final": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
                 "required": ["steps", "final"], "type": "object", "additionalProperties": False},
    "tree": {"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"},
                                                                 "next": {"anyOf": [{"$ref": "#/$defs/node"},
                                                                                    {"type": "null"}]}},
                                "required": ["v", "next"]}}, "$ref": "#/$defs/node"},
    "discriminated": {"oneOf": [{"type": "object", "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}},
                                 "required": ["kind"]},
                                {"type": "object", "properties": {"kind": {"const": "dog"}, "tail": {"type": "boolean"}},
                                 "required": ["kind"]}]},
    "all of": {"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
                         {"properties": {"a": {"maximum": 9}, "b": {"type": "string", "maxLength": 3}}, "required": ["b"]}]},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"enum": ["x", "y"]}], "items": False, "minItems": 1},
    "long": {"type": "string", "minLength": 30, "maxLength": 60},
    "map": {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 1, "maxProperties": 3},
    "named map": {"type": "object", "propertyNames": {"pattern": "^[a-z]{1,3}$"}, "additionalProperties": {"type": "null"}},
    "open": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": True},
    "pattern map": {"type": "object", "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": False},
    "pydantic's HttpUrl": {"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083},
    "short uri": {"type": "string", "format": "uri", "minLength": 30, "maxLength": 40},
    "zod's date-time": {"type": "string", "format": "date-time", "pattern":
                        r"^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z)$"},
    "annotated": {"type": "string", "format": "password"},
    "anything": {}, "true": True,
    "not": {"type": ["string", "integer"], "not": {"enum": ["a", "ab", "", "b\"c", 0, 7]}},
    "not a property": {"type": "object", "properties": {"a": {"enum": [1, 2, 3]}, "b": {"type": "string"}}, "required": ["a"],
                       "not": {"properties": {"a": {"const": 2}}, "required": ["a"]}},
    "if": {"type": "object", "properties": {"country": {"enum": ["US", "CA", "FR"]}, "zip": {"type": "string"}}, "required": ["country", "zip"],
           "if": {"properties": {"country": {"const": "US"}}, "required": ["country"]},
           "then": {"properties": {"zip": {"pattern": r"^\d{5}$"}}}, "else": {"properties": {"zip": {"maxLength": 7}}},
           "additionalProperties": False},
    "if as pydantic users write it": {"type": "object", "properties": {"a": {"type": "boolean"}, "b": {"type": "integer"}}, "required": ["a"],
                                      "if": {"properties": {"a": {"const": True}}}, "then": {"required": ["b"]}},
    "dependent": {"type": "object", "properties": {"card": {"type": "integer"}, "address": {"type": "string"}, "x": {}},
                  "dependentRequired": {"card": ["address"]}, "dependentSchemas": {"x": {"properties": {"address": {"minLength": 3}}}}},
    "contains": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "contains": {"minimum": 90}, "minContains": 2, "maxContains": 3},
    "unevaluated": {"$defs": {"base": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}},
                    "$ref": "#/$defs/base", "properties": {"name": {"type": "string"}}, "unevaluatedProperties": False},
    "unevaluated ways": {"type": "object", "properties": {"kind": {"type": "string"}}, "unevaluatedProperties": {"type": "null"},
                         "anyOf": [{"properties": {"kind": {"const": "a"}, "a": {"type": "integer"}}, "required": ["kind"]},
                                   {"properties": {"b": {"type": "boolean"}}, "required": ["b"]}]},
    "overlapping one of": {"type": "integer", "minimum": -20, "maximum": 20, "oneOf": [{"minimum": 0}, {"maximum": 10}]},
    "named": {"$id": "https://example.com/a", "$defs": {"s": {"$id": "b", "$anchor": "here", "type": "string", "maxLength": 4}},
              "properties": {"x": {"$ref": "b"}, "y": {"$ref": "b#here"}}, "required": ["x", "y"]},
    "cousins": {"allOf": [{"properties": {"a": {"type": "integer"}}, "unevaluatedProperties": {"type": "string"}}, {"properties": {"b": {"maxLength": 3}}, "required": ["b"]}]},
    "bounded enum": {"enum": ["a", "abc", 3, 5], "maxLength": 2, "minimum": 4},
    "halves": {"type": "number", "multipleOf": 2.5, "minimum": 0, "maximum": 100},
    "cents": {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 9.99},
    "many": {"type": "integer", "multipleOf": 25000},
    "tens": {"type": "integer", "multipleOf": 10, "minimum": 10},
    "any halves": {"type": "number", "multipleOf": 0.5, "minimum": -1},
    "not whole": {"type": "number", "not": {"type": "integer"}, "minimum": -2},
    "one of whole and not": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "many kinds": {"oneOf": [{"type": "object", "properties": {"kind": {"const": f"k{i}"}, "x": {"type": "integer"}}, "required": ["kind"]}
                             for i in range(300)]},
    "asked for by both": {"oneOf": [{"type": "object", "properties": {"email": {"type": "string"}}, "required": ["id"]},
                                    {"type": "object", "properties": {"phone": {"type": "string"}}, "required": ["id"]}]},
    "not a pattern": {"type": "string", "not": {"pattern": "^a"}, "maxLength": 9},
    "not digits": {"type": "string", "pattern": r"^\w+$", "not": {"pattern": r"\d"}},
    "if a pattern": {"type": "string", "if": {"pattern": "^a"}, "then": {"maxLength": 3}, "else": {"pattern": "b"}},
    "one of two patterns": {"oneOf": [{"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}]},
    "two patterns": {"allOf": [{"type": "string", "pattern": "^[a-z]+$"}, {"pattern": "ab"}, {"minLength": 4, "maxLength": 30}]},
    "enum of a pattern": {"enum": ["ab", "cd", 5], "pattern": "^a"},
    "names and patterns": {"type": "object", "properties": {"foo": {"type": "array", "maxItems": 3}, "bar": {"type": "array"}}, "required": ["bar"],
                           "patternProperties": {"f.o": {"minItems": 2}, "^x": {"type": "string"}}, "additionalProperties": {"type": "integer"}},
    "patterns that meet": {"patternProperties": {"a*": {"type": "integer"}, "aaa*": {"maximum": 20}, "^b": False}, "minProperties": 1},
    "names that are bounded": {"type": "object", "properties": {"id": {"type": "integer"}, "Name": {"type": "string"}}, "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 5},
                               "additionalProperties": {"type": "boolean"}},
    "some of three": {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}, "minProperties": 2, "maxProperties": 2},
    "patterns left over": {"properties": {"foo": {"type": "string"}}, "allOf": [{"patternProperties": {"^bar": {"type": "string"}}}], "unevaluatedProperties": False},
    "contains at most": {"type": "array", "contains": {"type": "integer"}, "maxItems": 3},
    "contains behind a prefix": {"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": ["integer", "null"]}, "contains": {"type": "null"}, "minItems": 3},
    "contains twice": {"type": "array", "items": {"type": "integer"}, "allOf": [{"contains": {"maximum": 3}, "maxContains": 2}, {"contains": {"minimum": 50}}]},
    "claimed by contains": {"type": "array", "prefixItems": [{"type": "integer"}], "contains": {"type": "string"}, "unevaluatedItems": False},
    "unevaluated beside not": {"type": "object", "properties": {"a": {"type": "integer"}}, "not": {"not": {"properties": {"b": {}}}}, "unevaluatedProperties": False},
    "a set of few": {"type": "array", "items": {"enum": ["a", "b", 1, True]}, "uniqueItems": True, "minItems": 2},
    "a set of many": {"type": "array", "items": {"enum": [f"name{i}" for i in range(40)]}, "uniqueItems": True, "maxItems": 6},
    "dynamic": {"$id": "https://example.com/tree", "$ref": "node", "$dynamicAnchor": "value", "type": ["object"], "properties": {"extra": {"type": "null"}},
                "$defs": {"node": {"$id": "node", "$defs": {"any": {"$dynamicAnchor": "value"}}, "type": "object",
                                   "properties": {"children": {"type": "array", "maxItems": 2, "items": {"$dynamicRef": "#value"}}}}}},
}
REFUSED = {
    "$.properties.a.uniqueItems": {"properties": {"a": {"type": "array", "uniqueItems": True}}},
    "$.allOf[1].unevaluatedProperties": {"allOf": [{"anyOf": [{"properties": {"a": {}}}, {"type": "object"}], "unevaluatedProperties": False}, {"properties": {"b": {}}}]},
    "$.not.multipleOf": {"type": "integer", "not": {"multipleOf": 3}},
    "$.contains": {"type": "array", "contains": {"type": "integer"}, "minContains": 5000},
    "$.minProperties": {"type": "object", "minProperties": 2},
    "$.patternProperties": {"properties": {"\u0663": {}}, "patternProperties": {r"^\d$": {"type": "null"}}},
    "$.items.$dynamicRef": {"items": {"$dynamicRef": "#other"}},
    "$.$ref": {"$ref": "https://example.com/schema"},
    "$.pattern": {"type": "string", "pattern": "(?=a)b"},
    "$.format": {"type": "string", "format": "no-such"},
}
REGEXES = ["[a-z]{2,5}[0-9]+", "(yes|no|maybe)", r"\d{4}-\d{2}-\d{2}", r"[^\W\d]{1,3}", "(a|b)*c?", ".{3}", "x{0,300}y",
           r"\w+@\w+\.(com|org)", "[é-ü]+", r"^(?:\+\d{1,3} )?\d{3}$", "((a{1,3}b){2,4}|c){1,2}"]
GRAMMARS = [('root ::= "(" root ")" | [a-c]+', r"\(*[a-c]+\)*"),
            ('root ::= item ("," item)*\nitem ::= "x" | "y"{2,3} # two\n', r"(x|y{2,3})(,(x|y{2,3}))*")]
BOMBS = ["(" * 3000 + "a" + ")" * 3000, "((((a{1,9999}){1,9999}){1,9999}){1,9999}){1,9999}", "(a|a)" * 2000,
         "((a?){9999}){9999}", "[a-z]{9999}" * 40000]

NAMES = [f"name{i}" for i in range(20000)]
# Small to write and long to work out: refused, and soon.
SCHEMA_BOMBS = [
    {"allOf": [{"enum": NAMES}, {"enum": NAMES[::-1]}]},
    {"allOf": [{"required": NAMES[:10000]}, {"required": NAMES[10000:]}]},
    {"$defs": {"big": {"properties": {name: {"type": "string", "title": "x" * 20} for name in NAMES[:5000]}}},
     "allOf": [{"$ref": "#/$defs/big", "title": str(i)} for i in range(500)]},
    {"$defs": {"big": {"enum": NAMES}}, "anyOf": [{"$ref": "#/$defs/big"}] * 500},
    {"allOf": [{"anyOf": [{"type": "object", "properties": {f"k{i}_{j}": {"type": "integer"}}} for j in range(6)]}
               for i in range(8)]},
    {"type": "array", "prefixItems": [{"type": "integer", "minimum": i} for i in range(5000)]},
    {"properties": {"a" * 5000: {}, "b" * 5000: {}}, "additionalProperties": {"type": "integer"}},
    {"allOf": [{"properties": {"a": {"minLength": i}}} for i in range(10000)]},
    {"type": "string", "pattern": "(a|b)*a(a|b){20}$", "not": {"pattern": "c"}},
    {"patternProperties": {"a.{15}b": {"type": "null"}, "b.{15}a": {"type": "integer"}}},
    {"patternProperties": {f"a{i}": {"minimum": i} for i in range(20)}},
    {"type": "array", "contains": {"const": 1}, "minItems": 400, "allOf": [{"contains": {"const": 2}, "minContains": 30}]},
]


def random_alternative(r):
    """Small and alike, so that many values satisfy two."""
    plain = [{"type": "integer"}, {"type": "number"}, {"type": ["string", "null"]}, {"minLength": 2}, {"minLength": 3, "maxLength": 1},
             {"pattern": "a"}, {"minimum": 1}, {"const": "a"}, {"enum": [1, 1.5, "ab"]}, {"not": {"type": "integer"}}]
    if r.random() < 0.4:
        return r.choice(plain)
    schema = {"type": "object", "properties": {name: r.choice(plain) for name in r.sample("abc", r.randrange(3))},
              "required": [name for name in "abc" if r.random() < 0.4]}
    if r.random() < 0.2:
        del schema["type"]
    if r.random() < 0.2:
        schema["additionalProperties"] = r.choice([False, True, {"type": "integer"}])
    if r.random() < 0.2:
        schema[r.choice(["anyOf", "oneOf"])] = [random_alternative(r), random_alternative(r)]
    return schema


def random_schema(r, depth=0):
    kinds = ["string", "string", "integer", "number", "boolean", "null", "enum", "const"]
    if depth < 3:
        kinds += ["object"] * 4 + ["array"] * 2 + ["anyOf", "allOf", "types", "patterned", "among", "different", "otherwise", "oneOf"]
    kind = r.choice(kinds)
    schema = {"type": kind}
    if kind == "string":
        which = r.randrange(5)
        if which == 0:
            low = r.randrange(6)
            schema.update(minLength=low, maxLength=low + r.randrange(40))
        elif which == 1:
            schema["pattern"] = r.choice(["^[A-Z][a-z]*$", "a.b", r"^\d+$", r"\s", '^["\\\\]+$', "^(x|yz)+$", r"^\S{1,4}$"])
        elif which == 2:
            schema["format"] = r.choice(["date", "date-time", "time", "uuid", "email", "ipv4", "ipv6", "uri", "hostname"])
        if which in (1, 2) and r.random() < 0.5:
            low = r.randrange(6)
            schema.update(r.choice([{"minLength": low}, {"maxLength": low + r.randrange(60)},
                                    {"minLength": low, "maxLength": low + r.randrange(60)}]))
    elif kind in ("integer", "number"):
        if r.random() < 0.6:
            low = r.choice([-1000, -7, -1, 0, 1, 5, 99, 12345]) + (r.choice([0, 0.5, 0.25]) if kind == "number" else 0)
            schema[r.choice(["minimum", "exclusiveMinimum"])] = low
            if r.random() < 0.7:
                schema[r.choice(["maximum", "exclusiveMaximum"])] = low + r.choice([2, 17, 1000, 10**9])
        elif kind == "integer" and r.random() < 0.5:
            schema["multipleOf"] = r.choice([2, 3, 7, 10, 25])
    elif kind == "enum":
        schema = {"enum": r.sample([1, "a", None, True, {"k": [1, 'w"']}, [], -2.5, "ü", ""], r.randrange(1, 5))}
    elif kind == "const":
        schema = {"const": r.choice(["v", 3, {"a": None}, [1, "2"], 'q"'])}
    elif kind == "object":
        names = r.sample(WORDS, r.randrange(0, 5))
        schema["properties"] = {name: random_schema(r, depth + 1) for name in names}
        schema["required"] = [name for name in names if r.random() < 0.6]
        if r.random() < 0.5:
            schema["additionalProperties"] = r.choice([False, True, {"type": "integer"}])
    elif kind == "array":
        schema["items"] = random_schema(r, depth + 1)
        if r.random() < 0.5:
            schema["minItems"] = r.randrange(3)
            schema["maxItems"] = schema["minItems"] + r.randrange(1, 8)
        if r.random() < 0.2:
            schema["prefixItems"] = [random_schema(r, depth + 1)]
    elif kind == "anyOf":
        schema = {"anyOf": [random_schema(r, depth + 1) for _ in range(r.randrange(1, 4))]}
    elif kind == "allOf":
        low, high = sorted(r.sample(range(50), 2))
        schema = {"allOf": [{"type": "integer", "minimum": low}, {"maximum": high, "title": "t"}]}
    elif kind == "patterned":
        schema = {"type": "object", "properties": {name: random_schema(r, depth + 1) for name in r.sample(WORDS, r.randrange(3))},
                  "patternProperties": {pattern: random_schema(r, depth + 2) for pattern in r.sample(["^a", "e", r"^\w+$", "x.y", "^(id|ab)$"], r.randrange(1, 3))}}
        schema["required"] = [name for name in schema["properties"] if r.random() < 0.5]
        schema[r.choice(["additionalProperties", "unevaluatedProperties", "title"])] = r.choice([False, {"type": "null"}])
        if isinstance(schema.get("title", ""), (dict, bool)):
            del schema["title"]
        if r.random() < 0.3:
            schema[r.choice(["minProperties", "maxProperties"])] = r.randrange(1, 3)
        if r.random() < 0.3:
            schema["propertyNames"] = r.choice([{"maxLength": 4}, {"pattern": "^[a-z]"}, {"enum": WORDS[:5]}])
    elif kind == "among":
        found = r.choice([{"type": "integer", "minimum": 5}, {"const": "x"}, {"type": "string"}, {"enum": [1, None]}])
        schema = {"type": "array", "items": {"type": ["integer", "string", "null"]}, "contains": found}
        for name, most in (("minContains", 3), ("maxContains", 4), ("minItems", 4), ("maxItems", 8)):
            if r.random() < 0.3:
                schema[name] = r.randrange(most)
        if r.random() < 0.3:
            schema["prefixItems"] = [random_schema(r, depth + 2)]
        if r.random() < 0.3:
            schema["unevaluatedItems"] = schema.pop("items")
    elif kind == "different":
        schema = {"type": "array", "uniqueItems": True, "items": r.choice([{"type": ["boolean", "null"]}, {"enum": WORDS}, {"enum": [1, 2, "a", True]}])}
        if r.random() < 0.5:
            schema[r.choice(["minItems", "maxItems"])] = r.randrange(5)
    elif kind == "otherwise":
        schema = r.choice([
            {"type": "string", "not": {"pattern": r.choice(["a", "^b", r"\d", r"^\s*$"])}, "pattern": r.choice(["e", "^[a-f0-9 ]+$", r"^\S*$"])},
            {"type": "number", "multipleOf": r.choice([0.5, 0.01, 0.1, 2.5, 3]), "minimum": r.choice([-3, 0, 0.5]), "maximum": r.choice([4, 7.25, 12345.5])},
            {"oneOf": [{"type": "string", "pattern": "a"}, {"type": "string", "maxLength": 3}, {"type": "integer"}]},
            {"if": {"type": "string", "pattern": "^a"}, "then": {"minLength": 3}, "else": {"type": ["integer", "boolean"]}}])
    elif kind == "oneOf":
        schema = {"oneOf": [random_alternative(r) for _ in range(r.randrange(2, 4))]}
    elif kind == "types":
        schema = {"type": r.sample(["string", "integer", "null", "boolean"], 2)}
    return schema


class Draws:

    def __init__(self, program, tokenizer):
        self.process = subprocess.Popen([program, *([tokenizer] if tokenizer else [])], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, kind, text, draws, seed, **more):
        self.process.stdin.write(json.dumps({"kind": kind, "text": text, "draws": draws, "seed": seed, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the program ended at {kind} {text[:300]}"
        return json.loads(line)


def validate(schema, text):
    def no_constant(name):
        raise ValueError(name)
    value = json.loads(text, parse_constant=no_constant)
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER).validate(value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--schemas", type=int, default=300)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", default="")
    args = parser.parse_args()
    program = pathlib.Path(os.environ["BATUCADA_BINARY"]).with_name("grammar_draws")
    draws = Draws(str(program), args.tokenizer)
    r = random.Random(args.seed)
    failures, texts, unfinished, refused = [], 0, 0, {}

    def check(schema, must_serve):
        nonlocal texts, unfinished
        answer = draws.ask("json_schema", json.dumps(schema), args.draws, r.randrange(2**60))
        if "error" in answer:
            known = answer["error"].startswith("$") or "no text at all" in answer["error"]
            if must_serve or not known:
                failures.append((schema, answer))
            refused[answer["error"][:60]] = refused.get(answer["error"][:60], 0) + 1
            return
        unfinished += answer["unfinished"]
        for text in answer["texts"]:
            texts += 1
            try:
                validate(schema, text)
            except Exception as error:  # whatever the judge says
                failures.append((schema, text, str(error)[:300]))
                return

    for schema in CASES.values():
        check(schema, True)
    for _ in range(args.schemas):
        check(random_schema(r), False)
    for path, schema in REFUSED.items():
        answer = draws.ask("json_schema", json.dumps(schema), 1, 1)
        if not answer.get("error", "").startswith(path):
            failures.append((schema, answer))
    for pattern in REGEXES:
        answer = draws.ask("regex", pattern, 50, r.randrange(2**60))
        for text in answer.get("texts", []):
            texts += 1
            if re.fullmatch(pattern, text, re.DOTALL) is None:
                failures.append((pattern, text))
        if not answer.get("texts"):
            failures.append((pattern, answer))
    for grammar, pattern in GRAMMARS:
        answer = draws.ask("gbnf", grammar, 50, 1)
        for text in answer.get("texts", []):
            texts += 1
            if re.fullmatch(pattern, text) is None or text.count("(") != text.count(")"):
                failures.append((grammar, text))
        if not answer.get("texts"):
            failures.append((grammar, answer))
    for bomb in BOMBS:
        draws.ask("regex", bomb, 1, 1)  # whatever it says, soon
    for bomb in SCHEMA_BOMBS:
        if "too" not in draws.ask("json_schema", json.dumps(bomb), 1, 1).get("error", ""):
            failures.append((str(bomb)[:200], "not refused"))
    for grammar in ("root ::= root \"a\" | \"b\"", "root ::= a\na ::= b\nb ::= a | \"x\"", "root ::= missing", "x ::= \"a\""):
        if "error" not in draws.ask("gbnf", grammar, 1, 1):
            failures.append((grammar, "not refused"))

    print(f"{args.schemas + len(CASES)} schemas, {sum(refused.values())} refused, {texts} texts judged, "
          f"{unfinished} not finished, {len(failures)} failures")
    for reason, count in sorted(refused.items(), key=lambda one: -one[1])[:10]:
        print(f"  {count} x {reason}")
    for failure in failures[:10]:
        print("FAILURE", json.dumps(failure, ensure_ascii=False)[:1500])
    sys.exit(1 if failures or texts < args.schemas else 0)


if __name__ == "__main__":
    main()
