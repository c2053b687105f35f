"""The page's conversations, used as a person would, in Chromium."""

import json
import re

import pytest
from playwright.sync_api import expect

from browser import NEEDS_CHROMIUM, browser, chat, endless, finished, load, roles, running, say

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "chat", "endless"]


def kept(page):
    """Everything in the browser's local storage, but settings."""
    return page.evaluate("Object.keys(localStorage).filter(key => key !== 'batucada.settings').map(key => localStorage[key])")


def test_chats_from_turn_to_turn(chat):
    for turn, message in enumerate(["Who are you?", "And where?"], start=1):
        say(chat, message)
        expect(chat.locator(".said")).to_have_count(2 * turn)
        expect(chat.locator(".said.assistant").last).not_to_have_text("assistant")
    assert chat.locator(".said.user").nth(1).text_content() == "userAnd where?"
    assert chat.locator(".said.assistant .token").count() > 5
    assert roles(chat.sent[-1]) == ["user", "assistant", "user"]


def test_tabs_are_walked_with_arrows(chat):
    chat.focus("#tab-chat")
    chat.keyboard.press("ArrowLeft")
    expect(chat.locator("#tab-prompt")).to_be_focused()
    expect(chat.locator("#panel-chat")).to_be_hidden()


def test_enter_sends_and_shift_enter_breaks_the_line(chat):
    chat.fill("#max_tokens", "20000")
    chat.focus("#message")
    chat.keyboard.type("one")
    chat.keyboard.press("Shift+Enter")
    chat.keyboard.type("two")
    expect(chat.locator("#message")).to_have_value("one\ntwo")
    chat.keyboard.press("Enter")
    expect(chat.locator("#message")).to_have_value("")  # at once, not at the end of the answer
    running(chat)
    assert chat.sent[-1]["messages"] == [{"role": "user", "content": "one\ntwo"}]
    # What is written meanwhile waits for its turn.
    chat.keyboard.type("three")
    chat.keyboard.press("Enter")
    expect(chat.locator("#message")).to_have_value("three")
    assert len(chat.sent) == 1
    chat.keyboard.press("Escape")
    finished(chat, "you")


def test_nothing_but_space_is_not_sent(chat):
    chat.fill("#message", "  \n ")
    chat.keyboard.press("Enter")
    assert chat.sent == [] and chat.locator(".said").count() == 0


def test_an_input_method_keeps_its_enter(chat):
    """Enter that ends the composition of a character chooses it, and sends nothing."""
    chat.fill("#message", "にほん")
    for event in ("{key: 'Enter', isComposing: true, bubbles: true}", "{key: 'Enter', keyCode: 229, bubbles: true}"):
        chat.evaluate(f"$('message').dispatchEvent(new KeyboardEvent('keydown', {event}))")
    expect(chat.locator("#message")).to_have_value("にほん")
    assert chat.sent == []
    chat.keyboard.press("Enter")
    expect(chat.locator("#message")).to_have_value("")
    finished(chat, "length")


def test_the_list_follows_the_answer_unless_one_reads_above(chat):
    bottom = "$('scroll').scrollHeight - $('scroll').clientHeight - $('scroll').scrollTop"
    chat.set_viewport_size({"width": 1200, "height": 420})
    for message in ("first", "second", "third"):
        say(chat, message + "\nline" * 8)
        assert chat.evaluate(bottom) < 4
    expect(chat.locator("#latest")).to_be_hidden()
    chat.fill("#max_tokens", "20000")
    chat.fill("#message", "more")
    chat.keyboard.press("Enter")
    running(chat)
    assert chat.evaluate(bottom) < 4
    chat.evaluate("$('scroll').scrollTop = 40")
    before = chat.locator("#facts").text_content()
    expect(chat.locator("#facts")).not_to_have_text(before)
    length = chat.locator(".said.assistant").last.text_content()
    expect(chat.locator(".said.assistant").last).not_to_have_text(length)
    assert chat.evaluate("$('scroll').scrollTop") == 40
    chat.click("#latest")
    assert chat.evaluate(bottom) < 60
    chat.keyboard.press("Escape")
    finished(chat, "you")


def test_an_answer_that_was_stopped_counts(chat, endless):
    chat.fill("#max_tokens", "20000")
    chat.fill("#message", "Tell me everything.")
    chat.keyboard.press("Enter")
    running(chat)
    chat.click("#stop")
    finished(chat, "you")
    endless.wait_until_free()
    chat.fill("#max_tokens", "3")
    say(chat, "And then?")
    assert roles(chat.sent[-1]) == ["user", "assistant", "user"]
    assert chat.sent[-1]["messages"][1]["content"]


