"""What the page says when the server does not answer, or not wholly; and that nothing that was written is lost. In
Chromium."""

import json

import pytest
from playwright.sync_api import expect

from browser import NEEDS_CHROMIUM, TEMPLATE, browser, chat, endless, finished, load, roles, running, say, spelled
from server import Server, wait_until

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "chat", "endless"]


@pytest.mark.parametrize(("status", "headers", "body", "said"), [
    (429, {"retry-after": "7"}, {"error": {"message": "Too many requests wait."}}, "Too many requests wait. Try again in 7 seconds."),
    (503, {"retry-after": "1"}, {"error": {"message": "The server is draining."}}, "The server is draining. Try again in 1 second."),
    (503, {}, "<html>from a proxy</html>", "The server cannot answer now."),
    (429, {}, "", "The server has too much to do."),
    (401, {}, {"error": {"message": "no"}}, "The server wants an API key: enter it under “API key” in the settings."),
    (500, {}, "", "The server answered 500."),
    (200, {}, "data: <html>\n\n", "What the server sent is not understood: is there a proxy between?"),
    (200, {}, 'data: {"error": {"message": "the engine stopped"}}\n\n', "the engine stopped"),
    (200, {}, "", "The server does not answer."),
])
def test_a_refusal_is_told_and_the_message_stays_in_the_box(chat, status, headers, body, said):
    chat.route("**/v1/chat/completions", lambda route: route.fulfill(
        status=status, headers=headers, body=body if isinstance(body, str) else json.dumps(body)))
    chat.fill("#message", "Please.")
    chat.keyboard.press("Enter")
    expect(chat.locator("#problem")).to_have_text(said)
    expect(chat.locator("#message")).to_have_value("Please.")
    expect(chat.locator(".said")).to_have_count(0)
    chat.problems.clear()  # the browser's own words about the status
    chat.unroute("**/v1/chat/completions")
    chat.press("#message", "Enter")
    finished(chat, "length")
    expect(chat.locator("#problem")).to_be_empty()


def test_what_came_before_the_stream_was_cut_is_kept_and_goes_on(chat):
    events = spelled("Half an answer")[:-len("data: [DONE]\n\n")]
    chat.route("**/v1/chat/completions", lambda route: route.fulfill(content_type="text/event-stream", body=events))
    chat.fill("#message", "Please.")
    chat.keyboard.press("Enter")
    expect(chat.locator("#problem")).to_have_text("The connection was lost before the answer was complete. What came of it is kept.")
    expect(chat.locator(".said.assistant")).to_have_text("assistantHalf an answer")
    expect(chat.locator("#message")).to_have_value("")
    chat.unroute("**/v1/chat/completions")
    chat.click("[aria-label='Continue this answer']")
    finished(chat, "length")
    expect(chat.locator(".said.assistant")).to_contain_text("Half an answer")
    assert roles(chat.sent[-1]) == ["user", "assistant"]
    expect(chat.locator("#problem")).to_be_empty()


def test_a_server_that_ends_amid_an_answer(browser):
    server = Server("--backend", "fake", "--fake-step-time", "20ms", "--chat-template", str(TEMPLATE))
    for page in load(browser, server):
        page.click("#tab-chat")
        page.fill("#max_tokens", "20000")
        page.fill("#message", "Go on.")
        page.keyboard.press("Enter")
        running(page)
        server.process.kill()
        server.process.wait()
        server.http.close()
        expect(page.locator("#problem")).not_to_be_empty()
        expect(page.locator(".said")).to_have_count(2)
        expect(page.locator("#stop")).to_be_disabled()
        page.fill("#message", "Still there?")
        page.keyboard.press("Enter")
        expect(page.locator("#problem")).to_have_text("The server does not answer.")
        expect(page.locator("#message")).to_have_value("Still there?")
        page.goto("about:blank")
        page.problems.clear()  # the browser's own words about refused connections


def test_what_is_written_while_an_answer_fails_is_kept(chat):
    """What was asked comes back before what was written meanwhile."""
    held = []
    chat.route("**/v1/chat/completions", lambda route: held.append(route))
    chat.fill("#message", "First.")
    chat.keyboard.press("Enter")
    expect(chat.locator("#message")).to_have_value("")
    expect(chat.locator(".said.user")).to_have_count(1)
    chat.fill("#message", "Second.")
    wait_until(lambda: chat.evaluate("1") and held, "the request")
    held[0].fulfill(status=429, body="")
    expect(chat.locator("#message")).to_have_value("First.\nSecond.")
    chat.problems.clear()  # the browser's own words about the status


def test_it_says_when_a_server_comes_back(chat):
    """A page that was opened before its server was there learns what is served, later."""
    chat.route("**/v1/models", lambda route: route.abort())
    chat.reload()
    expect(chat.locator("#problem")).to_have_text("The server does not answer.")
    chat.unroute("**/v1/models")
    expect(chat.locator("#model")).not_to_have_text("…")
    expect(chat.locator("#problem")).to_be_empty()
    chat.problems.clear()  # the browser's own words about the connection
    chat.fill("#max_tokens", "5")
    say(chat, "Hello.")
