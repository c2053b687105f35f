// Markdown to nodes: paragraphs, headings, lists, quotes, code, tables, rules, emphasis, links.
//
// A text is never taken for markup, whatever is in it: every character ends in a text node, and links lead only to http,
// https and mailto. Time is linear in the text: nothing looks ahead further than what is remembered of earlier looks,
// and nesting is bounded. `emit(parent, from, to)` puts that range of the source into a node, so that who renders an
// answer can mark its tokens.
const NESTING = 8, COLUMNS = 64, URL_LENGTH = 2048;
const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*([\w+#.-]*)/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+|$)/;
const QUOTE = /^ {0,3}> ?/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?: {1,4}|$)/;

const startsBlock = line => [FENCE, HEADING, QUOTE, RULE, ITEM].some(pattern => pattern.test(line));
const indentOf = line => /^ */.exec(line)[0].length;

// The lines of `source` behind `begin` as [from, to], without their ends.
function linesOf(source, begin = 0) {
  const lines = [];
  for (let from = begin; from <= source.length;) {
    const end = source.indexOf('\n', from), to = end < 0 ? source.length : end;
    lines.push([from, to]);
    from = to + 1;
  }
  return lines;
}

// The cells of a table's row, as ranges.
function cellsOf(source, [from, to]) {
  const cells = [];
  while (from < to && source[from] === ' ') from++;
  if (source[from] === '|') from++;
  for (let i = from; i <= to && cells.length <= COLUMNS; i++) {
    if (i < to && source[i] === '\\') { i++; continue; }
    if (i < to && source[i] !== '|') continue;
    if (i < to || source.slice(from, to).trim()) cells.push([from, i]);
    from = i + 1;
  }
  return cells;
}

// The alignment of each column if the line is what stands below a table's head, else null.
function alignments(source, line) {
  if (!source.slice(...line).includes('-')) return null;
  const cells = cellsOf(source, line).map(cell => source.slice(...cell).trim());
  if (!cells.length || cells.length > COLUMNS || !cells.every(cell => /^:?-+:?$/.test(cell))) return null;
  return cells.map(cell => cell.endsWith(':') ? (cell.startsWith(':') ? 'center' : 'right') : '');
}

// What `lines` consist of: {kind, lines, begin, end}, begin and end counting lines.
function blocksOf(source, lines, depth = 0) {
  const blocks = [], at = i => source.slice(...lines[i]);
  const empty = i => !at(i).trim();
  for (let i = 0; i < lines.length;) {
    if (empty(i)) { i++; continue; }
    const begin = i, line = at(i);
    let found, block;
    if (depth < NESTING && (found = FENCE.exec(line))) {
      const mark = found[1][0], least = found[1].length;
      const closes = text => text.length >= least && text[0] === mark && /^(`+|~+)$/.test(text);
      for (i++; i < lines.length && !closes(at(i).trim()); i++);
      block = {kind: 'code', language: found[2], lines: lines.slice(begin + 1, i)};
      i = Math.min(i + 1, lines.length);
    } else if (depth < NESTING && (found = HEADING.exec(line))) {
      block = {kind: 'heading', level: found[1].length, lines: [[lines[i][0] + found[0].length, lines[i][1]]]};
      i++;
    } else if (depth < NESTING && RULE.test(line)) {
      block = {kind: 'rule', lines: []};
      i++;
    } else if (depth < NESTING && QUOTE.test(line)) {
      block = {kind: 'quote', lines: []};
      for (; i < lines.length && (found = QUOTE.exec(at(i))); i++) block.lines.push([lines[i][0] + found[0].length, lines[i][1]]);
    } else if (depth < NESTING && (found = ITEM.exec(line))) {
      const ordered = found[2].length > 1;
      block = {kind: 'list', ordered, start: parseInt(found[2], 10), items: []};
      for (; i < lines.length && (found = ITEM.exec(at(i))) && found[2].length > 1 === ordered && !RULE.test(at(i));) {
        const inside = Math.max(2, found[0].length);
        const item = [[lines[i][0] + found[0].length, lines[i][1]]];
        for (i++; i < lines.length; i++) {
          const indent = indentOf(at(i));
          if (empty(i)) {  // belongs to the item if what follows does
            let next = i;
            while (next < lines.length && empty(next)) next++;
            if (next === lines.length || indentOf(at(next)) < 2) { i = next; break; }
            while (i < next) item.push([lines[i][1], lines[i++][1]]);
            i--;
          } else if (indent >= 2 || !startsBlock(at(i))) {
            item.push([lines[i][0] + Math.min(indent, inside), lines[i][1]]);
          } else {
            break;
          }
        }
        block.items.push(item);
      }
    } else if (line.includes('|') && i + 1 < lines.length && (found = alignments(source, lines[i + 1])) &&
               found.length === cellsOf(source, lines[i]).length) {
      block = {kind: 'table', columns: found, head: lines[i], rows: []};
      for (i += 2; i < lines.length && at(i).includes('|') && !empty(i); i++) block.rows.push(lines[i]);
    } else {
      for (i++; i < lines.length && !empty(i) && (depth >= NESTING || !startsBlock(at(i))); i++);
      block = {kind: 'paragraph', lines: lines.slice(begin, i)};
    }
    blocks.push(Object.assign(block, {begin, end: i}));
  }
  return blocks;
}

function renderBlock(source, block, emit, depth = 0) {
  const inline = (parent, lines) => (renderInline(parent, source, lines, emit), parent);
  const inner = (parent, lines) => {
    for (const each of blocksOf(source, lines, depth + 1)) parent.append(renderBlock(source, each, emit, depth + 1));
    return parent;
  };
  switch (block.kind) {
    case 'code': {
      const code = make('code'), {lines} = block;
      for (let i = 0; i < lines.length;) {  // lines that follow each other in the source at once
        const first = i;
        while (i + 1 < lines.length && lines[i + 1][0] <= lines[i][1] + 1) i++;
        const to = lines[i++][1];
        emit(code, lines[first][0], source[to] === '\n' ? to + 1 : to);
      }
      const pre = make('pre', {tabIndex: 0}, code);
      if (block.on) return make('div', {className: 'code on'}, pre);
      const box = make('div', {className: 'code'});
      const text = () => {  // with what follows of it, as it is by then
        let all = '';
        for (let at = box; at && (at === box || at.matches('.code.on')); at = at.nextElementSibling) all += at.querySelector('code').textContent;
        return all;
      };
      const bar = make('div', {className: 'code-bar'}, make('span', {textContent: block.language}),
                       button('copy', 'Copy the code', event => copy(text(), event.currentTarget)));
      box.append(bar, pre);
      return box;
    }
    case 'heading': return inline(make('h' + Math.min(6, block.level + 1)), block.lines);
    case 'rule': return make('hr');
    case 'quote': return inner(make('blockquote', {className: block.on ? 'on' : ''}), block.lines);
    case 'list': {
      const list = make(block.ordered ? 'ol' : 'ul');
      if (block.ordered) list.start = block.start;
      list.className = block.on ? 'on' : block.next ? 'next' : '';
      list.append(...block.items.map(item => inner(make('li'), item)));
      return list;
    }
    case 'table': {
      const row = (tag, line) => make('tr', {}, ...cellsOf(source, line).slice(0, block.columns.length).map((cell, i) => {
        const made = inline(make(tag), [cell]);
        made.style.textAlign = block.columns[i];
        return made;
      }));
      const table = make('table', {}, ...(block.on ? [] : [make('thead', {}, row('th', block.head))]),
                         make('tbody', {}, ...block.rows.map(line => row('td', line))));
      return make('div', {className: block.on ? 'table on' : 'table', tabIndex: 0}, table);
    }
    default: return inline(make('p', {className: block.on ? 'on' : ''}), block.lines);
  }
}
