"""Conversations of the page on a server that keeps them (--store), and in a browser; several tabs at once. In Chromium."""

import json

import pytest
from playwright.sync_api import expect

from browser import NEEDS_CHROMIUM, TEMPLATE, browser, chat, endless, finished, load, roles, running, say
from server import Server, wait_until

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "chat", "endless"]
FAKE = ("--backend", "fake", "--fake-step-time", "5ms", "--chat-template", str(TEMPLATE), "--prefix-cache", "on")
ENTRIES = "Object.keys(localStorage).filter(key => key.startsWith('batucada.conversation.')).map(key => JSON.parse(localStorage[key]))"


@pytest.fixture(scope="module")
def keeper(tmp_path_factory):
    with Server(*FAKE, "--store", str(tmp_path_factory.mktemp("store"))) as server:
        yield server


@pytest.fixture
def page(browser, keeper):
    for one in stored(keeper):
        keeper.http.delete(f"/v1/conversations/{one['id']}")
    for page in load(browser, keeper):
        ready(page)
        yield page


def ready(page):
    page.click("#tab-chat")
    page.fill("#max_tokens", "8")
    expect(page.locator("#where")).to_have_text("Kept on the server.")


def stored(server, headers=None):
    data = server.http.get("/v1/sessions?limit=100", headers=headers or {}).json()["data"]
    return [one for one in data if one["stored"]]


def texts(server, conversation):
    items = server.http.get(f"/v1/conversations/{conversation}/items?order=asc&limit=100").json()["data"]
    return [(item["role"], item["content"][0]["text"]) for item in items if item["type"] == "message"]


def shown(page):
    return page.evaluate("conversation.map(node => [node.role, node.content])")


def settled(page):
    """Until the server has everything."""
    wait_until(lambda: page.evaluate("pushes.size === 0 && [...conversations.values()].every(c => !c.pending)"), "the server to have it all")


def kept_as_shown(page, server):
    """The server has one conversation for each version, and one of them is what is shown."""
    settled(page)
    assert shown(page) in [[list(message) for message in texts(server, one["id"])] for one in stored(server)]


def act(page, label, message=-1):
    """Presses a message's button, by the keyboard: what is being written may scroll it away under a pointer."""
    articles = page.locator("article.turn")
    articles.nth(message % articles.count()).locator(f"[aria-label^='{label}']").press("Enter")


def test_a_conversation_is_the_servers_and_any_browser_has_it(page, keeper, browser):
    page.fill("#system", "Be brief.")
    say(page, "Who are you?")
    say(page, "And where?")
    settled(page)
    [one] = stored(keeper)
    messages = texts(keeper, one["id"])
    assert messages[0] == ("system", "Be brief.") and [list(each) for each in messages[1:]] == shown(page)
    assert one["metadata"]["title"] == "Who are you?"
    for other in load(browser, keeper):
        ready(other)
        expect(other.locator("#conversations .choose")).to_have_text("Who are you?")
        expect(other.locator(".said")).to_have_count(4)
        assert shown(other) == shown(page) and other.input_value("#system") == "Be brief."
        say(other, "From elsewhere.")
        settled(other)
        assert roles([body for body in other.sent if "messages" in body][-1]) == ["system", *["user", "assistant"] * 2, "user"]
        assert len(texts(keeper, one["id"])) == 7
    page.reload()
    expect(page.locator(".said")).to_have_count(6)
    expect(page.locator(".said.user").last).to_have_text("userFrom elsewhere.")


