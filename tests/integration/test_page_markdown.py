"""How the page shows Markdown, and what a hostile answer can do to it: nothing."""

import re

import pytest
from playwright.sync_api import expect

from browser import NEEDS_CHROMIUM, browser, chat, endless, finished, spelled
from server import wait_until

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser", "chat", "endless"]

# Draws a text as an answer; the HTML of what comes of it, without what only looks.
DRAW = """text => {
  const box = document.createElement('div');
  showAnswer(box, {content: text, thinking: '', calls: [], pieces: []}, true);
  for (const bar of box.querySelectorAll('.code-bar')) bar.remove();
  return box.innerHTML.replace(/ (target|rel|title|tabindex|class|style)="[^"]*"/g, '').replace(/<div><pre>/g, '<pre>')
    .replace(/<\\/pre><\\/div>/g, '</pre>');
}"""


@pytest.mark.parametrize("text, html", [
    ("Hello *there*, **you** and ***all***.", "<p>Hello <em>there</em>, <strong>you</strong> and <em><strong>all</strong></em>.</p>"),
    ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
    ("## Title\ntext", "<h3>Title</h3><p>text</p>"),
    ("####### seven", "<p>####### seven</p>"),
    ("a_snake_case_name and _so_", "<p>a_snake_case_name and <em>so</em></p>"),
    ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
    ("~~gone~~ ~not~", "<p><del>gone</del> ~not~</p>"),
    ("`a*b*c` and ``x`y``", "<p><code>a*b*c</code> and <code>x`y</code></p>"),
    ("never `closed", "<p>never `closed</p>"),
    (r"\*literal\* \\", r"<p>*literal* \</p>"),
    ("*a _b ** [c", "<p>*a _b ** [c</p>"),
    ("**open *and** crossed*", "<p><strong>open *and</strong> crossed*</p>"),
    ("[a link](https://example.com/x_(y))", '<p><a href="https://example.com/x_(y)">a link</a></p>'),
    ('[titled](https://example.com "so") [*em*](mailto:a@example.com)',
     '<p><a href="https://example.com/">titled</a> <a href="mailto:a@example.com"><em>em</em></a></p>'),
    ("see https://example.com/a_b_c. Or not", '<p>see <a href="https://example.com/a_b_c">https://example.com/a_b_c</a>. Or not</p>'),
    ("![pixel](https://example.com/p.png)", '<p><a href="https://example.com/p.png">pixel</a></p>'),
    ("[not](relative) [x]", "<p>[not](relative) [x]</p>"),
    ("- a\n- b\n  - c\n\nend", "<ul><li><p>a</p></li><li><p>b</p><ul><li><p>c</p></li></ul></li></ul><p>end</p>"),
    ("3. c\n4. d", '<ol start="3"><li><p>c</p></li><li><p>d</p></li></ol>'),
    ("1. a\n\n   more\n2. b", "<ol><li><p>a</p><p>more</p></li><li><p>b</p></li></ol>"),
    ("> q\n> - r\n\ns", "<blockquote><p>q</p><ul><li><p>r</p></li></ul></blockquote><p>s</p>"),
    ("---\n***", "<hr><hr>"),
    ("```py\nif a < b:\n    *x*\n```\nafter", "<pre><code>if a &lt; b:\n    *x*\n</code></pre><p>after</p>"),
    ("~~~\n```\n~~~", "<pre><code>```\n</code></pre>"),
    ("```\nnever closed", "<pre><code>never closed</code></pre>"),
    ("- item\n  ```\n  code\n  ```", "<ul><li><p>item</p><pre><code>code\n</code></pre></li></ul>"),
    ("| a | b |\n|---|:-:|\n| 1 | **2** |", "<div><table><thead><tr><th> a </th><th> b </th></tr></thead>"
     "<tbody><tr><td> 1 </td><td> <strong>2</strong> </td></tr></tbody></table></div>"),
    ("a | b\nno table", "<p>a | b\nno table</p>"),
])
def test_markdown(chat, text, html):
    drawn = chat.evaluate(DRAW, text)
    assert drawn.replace('<ol start="1">', "<ol>") == html


