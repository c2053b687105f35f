"""Tools, thinking and schemas on the page, in Chromium. The page's requests are changed on their way, so that the model
writes what a test needs."""

import json
import os

import pytest
from playwright.sync_api import expect

from browser import NEEDS_CHROMIUM, browser, load, roles, say
from server import ROOT, Server

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]
TEMPLATE = ROOT / "tests/integration/templates/qwen.jinja"
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}} for name in ("weather", "time")]
CALLS = ('<tool_call>\n{"name": "weather", "arguments": {"city": "<b>Rio</b>", "days": 2}}\n</tool_call>\n'
         '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>')
OFF = {"chat_template_kwargs": {"enable_thinking": False}}
ON = {"chat_template_kwargs": {"thinks_at_once": True}, "thinking_token_budget": 6, "seed": 3}


@pytest.fixture(scope="module")
def qwen():
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATE)) as server:
        yield server


@pytest.fixture
def page(browser, qwen):
    for page in load(browser, qwen):
        page.click("#tab-chat")
        yield page


def force(page, text=None, **more):
    def change(route):
        body = {**json.loads(route.request.post_data), **more}
        if text is not None:
            body["structured_outputs"] = {"choice": [text]}
        route.continue_(post_data=json.dumps(body))
    page.unroute("**/v1/chat/completions")
    page.route("**/v1/chat/completions", change)


def shot(page, name):
    """For people: BATUCADA_SHOTS is a folder."""
    if os.environ.get("BATUCADA_SHOTS"):
        page.screenshot(path=f"{os.environ['BATUCADA_SHOTS']}/{name}.png")


def test_calls_are_shown_and_what_is_written_next_is_their_result(page):
    page.fill("#tools", json.dumps(TOOLS))
    force(page, "Let me see.\n" + CALLS, **OFF)
    say(page, "Weather?", "tool_calls")
    expect(page.locator(".call")).to_have_count(2)
    assert page.sent[-1]["tools"] == TOOLS
    assert [bar.text_content() for bar in page.locator(".call .code-bar").all()] == ["calls weather", "calls time"]
    assert json.loads(page.locator(".call code").first.text_content()) == {"city": "<b>Rio</b>", "days": 2}
    expect(page.locator(".said.assistant .what")).to_contain_text("Let me see.")
    expect(page.locator("#message")).to_have_attribute("placeholder", "Result of weather")
    shot(page, "calls")
    asked = len(page.sent)
    page.fill("#message", "22 degrees")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_have_attribute("placeholder", "Result of time")
    assert len(page.sent) == asked, "the other result is still to come"
    force(page, "Warm.", **OFF)
    say(page, "noon", "stop")
    messages = page.sent[-1]["messages"]
    assert roles(page.sent[-1]) == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in messages[1]["tool_calls"]] == [message["tool_call_id"] for message in messages[2:]]
    assert [message["content"] for message in messages[2:]] == ["22 degrees", "noon"]
    expect(page.locator(".said.assistant").last).to_contain_text("Warm.")
    expect(page.locator("#message")).to_have_attribute("placeholder", "Message")
    shot(page, "results")
    page.reload()
    expect(page.locator(".call")).to_have_count(2)
    expect(page.locator(".said.tool")).to_have_count(2)
    assert json.loads(page.input_value("#tools")) == TOOLS


def test_thinking_is_folded(page):
    force(page, "Yes.", **ON)
    say(page, "Is it?", "stop")
    thoughts = page.locator(".thoughts")
    expect(thoughts.locator("summary")).to_have_text("Thought")
    expect(thoughts.locator(".plain")).to_be_hidden()
    expect(page.locator(".said.assistant .what")).to_contain_text("Yes.")
    thoughts.locator("summary").click()
    expect(thoughts.locator(".plain")).to_be_visible()
    thought = thoughts.locator(".plain").text_content()
    assert thought
    shot(page, "thinking")
    force(page, "Indeed.", **ON)
    say(page, "Sure?", "stop")
    assert page.sent[-1]["messages"][1] == {"role": "assistant", "content": "Yes.", "reasoning_content": thought}
    page.reload()
    expect(page.locator(".thoughts")).to_have_count(2)


def test_an_answer_of_thinking_alone_is_kept(page):
    page.fill("#max_tokens", "9")
    force(page, chat_template_kwargs={"thinks_at_once": True})
    say(page, "Is it?")
    expect(page.locator(".thoughts summary")).to_have_text("Thinking…")
    assert page.input_value("#message") == "", "it was answered"


def test_a_schema_holds_the_answer(page):
    page.fill("#schema", '{"enum": [7]}')
    force(page, **OFF)
    say(page, "How many?", "stop")
    assert page.sent[-1]["response_format"]["json_schema"]["schema"] == {"enum": [7]}
    expect(page.locator(".said.assistant .what")).to_have_text("7")
    shot(page, "schema")
    asked = len(page.sent)
    page.fill("#schema", '{"enum": [7')
    page.fill("#message", "And now?")
    page.click("#go")
    expect(page.locator("#problem")).to_contain_text("The schema is not JSON")
    expect(page.locator("#schema")).to_be_focused()
    assert len(page.sent) == asked and page.input_value("#message") == "And now?"
    page.fill("#schema", '{"uniqueItems": true}')
    page.click("#go")
    expect(page.locator("#problem")).to_contain_text("$.uniqueItems")
    page.fill("#schema", '{"const": "a"}')
    page.click("#tab-prompt")
    page.click("#go")
    expect(page.locator("#output")).to_contain_text('"a"')
    assert page.sent[-1]["structured_outputs"] == {"json": {"const": "a"}}