def test_it_is_renamed_and_deleted_and_brought_back(page, keeper):
    say(page, "First name.")
    settled(page)
    page.hover("#conversations li")
    page.click("#conversations [aria-label^=Rename]")
    page.keyboard.type("Second name")
    page.keyboard.press("Enter")
    expect(page.locator("#conversations .choose")).to_have_text("Second name")
    expect(page.locator("#conversations .choose")).to_be_focused()
    settled(page)
    assert [one["metadata"]["title"] for one in stored(keeper)] == ["Second name"]
    page.keyboard.press("F2")
    page.keyboard.type("Not this")
    page.keyboard.press("Escape")
    expect(page.locator("#conversations .choose")).to_have_text("Second name")
    before = shown(page)
    page.focus("#conversations .choose")
    page.keyboard.press("Delete")
    expect(page.locator("#conversations li")).to_have_count(0)
    wait_until(lambda: stored(keeper) == [], "the server to forget it")
    page.click("#toast button")
    expect(page.locator("#conversations .choose")).to_have_text("Second name")
    assert shown(page) == before
    kept_as_shown(page, keeper)
    page.click("#clear")
    wait_until(lambda: stored(keeper) == [], "the server to forget it")
    page.reload()
    expect(page.locator("#where")).to_have_text("Kept on the server.")
    expect(page.locator("#conversations li")).to_have_count(0)


def test_a_fork_goes_its_own_way(page, keeper):
    say(page, "One.")
    say(page, "Two.")
    act(page, "Fork", 1)  # the first answer
    expect(page.locator(".said")).to_have_count(2)
    expect(page.locator("#conversations .choose").first).to_have_text("Fork: One.")
    say(page, "Another way.")
    assert [message["content"] for message in page.evaluate("conversation.map(asMessage)")][2] == "Another way."
    settled(page)
    said = sorted([text for role, text in texts(keeper, one["id"]) if role == "user"] for one in stored(keeper))
    assert said == [["One.", "Another way."], ["One.", "Two."]]


def test_versions_are_conversations_of_their_own_on_the_server(page, keeper, browser):
    say(page, "Question.")
    first = shown(page)
    act(page, "Answer again")
    expect(page.locator(".version")).to_have_text("2/2")
    finished(page, "length")
    expect(page.locator("#stop")).to_be_disabled()
    kept_as_shown(page, keeper)
    assert len(stored(keeper)) == 2
    page.click("[aria-label='The version before']")
    assert shown(page) == first
    say(page, "And then?")
    kept_as_shown(page, keeper)
    for other in load(browser, keeper):
        ready(other)
        expect(other.locator("#conversations li")).to_have_count(1)
        expect(other.locator(".version")).to_contain_text("/2")
        assert sorted(other.evaluate("leavesOf(current).length + Object.keys(current.nodes).length + ''")) == ["7"]
    act(page, "Delete from here", 1)  # a version, and what follows
    settled(page)
    assert len(stored(keeper)) == 1
    kept_as_shown(page, keeper)
    act(page, "Continue this answer")
    finished(page, "length")
    expect(page.locator("#stop")).to_be_disabled()
    kept_as_shown(page, keeper)
    assert len(stored(keeper)) == 1


def test_cached_tokens_are_shown_with_each_answer(page, keeper):
    say(page, "A question that is long enough to be worth a checkpoint, " * 4)
    expect(page.locator("#facts")).to_contain_text("; 0 of ")
    settled(page)
    say(page, "And another.")
    [one] = stored(keeper)
    assert page.sent[-1].get("prompt_cache_key", one["id"]) == one["id"] and one["tokens"] > 50, "the server knows the state as the conversation's"
    cached = page.evaluate("Number(/(\\d+) of \\d+ prompt tokens cached/.exec($('facts').textContent)[1])")
    assert cached > 50
    say(page, "Bye.")
    expect(page.locator("article.assistant .facts").nth(1)).to_contain_text(f"; {cached} of ")
    page.reload()
    expect(page.locator("article.assistant .facts").nth(1)).to_contain_text(f"; {cached} of ")


