"""Makes docs/api.md of a server's /openapi.json and its --help: `python tests/integration/api_page.py` writes it, and a
test compares."""

import json
import pathlib

from server import ROOT, Server, run

DOC = ROOT / "docs/api.md"

HEAD = """# HTTP API

OpenAI's API for completions and chat, with the extensions that vLLM's users know. This page is made of the server's own
OpenAPI 3.1 description, which it serves at `/openapi.json`; a test compares them.

Every parameter that is not required may be `null`, which means its default. What other servers know and this one does
not act on (OpenAI's, vLLM's, SGLang's, llama.cpp's, TGI's, LiteLLM's parameters) is listed with the values at which it
changes nothing; any other value is refused with 400, naming parameter and value: nothing that would change an answer is
ignored. A name that is not listed, also in the query of a path that has parameters there, is ignored: the header
`x-ignored-parameters` names it, so that a misspelling is found, and `batucada_ignored_parameters_total` counts it. `--strict-parameters` refuses such names. Completions and chat
accept `store` and `metadata` and keep nothing.

Some things are taken that their own servers refuse, for programs rely on it: in chat a message of the role `tool` without
`tool_call_id`, or without a call before it; calls of the past whose `arguments` are no JSON, as one that was cut off is; on
`/v1/messages` no `max_tokens`, a `temperature` above 1, `thinking` without `budget_tokens` and any `metadata`. A
`function_call_output` on `/v1/responses` must have its call in the input or in what comes before it, and calls of one input have
different ids; a call without its output is taken.

`/v1/responses` and `/v1/conversations` are OpenAI's, for text: a response is chat whose past the server knows. What it is
given are its `instructions`, all items of `previous_response_id` or of the `conversation`, and the `input`; the chat
template makes of them what it would make of the same messages. It is kept unless `"store": false`; several may go on from
the same. `usage.input_tokens_details.cached_tokens` is what the prefix cache gave. `input_items` lists all that the
response was given, from the beginning. `/cancel` ends a response that is being made, whoever waits for it. Streams have
OpenAI's events, and no `[DONE]`. Functions among the `tools` are the client's to run; OpenAI's own tools are refused by name.
What a model thinks before it answers is an item of its own, `reasoning`, as text or, with `reasoning.summary`, as its
summary. [What is kept, how long, and what happens when it cannot
be](operations.md#stored-responses-and-conversations).

The names `dummy`, `tgi` and `default`, which clients write where no model was named, mean the first served one.
`system_fingerprint` changes with the model's files, the device and the program's version. `--served-model-name` may hold
`*` for any text: an answer then carries the name that was asked for. A prompt and `max_tokens` that do not fit get
`This model's maximum context length is N tokens…` with the code `context_length_exceeded`.

Errors have OpenAI's shape, `{"error": {"message", "type", "param", "code"}}`; the message says what to change. Where 429
or 503 refuses a request, `Retry-After` says when to come back. Every answer carries `x-request-id`: the client's own if
it sent a sound one, and `traceparent` (W3C) puts its trace id beside it in the log. The gRPC call `Abort` ends the
requests of such an id: with 409 and the code `cancelled`, and with `x-should-retry: false`, for OpenAI's clients would
send them again. Answers that are not streamed carry `Server-Timing` with the milliseconds of `queue`, `prefill` and
`decode`.

Beside OpenAI's members a choice has `stop_reason`, the stop string or stop token that ended it, and, where they were
asked for, `token_ids`, `prompt_token_ids` and `prompt_logprobs`; the latter two stand beside the choices in an answer
of chat, as in vLLM's. HEAD is answered wherever GET is.

`text_offset` says where each token's own text begins in the choice's `text`, in characters (code points), so that
`text[offset:]` begins with the token. The space before a word is a part of its token, as tokenizers count where they do not
trim: in an echoed `Hello world` the token ` world` begins at 5, and in a completion ` Hello world`, which goes on from its
prompt, at 6. Bytes that make no character are one character each, as the text shows them.

With `--api-key` or `--api-key-file`, a request needs `Authorization: Bearer KEY`, or `x-api-key: KEY` as Anthropic's
clients send it; gRPC calls need the same as metadata. Both headers may be there with the same key; different keys, and either
header twice, get 400.
Open to all are
%s,
and `/metrics` unless `--metrics-access key`. `/admin/log` takes a key with the right `admin`; where no keys are required,
the machine itself (a loopback peer that asks for `localhost`) may use it; a page of another site never. With `--tls-cert`
and `--tls-key` both ports speak TLS.

CORS: pages of the origins that `--cors-origin` names may ask, and may send any header. Without it CORS is off, except that
where keys are required, pages of every origin may ask what takes a key. Preflights need none.

HTTP is read by the letter (RFC 9112). What two servers could read differently is refused with 400 (or 417, 431, 501, 505)
and the end of the connection: any `Transfer-Encoding` but `chunked`, or one beside `Content-Length`, more than one
`Content-Length`, `Host`, `Authorization` or `x-api-key`, folded headers, bare CR or LF. A slash at a path's end makes no
difference. Bodies may be sent in gzip or zstd (`Content-Encoding`), within the same `--max-body-bytes` when decoded; other
codings get 415. A client that
ends its side of the connection (`shutdown(SHUT_WR)`) while tokens are made for it has left: its request is cancelled, and
there is no answer.

`/generate` and `/info` speak as Text Generation Inference does (also `POST /`), `/completion`, `/apply-template`,
`/props` and `/slots` as llama.cpp's server, which has `/chat/completions` and `/models` too, `/api/…` as Ollama, and
`/generate` as SGLang where the body has `text` or `input_ids` and no `inputs`: each by
its own names, through the same translation, so that the same request draws the same tokens. SGLang's streams tell all of
one text so far, at most a thousandth of it later, and no log-probabilities. Their errors have their
servers' shapes. What they have beyond this page is
answered with 404 and a sentence, as are OpenAI's other endpoints. Where those servers have defaults of their own, TGI's
hold (100 new tokens, and the likeliest token unless something asks to draw), and SGLang's 128 new tokens; the others are
the model's.
Temperature acts before top_k, top_p and min_p, and penalties before it: llama.cpp's `samplers` may name fewer, and those
that are left out do not act, but another order is refused where it makes a difference. `n_predict` and `num_predict` are
upper bounds: what there is no room for is cut. A member that belongs into `options` or `parameters` is refused beside
them, and so is a name by which another of these APIs asks for something that this one has no place for. `/api/version`
says the version of Ollama whose API this is.

Under `/v2` is the Open Inference Protocol (KServe, Triton), so that `tritonclient.http` works unchanged; every path there
also takes `/versions/1` after the model's name. Every error there is `{"error": "…"}`. Parameters are those of
`/v1/completions`, by these names or by those of Triton's backends for language models, over gRPC as over REST:

- A number or a boolean may be a string (`"0.1"`, `"true"`), and a list of one its element.
- TensorRT-LLM's `stop_words`, `random_seed`, `min_length`, `num_return_sequences` are `stop`, `seed`, `min_tokens`, `n`;
  `end_id` is one more of `stop_token_ids`, and `pad_id` has no effect. An empty word among `stop_words` or `bad_words`
  is none.
- Answers are text alone: `logprobs`, `return_log_probs`, `return_finish_reason` and the like, and beams, are refused by
  name, except with the values that ask for nothing (`false`, `"beam_width": 1`).
- `timeout`, in microseconds, is the request's deadline; 0 is none.
- What is told twice must be the same.
- An object or a list, as `response_format`, may be a string that holds its JSON: parameters over gRPC are scalars.

## Examples

One request of each API; all draw from the same model.

```sh
curl localhost:8000/v1/completions -d '{"prompt": "Call me", "max_tokens": 8}'
curl localhost:8000/v1/chat/completions -d '{"messages": [{"role": "user", "content": "Call me"}], "max_tokens": 8}'
curl localhost:8000/generate -d '{"inputs": "Call me", "parameters": {"max_new_tokens": 8}}'
curl localhost:8000/generate -d '{"text": "Call me", "sampling_params": {"max_new_tokens": 8}}'
curl localhost:8000/completion -d '{"prompt": "Call me", "n_predict": 8}'
curl localhost:8000/api/chat -d '{"messages": [{"role": "user", "content": "Call me"}], "options": {"num_predict": 8}}'
curl localhost:8000/api/generate -d '{"prompt": "Call me", "options": {"num_predict": 8}}'
curl localhost:8000/v2/models/samba-classics-18m/generate -d '{"text_input": "Call me", "max_tokens": 8}'
```

and of a text that is held to a JSON Schema:

```sh
curl localhost:8000/v1/chat/completions -d '{"messages": [{"role": "user", "content": "Call me"}], "max_tokens": 64,
  "response_format": {"type": "json_schema", "json_schema": {"name": "age", "schema":
    {"type": "object", "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 150}}, "required": ["age"]}}}}'
```

## What a text is held to

`response_format`, `structured_outputs`, `guided_…`, `regex`, `ebnf`, `grammar` and `json_schema`, TGI's
`parameters.grammar` and Ollama's `format` hold a text to a JSON Schema, a regular expression, a list of texts or a
grammar. One of them; what a text cannot be held to is refused with its path inside the schema, never passed over.

JSON Schema is read as draft 2020-12, with `definitions` as `$defs` has it. Held to are

- `type`, `enum`, `const`, `anyOf`, `allOf`, `oneOf`, `$ref`, `$dynamicRef`, `$id` and `$anchor` inside the schema. Other documents
  are not fetched: bundle them in `$defs`, each with its `$id`;
- `not`, `if`, `then`, `else`, `dependentRequired` and `dependentSchemas`, and in `oneOf` that no second alternative holds,
  as far as the opposite of a schema can be said: of types, values, bounds, patterns, properties and items, and what `anyOf`, `allOf`
  and `oneOf` make of these. A `oneOf` may have hundreds of alternatives where all require a property of one name, with a `const`
  or an `enum` of its own in each;
- `properties`, `patternProperties`, `required`, `additionalProperties`, `unevaluatedProperties`, `propertyNames`,
  `minProperties` up to one more than there are named ones, `maxProperties`. Members that are named come in the order of `properties`,
  others behind them; where the schema does not say `additionalProperties`, there are no others than those of its patterns;
- `items`, `prefixItems`, `minItems`, `maxItems`, `unevaluatedItems`, `contains`, `minContains`, `maxContains` (together of
  some hundred counts), and `uniqueItems` where items have few values (`enum`, `const`, booleans), of more than seven of
  them in the schema's order;
- `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`. Between bounds a number has no exponent and at most
  15 digits, 14 of them before the point, so that bounds beyond those keep none back. Multiples of integers come between any bounds
  (of more than 2,000 multiples up to some hundred, and these times powers of 2, 5 and 10), and so do those of fractions that
  doubles hold, such as 0.5 and 0.25. Of others, such as 0.01, those come that are ones in decimal and in double precision alike,
  where a minimum and a maximum leave at most 2,000: where they leave more it is refused, and without one of the two whole numbers
  alone come;
- `minLength`, `maxLength`, `pattern`, and `format` where it is `date`, `time`, `date-time`, `duration`, `email`,
  `hostname`, `ipv4`, `ipv6`, `uri` or `uuid`. A pattern and a format are held to together, or the schema is refused.
  Lengths beside a pattern or a format narrow its repetitions: where one alone varies, to all texts of such lengths, where
  several do, to some of them.

Annotations, which say nothing about what is valid, are not held to: `title`, `description`, `default`, `examples`,
`deprecated`, `readOnly`, `writeOnly`, `contentEncoding`, `contentMediaType`, `discriminator` and the like, and as draft
2020-12 has it (section 7.2.1) these formats: `base64`, `base64url`, `binary`, `byte`, `char`, `color`, `directory-path`,
`file-path`, `html`, `idn-email`, `idn-hostname`, `ipv4interface`, `ipv4network`, `ipv6interface`, `ipv6network`,
`ipvanyaddress`, `ipvanyinterface`, `ipvanynetwork`, `iri`, `iri-reference`, `json-pointer`, `json-string`, `markdown`,
`multi-host-uri`, `name-email`, `password`, `path`, `phone`, `regex`, `relative-json-pointer`, `uri-reference` and
`uri-template`.

Refused are other formats, `uniqueItems` of other items, integers beyond 64 bits in `enum` and `const`, `multipleOf`, `properties`
and `items` beside those two, the opposite of `format`, `multipleOf`, `additionalProperties` and the like, and in patterns lookaheads,
lookbehinds, back references, `\\p`, `(?i)` and `\\b`.
"""