HOSTILE = r"""<script>document.title='owned'</script><img src=x onerror="document.title='owned'">
<style>body{display:none}</style><iframe srcdoc="<script>parent.document.title='owned'</script>"></iframe>

[a](javascript:document.title='owned') [b](JaVaScRiPt:alert(1)) [c](java
script:alert(1)) [d](data:text/html,<script>1</script>) [e](vbscript:x) [f](//evil.example.com) [g](file:///etc/passwd)
[h](&#106;avascript:alert(1)) [i]( javascript:alert(1)) <a href="javascript:alert(1)">j</a> <javascript:alert(1)>
![k](javascript:alert(1)) ![l](https://evil.example.com/track.png)

| <img src=x onerror=1> | b |
|---|---|
| [x](javascript:1) | </td></table><script>1</script> |

```html"><script>1</script>
</code></pre><script>document.title='owned'</script>
```
"""


def answered(page, text, size=4):
    """Has the server answer `text`."""
    page.route("**/v1/chat/completions",
               lambda route: route.fulfill(content_type="text/event-stream", body=spelled(text, size)))
    page.fill("#message", "What do you say?")
    page.keyboard.press("Enter")
    finished(page, "stop")


def test_a_hostile_answer_is_text(chat):
    answered(chat, HOSTILE)
    said = chat.locator(".said.assistant")
    assert said.locator("script, img, style, iframe, object, embed, form, svg:not(.icon svg)").count() == 0
    links = said.locator("a").evaluate_all("links => links.map(link => link.href)")
    assert links == ["https://evil.example.com/track.png"]
    assert said.locator("a").evaluate_all("links => links.every(link => /noopener/.test(link.rel))")
    assert chat.evaluate("[...document.querySelectorAll('.said *')].flatMap(each => [...each.attributes])"
                         ".filter(each => /^on|^srcdoc$/.test(each.name)).length") == 0
    assert chat.title() == "Batucada"
    for part in ("<script>document.title='owned'</script>", "javascript:document.title", "</td></table>"):
        assert part in said.text_content()
    chat.reload()  # and as kept
    expect(chat.locator(".said.assistant")).to_contain_text("<iframe srcdoc=")
    assert chat.title() == "Batucada"


def test_no_character_is_lost_but_markup(chat):
    """Letters and digits of a text all come out, in order, whatever stands around them."""
    text = "".join(f"{mark}w{i}" for i, mark in enumerate(
        ["*", "**", "_", "`", "[", "](", ")", "\n", "\n\n", "> ", "- ", "1. ", "# ", "|", "~~", "\\", "```\n", "   ", "!["] * 40))
    drawn = chat.evaluate("text => { const box = make('div'); showAnswer(box, {content: text, thinking: '', calls: [], pieces: []}, true);"
                          "return box.textContent }", text)
    # A code block's language and a list's numbers are shown in other ways.
    words = re.findall(r"w\d+", text)
    shown = set(re.findall(r"w\d+", drawn))
    languages = set(re.findall(r"```\n(w\d+)", text))
    assert [word for word in words if word not in shown and word not in languages] == []


def test_a_long_line_is_shown_and_the_page_goes_on(chat):
    text = "x" * 400_000 + " " + "<b>" * 20_000
    answered(chat, text, size=50_000)
    wait_until(lambda: len(chat.locator(".said.assistant .what").text_content()) == len(text), "all of it to be drawn")
    assert chat.evaluate("document.documentElement.scrollWidth <= innerWidth")
    chat.unroute("**/v1/chat/completions")
    chat.click("#clear")
    expect(chat.locator(".said")).to_have_count(0)


SHAPES = ["*", "_a ", "`", "``` ", "`` ` ", "[", "](", "[a](", "[](http:", "**a*", "> ", "- ", "1. ", "|", "a|", "~~", "\\", "http://",
          "* ", "*a **b ", "![", "#", "\n- ", "\n> ", "\n|-|\n", "-", " "]


def test_drawing_takes_time_in_proportion(chat):
    """Of a shape repeated: eight times the text takes well below eight times eight of the time. The least of three, and
    what takes a moment only is no matter: where time grew with the square, it was seconds."""
    seconds = """([shape, count]) => {
      const text = shape.repeat(count / shape.length);
      let best = Infinity;
      for (let i = 0; i < 3; i++) {
        const box = make('div'), begin = performance.now();
        showAnswer(box, {content: text, thinking: "", calls: [], pieces: []}, true);
        best = Math.min(best, performance.now() - begin);
      }
      return best;
    }"""
    slow = {}
    for shape in SHAPES:
        chat.evaluate(seconds, [shape, 8_000])
        short, long = (chat.evaluate(seconds, [shape, count]) for count in (8_000, 64_000))
        if long > 24 * short + 400:
            slow[shape] = (short, long)
    assert slow == {}