def test_a_server_that_is_restarted_has_them_still(browser, tmp_path):
    flags = (*FAKE, "--store", str(tmp_path))
    with Server(*flags) as server:
        for page in load(browser, server):
            ready(page)
            say(page, "Remember.")
            settled(page)
            before = shown(page)
    with Server(*flags) as server:
        for page in load(browser, server):
            ready(page)
            expect(page.locator(".said")).to_have_count(2)
            assert shown(page) == before
            say(page, "Still there?")
            assert [message["content"] for message in page.evaluate("conversation.map(asMessage)")][:2] == [text for _, text in before]


def test_each_key_has_its_own(browser, tmp_path):
    with Server(*FAKE, "--store", str(tmp_path), "--api-key", "alice", "--api-key", "bob") as server:
        for page in load(browser, server):
            page.click("#tab-chat")
            expect(page.locator("#problem")).to_contain_text("API key")

            def enter(key):
                page.fill("#key", key)
                page.keyboard.press("Tab")
                expect(page.locator("#where")).to_have_text("Kept on the server.")
            enter("alice")
            page.fill("#max_tokens", "5")
            say(page, "Alice's.")
            settled(page)
            with page.expect_download() as download:
                page.click("#export-all")
            assert "Alice's." in download.value.path().read_text() and "alice" not in download.value.path().read_text()
            enter("bob")
            expect(page.locator("#conversations li")).to_have_count(0)
            expect(page.locator(".said")).to_have_count(0)
            say(page, "Bob's.")
            settled(page)
            enter("alice")
            expect(page.locator("#conversations .choose")).to_have_text("Alice's.")
            page.click("#conversations .choose")
            expect(page.locator(".said.user")).to_have_text("userAlice's.")
            assert len(stored(server, {"authorization": "Bearer alice"})) == 1
            page.problems.clear()  # the browser's own words about 401


def test_what_the_server_does_not_keep_this_browser_does(page, keeper):
    page.route("**/v1/conversations**", lambda route: route.fulfill(
        status=503, content_type="application/json", body='{"error": {"message": "the disk is full"}}'))
    say(page, "Keep me somewhere.")
    expect(page.locator("#toast")).to_contain_text("kept in this browser, as the server did not take it: the disk is full")
    assert stored(keeper) == []
    page.problems.clear()  # the browser's own words about 503
    page.unroute("**/v1/conversations**")
    page.evaluate("askAgain = 1")  # instead of waiting
    wait_until(lambda: page.evaluate("1") and len(stored(keeper)) == 1, "the server to have it after all")
    kept_as_shown(page, keeper)
    page.reload()
    expect(page.locator(".said")).to_have_count(2)
    kept_as_shown(page, keeper)


def test_half_an_answer_reaches_the_server_after_a_reload(page, keeper):
    page.fill("#max_tokens", "20000")
    page.fill("#message", "Go on.")
    page.keyboard.press("Enter")
    running(page)
    page.reload()
    keeper.wait_until_free()
    expect(page.locator(".said")).to_have_count(2)
    expect(page.locator("#where")).to_have_text("Kept on the server.")
    kept_as_shown(page, keeper)
    assert len(stored(keeper)) == 1 and len(shown(page)) == 2


def test_another_client_goes_on_with_it(page, keeper):
    say(page, "From the page.")
    settled(page)
    [one] = stored(keeper)
    keeper.openai().responses.create(model="samba-classics-18m", input="From a client.", conversation=one["id"], max_output_tokens=5)
    page.reload()
    expect(page.locator(".said.user").last).to_have_text("userFrom a client.")
    expect(page.locator(".said")).to_have_count(4)


def test_what_was_deleted_elsewhere_is_gone(page, keeper):
    say(page, "Soon gone.")
    settled(page)
    [one] = stored(keeper)
    keeper.http.delete(f"/v1/conversations/{one['id']}")
    page.reload()
    expect(page.locator("#where")).to_have_text("Kept on the server.")
    expect(page.locator("#conversations li")).to_have_count(0)
    expect(page.locator(".said")).to_have_count(0)
    assert page.evaluate(ENTRIES) == []


