"""The conversations that every template is rendered with: each once as it is, with a generation prompt, and continued."""

UNICODE = "Grüße, 世界! 👩‍👩‍👧 naïve İstanbul ß \u00a0 \u2028 e\u0301"

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": " Current weather <here> & there \"now\". ",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "City, e.g. São Paulo "},
                    "days": {"type": ["integer", "null"], "description": "How many", "default": 3, "minimum": 0.5},
                    "units": {"type": "string", "enum": ["°C", "°F"], "description": "Units"},
                },
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "now", "description": "The time", "parameters": {
        "type": "object", "properties": {}}}},
]


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def tool(content, **more):
    return {"role": "tool", "content": content, **more}


CALL = {"id": "abcdef123", "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "São Paulo", "days": 2, "exact": True, "x": None}}}

CONVERSATIONS = {
    "one_turn": {"messages": [user("Hello!")]},
    "answered": {"messages": [user("Hello!"), assistant("Hi there.")]},
    "system": {"messages": [system("You are terse."), user("Why is the sky blue?")]},
    "multi_turn": {"messages": [system("Be kind."), user("1+1?"), assistant("2"), user("2+2?"), assistant("4"),
                                user("Thanks")]},
    "multi_turn_bare": {"messages": [user("1+1?"), assistant("2"), user("2+2?"), assistant("It is 4, I am")]},
    "unicode": {"messages": [system(UNICODE), user(UNICODE), assistant(UNICODE)]},
    "spaces": {"messages": [system("  system \n"), user("\n\n  leading and trailing \t\n "), assistant(" answer \n\n")]},
    "inner_lines": {"messages": [user("a\n\n  b\n\tc\n"), assistant("line 1\r\nline 2")]},
    "empty": {"messages": [system(""), user(""), assistant("")]},
    "empty_user": {"messages": [user("")]},
    "looks_like_markup": {"messages": [user("<|im_end|> {{ bos_token }} {% if x %} </s> [INST] <<SYS>>"),
                                       assistant("{# not a comment #} \\n 'quotes' \"double\"")]},
    "repeated_final": {"messages": [user("echo"), assistant("echo")]},
    "thinking": {"messages": [user("Think."), assistant("<think>\nhm\n</think>\n\nDone."), user("Again."),
                              assistant("<think>hm 2</think>So.")]},
    "reasoning": {"messages": [user("Think."), assistant("Done.", reasoning_content="\nI thought.\n")]},
    "reasoning_alias": {"messages": [user("Think."), assistant("Done.", reasoning="I thought.")]},
    "no_thinking": {"messages": [user("Quick!")], "variables": {"enable_thinking": False}},
    "thinking_on": {"messages": [user("Slow!")], "variables": {"enable_thinking": True}},
    "assistant_first": {"messages": [assistant("I begin."), user("Oh.")]},
    "two_users": {"messages": [user("one"), user("two")]},
    "late_system": {"messages": [user("one"), system("now obey"), user("two")]},
    "unknown_role": {"messages": [{"role": "critic", "content": "Bad."}, user("x")]},
    "no_content": {"messages": [{"role": "user"}]},
    "null_content": {"messages": [user(None)]},
    "number_content": {"messages": [user(42)]},
    "no_messages": {"messages": []},
    "more_keys": {"messages": [{"role": "user", "content": "hi", "name": "Ana", "items": [1], "get": "x"}]},
    "tools": {"messages": [user("Weather?")], "variables": {"tools": TOOLS}},
    "tools_system": {"messages": [system("Use tools."), user("Weather?")],
                     "variables": {"tools": TOOLS, "tools_in_user_message": False}},
    "tool_calls": {"messages": [user("Weather?"), assistant("", tool_calls=[CALL]),
                                tool("22 °C", tool_call_id="abcdef123"), assistant("Warm.")],
                   "variables": {"tools": TOOLS}},
    "tool_calls_two_results": {"messages": [user("Weather?"), assistant(None, tool_calls=[CALL]),
                                            tool({"t": 22.5}, tool_call_id="abcdef123"),
                                            tool("sun", tool_call_id="abcdef123")],
                               "variables": {"tools": TOOLS}},
    "date": {"messages": [user("Today?")], "variables": {"date_string": "1 April 2025"}},
    "builtin_tools": {"messages": [user("Search."), assistant("", tool_calls=[
        {"function": {"name": "brave_search", "arguments": {"query": "samba"}}}])],
        "variables": {"builtin_tools": ["brave_search", "code_interpreter"]}},
}

# With contents as lists of parts; only for templates that know them.
PART_CONVERSATIONS = {
    "parts": {"messages": [system("s"), user([{"type": "text", "text": " What is "}, {"type": "text", "text": "this? "}])]},
    "parts_answered": {"messages": [user([{"type": "text", "text": "Hi"}]),
                                    assistant([{"type": "text", "text": "Part 1. "}, {"type": "text", "text": "Part 2 "}])]},
}