def test_clear_during_a_stream_ends_it_and_leaves_nothing(chat, endless):
    chat.fill("#max_tokens", "20000")
    chat.fill("#message", "A secret.")
    chat.keyboard.press("Enter")
    running(chat)
    chat.click("#clear")
    expect(chat.locator(".said")).to_have_count(0)
    endless.wait_until_free()
    expect(chat.locator(".said")).to_have_count(0)
    expect(chat.locator("#problem")).to_be_empty()
    expect(chat.locator("#facts")).to_be_empty()
    assert kept(chat) == [] and chat.evaluate("conversation.length") == 0
    chat.fill("#max_tokens", "3")
    say(chat, "Hello?")
    assert chat.sent[-1]["messages"] == [{"role": "user", "content": "Hello?"}]
    assert "secret" not in json.dumps(kept(chat))


def test_clear_can_be_undone(chat):
    say(chat, "Keep me.")
    before = chat.locator("#messages").text_content()
    chat.click("#clear")
    expect(chat.locator(".said")).to_have_count(0)
    chat.click("#toast button")
    assert chat.locator("#messages").text_content() == before
    assert "Keep me." in json.dumps(kept(chat))


def test_a_conversation_survives_a_reload(chat):
    chat.fill("#system", "Be brief.")
    say(chat, "Remember this.")
    before = chat.locator("#messages").text_content()
    chat.reload()
    expect(chat.locator("#tab-chat")).to_have_attribute("aria-selected", "true")
    assert chat.locator("#messages").text_content() == before
    expect(chat.locator("#system")).to_have_value("Be brief.")
    expect(chat.locator("#max_tokens")).to_have_value("12")
    assert chat.locator(".said.assistant .token").count() > 5  # probabilities, too
    say(chat, "Do you?")
    assert roles(chat.sent[-1]) == ["system", "user", "assistant", "user"]


def test_half_an_answer_survives_a_reload(chat, endless):
    chat.fill("#max_tokens", "20000")
    chat.fill("#message", "Go on.")
    chat.keyboard.press("Enter")
    running(chat)
    chat.reload()
    endless.wait_until_free()
    expect(chat.locator(".said")).to_have_count(2)
    expect(chat.locator(".said.assistant")).not_to_have_text("assistant")


def test_storage_that_was_tampered_with_does_no_harm(chat):
    chat.evaluate("""() => {
      localStorage['batucada.conversation.a'] = '{"id": "a", "nodes": {"x": {"id": "x", "role": "user", "content": 7}}}';
      localStorage['batucada.conversation.b'] = 'no JSON';
      localStorage['batucada.conversation.c'] = JSON.stringify({id: 'c', leaf: 'x', nodes: {
        x: {id: 'x', parent: 'x', role: 'user', content: 'in a circle', pieces: 'none'}}});
      localStorage['batucada.prompt'] = '[1]';
    }""")
    chat.reload()
    chat.click("#tab-chat")
    say(chat, "Still here?")


def test_a_full_storage_does_not_stop_a_chat(chat):
    chat.evaluate("""() => { for (let size = 1 << 22; size; size >>= 1) {
      try { localStorage['full' + size] = 'x'.repeat(size); } catch { /* smaller then */ }
    } }""")
    say(chat, "Hello.")
    expect(chat.locator("#toast")).to_contain_text("no room")
    expect(chat.locator(".said")).to_have_count(2)


def test_a_system_prompt_is_sent_first(chat):
    chat.fill("#system", "Speak like a pirate.")
    say(chat, "Hello.")
    assert chat.sent[-1]["messages"][0] == {"role": "system", "content": "Speak like a pirate."}


def test_another_answer_stands_beside_the_first(chat):
    chat.fill("#seed", "")
    say(chat, "Surprise me.")
    first = chat.locator(".said.assistant").text_content()
    chat.click("article.assistant [aria-label='Answer again']")
    expect(chat.locator(".version")).to_have_text("2/2")
    finished(chat, "length")
    assert roles(chat.sent[-1]) == ["user"]  # not the answer that is to be made anew
    second = chat.locator(".said.assistant").text_content()
    chat.click("[aria-label='The version before']")
    assert chat.locator(".said.assistant").text_content() == first
    chat.click("[aria-label='The next version']")
    assert chat.locator(".said.assistant").text_content() == second