def test_a_message_to_a_conversation_deleted_meanwhile_is_not_lost(page, keeper):
    say(page, "Soon gone.")
    settled(page)
    [one] = stored(keeper)
    keeper.http.delete(f"/v1/conversations/{one['id']}")
    say(page, "Hello?")
    kept_as_shown(page, keeper)
    page.problems.clear()  # the browser's own words about 404


def second_tab(page, server):
    tab = page.context.new_page()
    tab.goto(server.url)
    tab.click("#tab-chat")
    tab.fill("#max_tokens", "8")
    return tab


@pytest.mark.parametrize("where", ["browser", "server"])
def test_two_tabs_do_not_overwrite_each_other(request, where, endless, keeper):
    page, server = (request.getfixturevalue("chat"), endless) if where == "browser" else (request.getfixturevalue("page"), keeper)
    say(page, "Common.")
    if where == "server":
        settled(page)
    tab = second_tab(page, server)
    expect(tab.locator(".said")).to_have_count(2)
    tab.fill("#max_tokens", "20000")
    tab.fill("#message", "From the second.")
    tab.keyboard.press("Enter")
    running(tab)
    # The first sees the question come, and asks something else meanwhile, of the same conversation.
    expect(page.locator(".said.user").last).to_have_text("userFrom the second.")
    act(page, "Edit", 0)
    page.fill("article textarea", "From the first.")
    page.keyboard.press("Enter")
    expect(page.locator(".said.user").last).to_have_text("userFrom the first.")
    finished(page, "length")
    tab.keyboard.press("Escape")
    finished(tab, "you")
    asked = "Object.values(current.nodes).filter(node => node.role === 'user').map(node => node.content).sort()"
    answered = "Object.values(current.nodes).filter(node => node.role === 'assistant' && node.content).length"
    for each in (page, tab):
        wait_until(lambda each=each: each.evaluate(asked) == ["Common.", "From the first.", "From the second."]
                   and each.evaluate(answered) == 3, "both tabs to have all")
    if where == "server":
        settled(page)
        settled(tab)
        assert sorted(texts(server, one["id"])[-2][1] for one in stored(server)) == ["From the first.", "From the second."]
    tab.reload()
    tab.locator("#conversations .choose").first.wait_for()
    assert tab.evaluate(asked) == ["Common.", "From the first.", "From the second."]
    # What one deletes, the other does not write again.
    tab.click("#clear")
    expect(page.locator("#conversations li")).to_have_count(0)
    expect(page.locator("#toast")).to_contain_text("deleted in another tab")
    assert page.evaluate(ENTRIES) == []
    if where == "server":
        wait_until(lambda: stored(server) == [], "the server to forget it")
    tab.close()


def test_without_storage_a_chat_goes_on_and_says_so(browser, endless):
    for page in load(browser, endless):
        page.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})")
        page.reload()
        page.click("#tab-chat")
        page.fill("#max_tokens", "5")
        page.fill("#message", "Hello.")
        page.keyboard.press("Enter")
        expect(page.locator("#toast")).to_contain_text("keeps nothing")
        finished(page, "length")
        expect(page.locator(".said")).to_have_count(2)


def test_no_key_is_in_what_is_exported_or_kept(chat, tmp_path):
    chat.fill("#key", "sk-very-secret")
    say(chat, "Hello.")
    files = []
    for clicks in (["#export summary", "#export-markdown"], ["#export summary", "#export-json"], ["#export-all"]):
        with chat.expect_download() as download:
            for click in clicks:
                chat.click(click)
        files.append(download.value.path().read_text())
    assert all("Hello." in text and "sk-very-secret" not in text for text in files)
    assert "sk-very-secret" not in chat.evaluate("JSON.stringify(Object.values(localStorage))")
    assert set(json.loads(files[1])) == {"id", "title", "updated", "system", "nodes", "leaf"}
