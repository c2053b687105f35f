"""The page at /, used as a person would, in Chromium. Skipped without it; `./dev deps test` installs it on Debian."""

import pathlib
import re
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from server import Server

CHROMIUM = shutil.which("chromium")
TEMPLATE = pathlib.Path(__file__).parent / "templates/chatml.jinja"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "cpu", "--chat-template", str(TEMPLATE)) as server:
        yield server


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
def page(browser, server):
    yield from load(browser, server)


@pytest.fixture
def endless_page(browser, endless):
    yield from load(browser, endless)


def load(browser, server):
    """The page; afterwards nothing must have gone wrong in it, and nothing have been asked of anyone else."""
    problems, requests = [], []
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: message.type == "error" and problems.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(server.url)
    yield page
    page.close()
    assert not [problem for problem in problems if "401" not in problem and "400" not in problem]
    assert all(url.startswith((server.url, "data:")) for url in requests)


def finished(page, reason):
    expect(page.locator("#facts")).to_contain_text(f"ended by {reason}", timeout=30_000)


def test_says_what_is_served_and_how_busy_it_is(page, server):
    expect(page.locator("#model")).to_have_text(server.http.get("/v1/models").json()["data"][0]["id"])
    expect(page.locator("#running")).to_have_text("0")
    expect(page.locator("#slots")).to_have_text(re.compile(r"^0/\d+$"))


def test_continues_a_prompt_and_shows_how_likely_each_token_was(page, server):
    page.fill("#max_tokens", "30")
    page.fill("#seed", "7")
    page.click("#go")
    finished(page, "length")
    body = {"prompt": "It was a dark and stormy night", "max_tokens": 30, "seed": 7}
    text = server.http.post("/v1/completions", json=body).json()["choices"][0]["text"]
    assert page.locator("#output").text_content() == body["prompt"] + text
    tokens = page.locator("#output .token")
    assert tokens.count() > 20
    tokens.nth(3).hover()
    expect(page.locator("#about")).to_be_visible()
    assert len(re.findall(r"\d%", page.locator("#about").text_content())) == 6  # the token and five alternatives
    expect(page.locator("#facts")).to_have_text(re.compile(r"30 tokens, first after \d+ ms, [\d.]+ tokens/s"))


def test_sampling_controls_reach_the_server(page):
    page.fill("#temperature", "0")
    page.fill("#max_tokens", "20")
    outputs = []
    for _ in range(2):
        page.click("#go")
        finished(page, "length")
        outputs.append(page.locator("#output").text_content())
    assert outputs[0] == outputs[1]
    page.fill("#stops", outputs[0][-3:])
    page.click("#go")
    finished(page, "stop")
    assert outputs[0].startswith(page.locator("#output").text_content())


def test_stops_when_told_to_and_from_the_keyboard(endless_page, endless):
    page = endless_page
    page.fill("#max_tokens", "20000")
    page.focus("#prompt")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#facts")).to_contain_text("tokens/s", timeout=30_000)
    expect(page.locator("#running")).to_have_text("1")
    page.keyboard.press("Escape")
    finished(page, "you")
    endless.wait_until_free()


def test_an_answer_that_was_stopped_counts_in_the_conversation(endless_page, endless):
    page = endless_page
    page.click("#tab-chat")
    page.fill("#max_tokens", "20000")
    page.fill("#message", "Tell me everything.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#facts")).to_contain_text("tokens/s", timeout=30_000)
    page.keyboard.press("Escape")
    finished(page, "you")
    expect(page.locator("#message")).to_have_value("")
    assert page.evaluate("conversation.map(m => m.role).join()") == "user,assistant"
    endless.wait_until_free()


def test_tokens_can_be_read_without_a_pointer(endless_page):
    page = endless_page
    page.fill("#max_tokens", "10")
    page.click("#go")
    finished(page, "length")
    page.focus("#output")
    said = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        said.append(page.locator("#about").text_content())
    page.keyboard.press("ArrowLeft")
    assert len(set(said)) > 1 and page.locator("#about").text_content() == said[1]
    assert page.locator("#output .token").nth(1).get_attribute("class") == "token told"
    page.focus("#prompt")
    expect(page.locator("#about")).to_be_hidden()


def test_a_seed_is_sent_as_it_is_written_or_not_at_all(page):
    page.fill("#seed", "9007199254740993")  # no number of JavaScript's
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problem")).to_contain_text("9007199254740991")
    expect(page.locator("#seed")).to_be_focused()


def test_chats(endless_page):
    page = endless_page
    page.focus("#tab-prompt")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-chat")).to_be_focused()
    page.fill("#max_tokens", "12")
    for turn, message in enumerate(["Who are you?", "And where?"], start=1):
        page.fill("#message", message)
        page.keyboard.press("Control+Enter")
        finished(page, "length")
        expect(page.locator(".said")).to_have_count(2 * turn)
        expect(page.locator("#message")).to_have_value("")
    assert page.locator(".said.user").nth(1).text_content() == "userAnd where?"
    assert page.locator(".said.assistant .token").count() > 10


def test_says_what_is_wrong(page):
    page.fill("#temperature", "7")
    page.click("#go", no_wait_after=True)
    # The browser itself holds the form to its limits; past them, the server's words are shown.
    page.evaluate("document.getElementById('form').noValidate = true")
    page.click("#go")
    expect(page.locator("#problem")).to_contain_text("temperature")


def test_text_is_never_taken_for_markup(endless_page):
    page = endless_page
    page.fill("#prompt", "<img src=x onerror=document.title='owned'><b>bold</b>")
    page.fill("#max_tokens", "3")
    page.click("#go")
    finished(page, "length")
    assert page.locator("#output img, #output b").count() == 0 and page.title() == "Batucada"


def test_fits_a_phone(browser, server):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(server.url)
    expect(page.locator("#running")).to_have_text("0")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_asks_for_a_key_where_one_is_needed(browser):
    with Server("--backend", "fake", "--api-key", "secret") as server:
        page = browser.new_page()
        page.goto(server.url)
        expect(page.locator("#problem")).to_contain_text("API key")
        page.fill("#key", "secret")
        page.keyboard.press("Tab")
        expect(page.locator("#model")).not_to_have_text("…")
        page.fill("#max_tokens", "5")
        page.click("#go")
        finished(page, "length")
        page.close()