def test_an_edited_question_is_asked_anew(chat):
    say(chat, "Wrong question.")
    say(chat, "Follow-up.")
    chat.locator("article.user").first.hover()
    chat.locator("article.user [aria-label=Edit]").first.click()
    expect(chat.locator("article.user textarea")).to_have_value("Wrong question.")
    chat.fill("article.user textarea", "Right question.")
    chat.keyboard.press("Enter")
    finished(chat, "length")
    assert chat.sent[-1]["messages"] == [{"role": "user", "content": "Right question."}]
    expect(chat.locator(".said")).to_have_count(2)
    chat.click("article.user [aria-label='The version before']")
    expect(chat.locator(".said")).to_have_count(4)  # what was said about the first is still there
    expect(chat.locator(".said.user").last).to_have_text("userFollow-up.")


def test_an_edit_can_be_left(chat):
    say(chat, "A question.")
    sent = len(chat.sent)
    chat.focus("#message")
    chat.keyboard.press("ArrowUp")  # in an empty box
    chat.fill("article.user textarea", "Another.")
    chat.keyboard.press("Escape")
    expect(chat.locator(".said.user")).to_have_text("userA question.")
    assert len(chat.sent) == sent


def test_an_edited_answer_is_what_the_model_said(chat):
    say(chat, "Say yes.")
    chat.click("article.assistant [aria-label=Edit]")
    chat.fill("article.assistant textarea", "Yes.")
    chat.keyboard.press("Enter")
    expect(chat.locator(".said.assistant")).to_have_text("assistantYes.")
    say(chat, "Again.")
    assert chat.sent[-1]["messages"][1] == {"role": "assistant", "content": "Yes."}


def test_an_answer_goes_on(chat):
    say(chat, "Count.")
    first = chat.locator(".said.assistant").text_content()
    chat.click("[aria-label='Continue this answer']")
    finished(chat, "length")
    expect(chat.locator("#stop")).to_be_disabled()
    longer = chat.locator(".said.assistant").text_content()
    assert longer.startswith(first[:-1]) and len(longer) > len(first)
    assert chat.sent[-1]["continue_final_message"] is True and roles(chat.sent[-1]) == ["user", "assistant"]


def test_deleting_a_message_takes_what_follows(chat):
    say(chat, "One.")
    say(chat, "Two.")
    chat.locator("article.user").last.hover()
    chat.locator("article.user [aria-label='Delete from here']").last.click()
    expect(chat.locator(".said")).to_have_count(2)
    chat.click("#toast button")
    expect(chat.locator(".said")).to_have_count(4)


def test_what_was_not_answered_can_be_sent_again(chat):
    chat.route("**/v1/chat/completions", lambda route: route.fulfill(
        status=400, content_type="application/json", body='{"error": {"message": "no, says the server"}}'))
    chat.fill("#message", "Please.")
    chat.keyboard.press("Enter")
    expect(chat.locator("#problem")).to_have_text("no, says the server")
    expect(chat.locator("#message")).to_have_value("Please.")
    expect(chat.locator(".said")).to_have_count(0)
    assert kept(chat) == []
    chat.unroute("**/v1/chat/completions")
    chat.press("#message", "Enter")
    finished(chat, "length")
    assert roles(chat.sent[-1]) == ["user"]


def test_several_conversations_each_with_its_own_stream(chat):
    chat.fill("#max_tokens", "20000")
    chat.fill("#message", "The long one.")
    chat.keyboard.press("Enter")
    running(chat)
    chat.keyboard.press("Control+Shift+O")
    expect(chat.locator(".said")).to_have_count(0)
    chat.fill("#max_tokens", "3")
    say(chat, "The short one.")
    assert roles(chat.sent[-1]) == ["user"]
    expect(chat.locator("#conversations li")).to_have_count(2)
    chat.click("#conversations .choose:has-text('The long one.')")
    expect(chat.locator("#stop")).to_be_enabled()
    before = chat.locator(".said.assistant").text_content()
    expect(chat.locator(".said.assistant")).not_to_have_text(before)  # it went on, and goes on
    chat.click("#stop")
    finished(chat, "you")
    chat.fill("#title", "Renamed")
    chat.keyboard.press("Tab")
    expect(chat.locator("#conversations .choose").first).to_have_text("Renamed")
    chat.keyboard.press("Control+K")
    chat.keyboard.type("short one.")  # answers are searched, too, and any word may stand in them
    expect(chat.locator("#conversations li")).to_have_count(1)
    chat.hover("#conversations li")
    chat.click("#conversations [aria-label^=Delete]")
    expect(chat.locator("#conversations li")).to_have_count(0)
    chat.fill("#find", "")
    expect(chat.locator("#conversations li")).to_have_count(1)


