"""The page at /, opened in Chromium, and servers to open it on."""

import json
import pathlib
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from server import Server

CHROMIUM = shutil.which("chromium")
TEMPLATE = pathlib.Path(__file__).parent / "templates/chatml.jinja"
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def endless():
    """Its answers end by length or when they are told to, never by themselves."""
    with Server("--backend", "fake", "--fake-step-time", "20ms", "--chat-template", str(TEMPLATE)) as server:
        yield server


@pytest.fixture
def endless_page(browser, endless):
    yield from load(browser, endless)


@pytest.fixture
def chat(browser, endless):
    """The tab for chats."""
    for page in load(browser, endless):
        page.click("#tab-chat")
        page.fill("#max_tokens", "12")
        yield page


def load(browser, server, **context):
    """The page; `page.sent` has the bodies of its requests. Afterwards nothing must have gone wrong in it, and nothing
    have been asked of anyone else."""
    problems, requests = [], []
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **context})
    page = context.new_page()
    page.sent, page.problems = [], problems
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.on("request", lambda request: request.method == "POST" and page.sent.append(json.loads(request.post_data)))
    page.goto(server.url)
    yield page
    context.close()
    assert not [problem for problem in problems if "401" not in problem and "400" not in problem]
    assert all(url.startswith((server.url, "data:", "blob:")) for url in requests)


def finished(page, reason):
    expect(page.locator("#facts")).to_contain_text(f"ended by {reason}", timeout=30_000)


def running(page):
    expect(page.locator("#facts")).to_contain_text("tokens/s", timeout=30_000)


def say(page, text, reason="length"):
    """Sends a message and waits for the answer."""
    page.fill("#message", text)
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_have_value("")
    finished(page, reason)


def roles(body):
    return [message["role"] for message in body["messages"]]


def spelled(text, size=4):
    """A stream of server-sent events that spells `text`, as a server with another model might."""
    pieces = [text[i:i + size] for i in range(0, len(text), size)]
    events = [{"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]} for piece in pieces]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