STREAMS = """
With `"stream": true` the answer is server-sent events: one JSON chunk an event, then `data: [DONE]`. A comment
(`: keep-alive`) comes whenever a stream has been silent for `--keep-alive-period`. What goes wrong after the stream has
begun is an event with an `error`, which is the last: without `data: [DONE]` a text is not whole.
"""

# How streams of other APIs end.
ENDS = {"/v1/messages": "the event `message_stop`", "/completion": 'an event with `"stop": true`',
        "/": "an event with `generated_text`"}

RESPONSE_STREAMS = """
With `"stream": true` the answer is server-sent events of OpenAI's types, numbered from 0: `response.created` and
`response.in_progress`; for an item `response.output_item.added`, `response.content_part.added`,
`response.output_text.delta` as the text comes, `response.output_text.done`, `response.content_part.done`,
`response.output_item.done`; last, when it is kept, `response.completed`, `response.incomplete` (cut off, or with the status
`cancelled`) or `response.failed`. A comment (`: keep-alive`) comes whenever a stream has been silent for
`--keep-alive-period`.
"""

OTHERS = """## Parameters of other servers

Every way to ask for text takes these too, at the values given, at which they change nothing; `value` is any.
"""


def kind(schema):
    """A schema as a few words."""
    if "enum" in schema:
        return " or ".join(dict.fromkeys(f"`{json.dumps(value)}`" for value in schema["enum"]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(dict.fromkeys(kind(option) for option in schema["anyOf"] if option != {"type": "null"}))
    names = schema.get("type", "value")
    names = [name for name in ([names] if isinstance(names, str) else names) if name != "null"]
    text = " or ".join(names)
    if names == ["array"]:
        text = f"list of {kind(schema['items'])}" if schema.get("items") else "list"
        if "maxItems" in schema:
            text += f", at most {schema['maxItems']}"
    bounds = []
    if "minimum" in schema:
        bounds.append(f"≥ {schema['minimum']:g}" if abs(schema["minimum"]) < 2**31 else "")
    if "exclusiveMinimum" in schema:
        bounds.append(f"> {schema['exclusiveMinimum']:g}")
    if "maximum" in schema and abs(schema["maximum"]) < 2**31 - 1:
        bounds.append(f"≤ {schema['maximum']:g}")
    bounds = [bound for bound in bounds if bound]
    return text + (f", {', '.join(bounds)}" if bounds else "")


def of_other_servers(schemas):
    """The members that every way to ask for text takes from one table, because other servers know them."""
    tables = [schemas["CompletionRequest"], schemas["ChatRequest"], schemas["LlamaRequest"],
              schemas["TgiRequest"]["properties"]["parameters"]]
    first, *others = [table["properties"] for table in tables]
    return {name: schema for name, schema in first.items() if all(other.get(name) == schema for other in others)}


def rows(schema, told, path=""):
    """A line for every member, and for every member of a member, but for those that are `told` elsewhere."""
    for name, property in schema["properties"].items():
        if told.get(name) == property:
            continue
        default = f"`{json.dumps(property['default'])}`" if "default" in property else ""
        if name in schema.get("required", []):
            default = "required"
        yield f"| `{path}{name}` | {kind(property)} | {default} | {property.get('description', '')} |"
        for option in property.get("anyOf", [property]):
            if option.get("properties"):
                yield from rows(option, told, f"{path}{name}.")
            if option.get("items", {}).get("properties"):
                yield from rows(option["items"], told, f"{path}{name}[].")


def parameters(schema, told):
    yield "| parameter | type | default | |"
    yield "|---|---|---|---|"
    yield from rows(schema, told)


def forms(schemas, reference):
    """What a body may be: (its name where there are several, its schema)."""
    name_of = lambda reference: reference.rsplit("/", 1)[1]
    schema = schemas[name_of(reference)]
    if "anyOf" not in schema:
        return [("", schema)]
    return [(name_of(option["$ref"]), schemas[name_of(option["$ref"])]) for option in schema["anyOf"]]


def open_paths(document):
    """What needs no key, as one phrase."""
    paths = [path for path, item in document["paths"].items() for operation in item.values()
             if operation.get("security") == [] and path != "/metrics" and "{version}" not in path]
    return ", ".join(f"`{path}`" for path in dict.fromkeys(paths))


# Flags of other groups that bound what a request may ask for or wait for.
MORE_LIMITS = ("--max-total-tokens", "--max-waiting", "--max-waiting-tokens", "--request-share", "--client-share",
               "--min-priority", "--stream-buffer-tokens")


def limits():
    """The flags that bound requests and connections, from --help."""
    groups, current = {}, None
    for line in run("serve", "--help").stdout.splitlines():
        if line and not line.startswith(" ") and line.endswith(":"):
            current = line[:-1]
        elif line.startswith("  ") and current:
            groups.setdefault(current, []).append(line.strip())
    for group in ("Limits of a request", "Limits of a connection", "Limits of a gRPC connection",
                  "Stored responses and conversations", "Security"):
        yield f"\n### {group}\n\n```"
        yield from groups[group]
        if group == "Limits of a request":
            yield from (line for line in groups["Batching and memory"] if line.split()[0] in MORE_LIMITS)
        yield "```"


def render(document):
    lines = [HEAD % open_paths(document)]
    schemas = document["components"]["schemas"]
    told = of_other_servers(schemas)
    for path, item in document["paths"].items():
        if "{version}" in path:  # the same without
            continue
        for method, operation in item.items():
            lines.append(f"## {method.upper()} {path}\n\n{operation['summary']}.")
            body = operation.get("requestBody")
            answers = operation["responses"]
            if body:
                for name, schema in forms(schemas, body["content"]["application/json"]["schema"]["$ref"]):
                    lines += [f"\n`{name}`:"] if name else []
                    lines += ["", *parameters(schema, told)]
            content = answers["200"].get("content", {})
            if {"text/event-stream", "application/json"} <= content.keys():
                streams = RESPONSE_STREAMS if path == "/v1/responses" else STREAMS
                if path in ENDS:
                    streams = streams.replace("then `data: [DONE]`", f"the last {ENDS[path]}").replace("`data: [DONE]`", "that")
                lines.append(streams.rstrip())
            lines.append("")
    lines += [OTHERS, *parameters({"properties": told}, {}), ""]
    lines.append("## Errors\n\n| status | |\n|---|---|")
    described = {}
    for item in document["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if status != "200" and answer["description"] != "It is not.":
                    described[status] = answer["description"]
    lines += [f"| {status} | {text} |" for status, text in sorted(described.items())]
    lines += ["| 405 | The path does not take this method; `Allow` says which it takes. |"]
    lines.append("\n## Limits\n\nFlags of `batucada serve`; each is an environment variable and a key of the `--config` file too.")
    lines += limits()
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with Server("--backend", "fake") as server:
        DOC.write_text(render(server.http.get("/openapi.json").json()))
    print(pathlib.Path(DOC))
