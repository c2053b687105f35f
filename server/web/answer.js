// An answer on the page, and how likely each of its tokens was.

const percent = logprob => (100 * Math.exp(logprob)).toPrecision(3) + '%';
const visible = token => token.replaceAll('\n', '⏎').replaceAll(' ', '␣');

// Adds a piece of text that came with `tokens` to a node: each its own piece where they spell the text.
function addPiece(node, text, tokens) {
  if (tokens.length && tokens.map(t => t[0]).join('') === text) {
    let end = node.content.length;
    for (const token of tokens) if (token[0]) node.pieces.push([end += token[0].length, [token]]);
  } else if (tokens.length && text) {
    node.pieces.push([node.content.length + text.length, tokens]);
  } else if (text) {
    node.pieces.push([node.content.length + text.length, []]);
  }
  node.content += text;
}

// Adds what else a piece of a chat tells: thinking, the beginning of a call, more of its arguments.
function addDelta(node, delta) {
  node.thinking += delta.reasoning_content ?? '';
  for (const {index, id, function: called} of delta.tool_calls ?? []) {
    node.calls[index] ??= {id, name: called.name, arguments: ''};
    node.calls[index].arguments += called.arguments ?? '';
  }
}

const isEmpty = node => !node.content && !node.thinking && !node.calls.length;

// What the model thought, folded until one opens it.
function thoughts(box, node) {
  const made = make('details', {className: 'thoughts', open: box.unfolded === true},
                    make('summary', {textContent: node.content || node.calls.length ? 'Thought' : 'Thinking…'}),
                    make('div', {className: 'plain', textContent: node.thinking}));
  made.addEventListener('toggle', () => { box.unfolded = made.open; });
  return made;
}

function callBlock(call) {
  let shown = call.arguments;
  try { shown = JSON.stringify(JSON.parse(shown), null, 2); } catch { /* still coming, or not JSON */ }
  const bar = make('div', {className: 'code-bar'}, make('span', {textContent: `calls ${call.name}`}),
                   button('copy', 'Copy the arguments', event => copy(call.arguments, event.currentTarget)));
  return make('div', {className: 'code call'}, bar, make('pre', {tabIndex: 0}, make('code', {textContent: shown})));
}

// Puts ranges of node.content into the page, each piece with tokens a span of its own.
function emitter(node) {
  const {content, pieces} = node;
  if (!$('logprobs').checked || !pieces.some(piece => piece[1].length)) {
    return (parent, from, to) => parent.append(content.slice(from, to));
  }
  return (parent, from, to) => {
    let low = 0, high = pieces.length;  // the first piece that ends behind `from`
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pieces[middle][0] > from) high = middle; else low = middle + 1;
    }
    for (; from < to; low++) {
      const [end, tokens] = pieces[low] ?? [Infinity, []], text = content.slice(from, Math.min(end, to));
      from += text.length;
      if (!tokens.length) { parent.append(text); continue; }
      const unlikely = 1 - Math.exp(Math.min(...tokens.map(t => t[1])));
      const span = make('span', {className: 'token', textContent: text, tokens});
      span.style.setProperty('--unlikely', Math.round(26 * unlikely) + '%');
      parent.append(span);
    }
  };
}

// --- the probabilities of the token that is pointed at, tapped or walked to ------------------------------------------

let told = null;  // the token that #about is about
function tell(target) {
  told?.classList.remove('told');
  told = target?.tokens ? target : null;
  $('about').hidden = !told;
  if (!told) return;
  told.classList.add('told');
  const row = (token, logprob, kind) => {
    const made = make('tr', {className: kind}, make('td', {textContent: visible(token)}),
                      make('td', {textContent: percent(logprob), title: `log ${logprob.toFixed(3)}`}), make('td'));
    made.lastChild.append(make('i'));
    made.lastChild.firstChild.style.width = 100 * Math.exp(logprob) + '%';
    return made;
  };
  const rows = told.tokens.flatMap(([token, logprob, top]) => [row(token, logprob, 'chosen'),
                                                               ...top.map(([t, l]) => row(t, l, t === token ? 'same' : ''))]);
  $('about').replaceChildren(make('table', {}, ...rows));
  const place = told.getClientRects()[0] ?? told.getBoundingClientRect(), size = $('about').getBoundingClientRect();
  $('about').style.left = Math.max(4, Math.min(place.left, innerWidth - size.width - 4)) + 'px';
  $('about').style.top = (place.bottom + size.height + 8 < innerHeight ? place.bottom + 4
                                                                        : Math.max(4, place.top - size.height - 4)) + 'px';
}

// A mouse points; a finger taps, and taps elsewhere to be rid of it.
document.addEventListener('pointerover', event => { if (event.pointerType === 'mouse') tell(event.target); });
document.addEventListener('click', event => tell(event.target));
for (const box of [$('output'), $('messages')]) {
  box.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || event.target !== box) return;
    const tokens = [...box.querySelectorAll('.token')];
    if (!tokens.length) return;
    event.preventDefault();
    const next = told ? tokens.indexOf(told) + step : step > 0 ? 0 : tokens.length - 1;
    tokens[Math.max(0, Math.min(next, tokens.length - 1))].scrollIntoView({block: 'nearest'});
    tell(tokens[Math.max(0, Math.min(next, tokens.length - 1))]);
  });
  box.addEventListener('blur', () => tell(null));
}
