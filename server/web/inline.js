// What stands within a paragraph: emphasis, code, links.
const SPECIAL = /[\\`*_~![\]h]/g;
const WEB = /https?:\/\/[^\s<>"'`]+/y;
const SCHEME = /^(https?:|mailto:)/i;
const LETTER = /[\p{L}\p{N}]/u, NOTHING = /(?!)/;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const EMPHASIS = {'*': ['em', 'strong', 'em strong'], '_': ['em', 'strong', 'em strong'], '~': ['', 'del', '']};

// The address if a link may lead there, else null.
function safeUrl(text) {
  try {
    const url = new URL(text);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch { return null; }
}

// Remembers where the next `what` is, so that asking again from further on costs nothing.
function nextOf(text, what) {
  let known = -1;
  return from => {
    if (known < from) known = text.indexOf(what, from);
    if (known < 0) known = Infinity;
    return known;
  };
}

// The parts of a text: {kind, from, to}, kind being text, code, web, open or close; open has `tags` or `url`.
function inlineParts(text) {
  const parts = [], open = [], openers = new Map();
  const closing = nextOf(text, ')'), backticks = ['`', '``', '```'].map(run => nextOf(text, run));
  let last = 0;
  const flush = to => { if (to > last) parts.push({kind: 'text', from: last, to}); };
  const add = (kind, from, to, more) => {
    flush(from);
    const part = {kind, from, to, ...more};
    parts.push(part);
    last = to;
    return part;
  };
  const push = (key, part) => {
    if (!openers.has(key)) openers.set(key, []);
    openers.get(key).push({part, place: open.length});
    open.push(part);
  };
  // The opener that `key` closes, or null; what was opened since and not closed stays text.
  const pop = key => {
    const candidates = openers.get(key) ?? [];
    while (candidates.length) {
      const {part, place} = candidates.pop();
      if (open[place] !== part) continue;
      open.length = place;
      return part;
    }
    return null;
  };
  // Where a run of exactly `n` backticks begins, at `from` or later; -1 if nowhere.
  const closeCode = (n, from) => {
    for (let at = backticks[n - 1](from); at < Infinity; at = backticks[n - 1](from)) {
      let to = at;
      while (text[to] === '`') to++;
      if (to - at === n) return at;
      from = to;
    }
    return -1;
  };
  for (let i = 0; i < text.length;) {
    SPECIAL.lastIndex = i;
    const found = SPECIAL.exec(text);
    if (!found) break;
    i = found.index;
    const c = text[i];
    if (c === '\\' && PUNCTUATION.test(text[i + 1] ?? '')) {
      flush(i);
      last = i + 1;
      i += 2;
    } else if (c === '`') {
      let to = i;
      while (text[to] === '`') to++;
      const close = to - i <= 3 ? closeCode(to - i, to) : -1;
      if (close < 0) { i = to; continue; }
      add('code', i, close + to - i, {inner: [to, close]});
      i = last;
    } else if (c === '*' || c === '_' || c === '~') {
      let to = i;
      while (text[to] === c) to++;
      const before = text[i - 1] ?? ' ', after = text[to] ?? ' ', tags = EMPHASIS[c][to - i - 1];
      const word = c === '_' ? LETTER : NOTHING;  // snake_case is no emphasis
      if (tags) {
        const closes = !/\s/.test(before) && !word.test(after), opens = !/\s/.test(after) && !word.test(before);
        const opener = closes ? pop(c + (to - i)) : null;
        if (opener) {
          opener.kind = 'open';
          opener.tags = tags.split(' ');
          add('close', i, to);
        } else if (opens) {
          push(c + (to - i), add('text', i, to));
        }
      }
      i = to;
    } else if (c === '[' || (c === '!' && text[i + 1] === '[')) {
      const to = i + (c === '[' ? 1 : 2);
      push('[', add('text', i, to));
      i = to;
    } else if (c === ']') {
      const opener = pop('['), from = i + 2;
      i++;
      if (!opener || text[i] !== '(' || !SCHEME.test(text.slice(from, from + 7))) continue;
      let to = closing(from);
      if (to - from > URL_LENGTH) continue;
      if (text.slice(from, to).includes('(') && text[to + 1] === ')') to++;
      const url = safeUrl(text.slice(from, to).split(/\s/, 1)[0]);  // behind a space stands a title
      if (!url) continue;
      opener.kind = 'open';
      opener.url = url;
      add('close', i - 1, to + 1);
      i = last;
    } else if (c === 'h' && !/\w/.test(text[i - 1] ?? '')) {
      WEB.lastIndex = i;
      const run = WEB.exec(text)?.[0] ?? '', web = run.length <= URL_LENGTH ? run.replace(/[.,;:!?)\]*_~]+$/, '') : '';
      const url = web && safeUrl(web);
      if (url) add('web', i, i + web.length, {url});
      i += (url ? web : run).length || 1;
    } else {
      i++;
    }
  }
  flush(text.length);
  return parts;
}

const link = url => make('a', {href: url, target: '_blank', rel: 'noopener noreferrer nofollow', title: url});

// `lines`: ranges of the source, in order, that together are the paragraph.
function renderInline(parent, source, lines, emit) {
  const text = lines.map(line => source.slice(...line)).join('\n');
  let line = 0, start = 0;  // of `text`, where lines[line] starts
  const put = (into, from, to) => {
    while (from < to) {
      const [begin, end] = lines[line], length = end - begin + 1;  // with the new line
      if (from >= start + length) { start += length; line++; continue; }
      const stop = Math.min(to, start + length);
      emit(into, begin + from - start, begin + stop - start);
      from = stop;
    }
  };
  const into = [parent], parts = inlineParts(text);
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i], place = into.at(-1);
    if (part.kind === 'open') {
      let inner = place;
      if (into.length <= NESTING) {
        for (const tag of part.tags ?? ['a']) {
          const made = part.url ? link(part.url) : make(tag);
          inner.append(made);
          inner = made;
        }
      }
      into.push(inner);
    } else if (part.kind === 'close') {
      into.pop();
    } else if (part.kind === 'text') {
      while (parts[i + 1]?.kind === 'text' && parts[i + 1].from === parts[i].to) i++;  // marks that mark nothing
      put(place, part.from, parts[i].to);
    } else {
      const made = part.kind === 'web' ? link(part.url) : make('code');
      place.append(made);
      put(made, ...(part.inner ?? [part.from, part.to]));
    }
  }
}