def test_copies_an_answer(chat):
    chat.context.grant_permissions(["clipboard-read", "clipboard-write"])
    say(chat, "Copy me.")
    content = chat.evaluate("conversation.at(-1).content")
    chat.click("article.assistant [aria-label=Copy]")
    assert chat.evaluate("navigator.clipboard.readText()") == content
    chat.click("#copy-all")
    assert "## User\n\nCopy me.\n" in chat.evaluate("navigator.clipboard.readText()")


def exported(page, *clicks):
    with page.expect_download() as download:
        for click in clicks:
            page.click(click)
    return download.value.path().read_text(encoding="utf-8")


def test_exports_and_imports(chat, tmp_path):
    chat.fill("#system", "Be kind.")
    say(chat, "Hello.")
    answer = chat.evaluate("conversation.at(-1).content")
    markdown = exported(chat, "#export summary", "#export-markdown")
    assert markdown == f"# Hello.\n\n## System\n\nBe kind.\n\n## User\n\nHello.\n\n## Assistant\n\n{answer.strip()}\n"
    one = json.loads(exported(chat, "#export summary", "#export-json"))
    assert [node["content"] for node in one["nodes"].values()] == ["Hello.", answer]
    everything = exported(chat, "#export-all")
    assert len(json.loads(everything)) == 1
    shown = chat.locator("#messages").text_content()
    chat.click("#clear")
    file = tmp_path / "conversations.json"
    file.write_text(everything, encoding="utf-8")
    chat.set_input_files("#import-file", file)
    expect(chat.locator(".said")).to_have_count(2)
    assert chat.locator("#messages").text_content() == shown
    file.write_text('[{"id": "x", "nodes": {"a": {"role": "root"}}}]', encoding="utf-8")
    chat.set_input_files("#import-file", file)
    expect(chat.locator("#toast")).to_contain_text("holds no conversations")


def test_a_text_file_becomes_part_of_the_message(chat, tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("with ``` inside\n", encoding="utf-8")
    chat.set_input_files("#attach-file", file)
    expect(chat.locator("#message")).to_have_value("notes.md:\n````\nwith ``` inside\n````\n")
    file.write_bytes(b"\0\1")
    chat.set_input_files("#attach-file", file)
    expect(chat.locator("#toast")).to_contain_text("no text")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_themes(browser, endless, scheme):
    for page in load(browser, endless, color_scheme=scheme):
        def dark():
            red, green, blue = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])
            return red + green + blue < 384
        assert dark() == (scheme == "dark")
        page.click("#theme")
        assert not dark()
        page.click("#theme")
        assert dark()
        page.reload()
        assert dark()


@pytest.fixture
def phone(browser, endless):
    yield from load(browser, endless, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)


def test_on_a_phone_the_controls_fold_away(phone):
    for panel, control in (("#panel", "#show-controls"), ("#list", "#show-list")):
        expect(phone.locator(panel)).to_be_hidden()
        phone.tap(control)
        expect(phone.locator(panel)).to_be_visible()
        expect(phone.locator(control)).to_have_attribute("aria-expanded", "true")
        phone.keyboard.press("Escape")
        expect(phone.locator(panel)).to_be_hidden()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_on_a_phone_a_tap_shows_probabilities(phone):
    phone.tap("#show-controls")
    phone.fill("#max_tokens", "12")
    phone.touchscreen.tap(5, 400)  # beside the panel
    expect(phone.locator("#panel")).to_be_hidden()
    phone.tap("#tab-chat")
    say(phone, "Hello.")
    token = phone.locator(".said.assistant .token").nth(2)
    token.tap(force=True)
    expect(phone.locator("#about")).to_be_visible()
    assert len(re.findall(r"\d%", phone.locator("#about").text_content())) == 6
    box = phone.locator("#about").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    phone.tap(".said.user")
    expect(phone.locator("#about")).to_be_hidden()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_everything_that_can_be_pressed_has_a_name(chat):
    say(chat, "Hello.")
    nameless = chat.evaluate("""[...document.querySelectorAll('button, input, textarea, summary')].filter(each =>
      each.type !== 'file' && !each.textContent.trim() && !each.getAttribute('aria-label') && !each.labels?.length).map(each => each.outerHTML)""")
    assert nameless == []