def test_tokens_are_marked_within_markdown(chat):
    """Each token's letters can be pointed at, though its text is partly markup."""
    chat.evaluate("""() => {
      const node = {content: '', thinking: '', calls: [], pieces: []};
      for (const text of ['A **', 'bold', '** w', 'ord\\n', '\\n- it', 'em']) addPiece(node, text, [[text, -0.5, []]]);
      showAnswer($('messages'), node, true);
    }""")
    tokens = chat.locator("#messages .token").evaluate_all("spans => spans.map(span => [span.textContent, span.tokens[0][0]])")
    assert tokens == [["A ", "A **"], ["bold", "bold"], [" w", "** w"], ["ord", "ord\n"], ["it", "\n- it"], ["em", "em"]]
    expect(chat.locator("#messages strong .token")).to_have_count(1)
    expect(chat.locator("#messages li .token")).to_have_count(2)


def test_markdown_can_be_turned_off(chat):
    answered(chat, "**bold**")
    expect(chat.locator(".said.assistant strong")).to_have_count(1)
    chat.click("#markdown")
    expect(chat.locator(".said.assistant strong")).to_have_count(0)
    expect(chat.locator(".said.assistant")).to_have_text("assistant**bold**")


LONG = {
    "paragraphs": "Some *text* with `code`.\n\n" * 12_000,
    "one line": "word " * 60_000,
    "one word": "x" * 300_000,
    "code": "```\n" + "int x = 1;\n" * 27_000 + "```\n",
    "table": "|a|b|c|\n|-|-|-|\n" + "| one | **two** | three |\n" * 12_000,
    "wide table": "|a" * 60 + "|\n" + "|-" * 60 + "|\n" + ("|cell" * 60 + "|\n") * 900,
    "list": "- item *one*\n" * 23_000,
    "one item": "- item\n" + "  and more of it\n" * 17_000,
    "quote": "> quoted\n" * 30_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_answer_is_drawn_in_units_of_bounded_size(chat, text):
    """So that none of them holds the page up; and what was drawn stays while the answer grows."""
    chat.evaluate("""text => {
      window.node = {content: text, thinking: '', calls: [], pieces: []};
      window.box = make('div');
      document.getElementById('messages').append(box);
      showAnswer(box, node, true);
    }""", text)
    sizes = chat.evaluate("[...box.children].map(unit => [unit.textContent.length, unit.querySelectorAll('*').length])")
    assert len(sizes) > 10 and max(size for size, _ in sizes) <= 17_000 and max(count for _, count in sizes) <= 700
    words = r"\w+"
    assert len("".join(re.findall(words, chat.evaluate("box.textContent")))) == len("".join(re.findall(words, text)))
    assert chat.evaluate("""() => {
      const before = [...box.children];
      node.content += '\\n\\nAnd one more.';
      showAnswer(box, node, true);
      return [before.filter((unit, i) => unit === box.children[i]).length >= before.length - 1, box.lastChild.textContent];
    }""") == [True, "And one more."]


def test_a_long_answer_is_drawn_a_moment_at_a_time(chat):
    """What is not drawn in the first moment is drawn later, and a newer text takes over."""
    chat.evaluate("""text => {
      const real = performance.now.bind(performance);
      let time = 0;
      performance.now = () => time += 5;  // each unit takes a while
      window.node = {content: text, thinking: '', calls: [], pieces: []};
      window.box = make('div');
      showAnswer(box, node);
      window.first = box.children.length;
      performance.now = real;
    }""", "A paragraph.\n\n" * 500)
    assert 0 < chat.evaluate("first") < 10
    wait_until(lambda: chat.evaluate("box.children.length") == 500, "the rest to be drawn")
    chat.evaluate("node.content = 'Another.'; showAnswer(box, node)")
    assert chat.evaluate("box.textContent") == "Another."


def test_a_long_code_is_copied_whole(chat):
    """Though it grew behind the button, and is drawn in units."""
    chat.context.grant_permissions(["clipboard-read", "clipboard-write"])
    lines = [f"line {i}\n" for i in range(500)]
    for count in (3, 90, 500):
        chat.evaluate("""content => {
          window.box ??= $('messages').appendChild(make('div', {className: 'what'}));
          showAnswer(box, {content, thinking: '', calls: [], pieces: []}, true);
        }""", "Code:\n\n```\n" + "".join(lines[:count]) + ("```\n\n```\nother" if count == 500 else ""))
    assert chat.locator(".code").count() > 5
    chat.locator("[aria-label='Copy the code']").first.click()
    assert chat.evaluate("navigator.clipboard.readText()") == "".join(lines)
