"""The page at /, used as a person would, in Chromium. Skipped without it; `./dev deps test` installs it on Debian."""

import re

import pytest
from playwright.sync_api import expect

from browser import NEEDS_CHROMIUM, TEMPLATE, browser, endless, endless_page, finished, load, running
from server import Server

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "endless", "endless_page"]


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "cpu", "--chat-template", str(TEMPLATE)) as server:
        yield server


@pytest.fixture
def page(browser, server):
    yield from load(browser, server)


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
    running(page)
    expect(page.locator("#running")).to_have_text("1")
    page.keyboard.press("Escape")
    finished(page, "you")
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


def test_what_is_not_ours_does_not_run(page):
    """The policy names one style and one script by their hashes: what finds its way into the page stays without effect."""
    policy = page.request.get(page.url, headers={"accept": "text/html"}).headers["content-security-policy"]
    assert "unsafe" not in policy and policy.count("'sha256-") == 2 and "default-src 'none'" in policy
    assert page.evaluate("""() => new Promise(resolve => {
      document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));
      const script = document.createElement('script');
      script.textContent = "document.title = 'owned'";
      document.body.append(script);
    })""") == "script-src-elem"
    assert page.title() == "Batucada"
    [refusal] = page.problems  # what the browser says of it
    assert "Content Security Policy" in refusal
    page.problems.clear()


def test_a_text_goes_on_from_where_it_ended_and_survives_a_reload(endless_page):
    page = endless_page
    page.fill("#prompt", "Once")
    page.fill("#max_tokens", "5")
    page.click("#go")
    finished(page, "length")
    text = page.locator("#output").text_content()
    page.reload()
    assert page.locator("#output").text_content() == text
    page.click("#use")
    expect(page.locator("#prompt")).to_have_value(text)
    page.click("#clear")
    expect(page.locator("#output")).to_be_empty()
    page.reload()
    expect(page.locator("#output")).to_be_empty()


def test_each_tab_keeps_its_own_text(endless_page, endless):
    page = endless_page
    page.fill("#max_tokens", "3")
    tab = page.context.new_page()
    tab.goto(endless.url)
    for each, text in ((page, "First"), (tab, "Second")):
        each.fill("#prompt", text)
        each.click("#go")
        finished(each, "length")
    for each, text in ((page, "First"), (tab, "Second")):
        each.reload()
        expect(each.locator("#output .given")).to_have_text(text)


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
