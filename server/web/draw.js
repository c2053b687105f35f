// Draws answers, of whatever length, without holding the page up: an answer is drawn in units of bounded size, for a few
// milliseconds at a time, and of one that grows only the units that are new or have changed are parsed and drawn.
const SLICE = 12;  // ms
const UNIT_CHARS = 8192, UNIT_LINES = 64;  // where a unit may end, it does past these
const LONG = 100;  // units: those out of sight are not laid out

// Cuts lines into groups of bounded size; a longer line is cut where there is a space.
function groupsOf(source, lines) {
  const groups = [[]];
  let chars = 0;
  const add = (from, to) => {
    if (groups.at(-1).length && (groups.at(-1).length >= UNIT_LINES || chars + to - from > UNIT_CHARS)) { groups.push([]); chars = 0; }
    groups.at(-1).push([from, to]);
    chars += to - from;
  };
  for (let [from, to] of lines) {
    while (to - from > UNIT_CHARS) {
      const space = source.lastIndexOf(' ', from + UNIT_CHARS), end = space > from ? space + 1 : from + UNIT_CHARS;
      add(from, end);
      from = end;
    }
    add(from, to);
  }
  return groups;
}

// A block as smaller ones of its kind. What follows the first says so (`on`).
function unitsOf(source, block) {
  switch (block.kind) {
    case 'paragraph': case 'quote': case 'code':
      return groupsOf(source, block.lines).map((lines, i) => ({...block, lines, on: i > 0}));
    case 'list': {
      const units = [];
      let chars = Infinity, number = block.start;
      for (const item of block.items) {
        for (const [i, lines] of groupsOf(source, item).entries()) {
          const size = lines.reduce((sum, line) => sum + line[1] - line[0], 0);
          if (i > 0 || chars + size > UNIT_CHARS || units.at(-1).items.length >= UNIT_LINES) {
            units.push({...block, items: [], start: number, on: i > 0, next: units.length > 0});
            chars = 0;
          }
          units.at(-1).items.push(lines);
          chars += size;
        }
        number++;
      }
      return units;
    }
    case 'table': {
      const rows = groupsOf(source, block.rows).flatMap(group => {
        const few = Math.max(1, Math.floor(4 * UNIT_LINES / block.columns.length)), parts = [];
        for (let i = 0; i < group.length; i += few) parts.push(group.slice(i, i + few));
        return parts;
      });
      return (rows.length ? rows : [[]]).map((part, i) => ({...block, rows: part, on: i > 0}));
    }
    default: return [block];
  }
}

// The units of an answer's text. All blocks but the last stay what they are when the text grows.
function textUnits(box, node) {
  const {content} = node;
  if (!$('markdown').checked) {
    return groupsOf(content, linesOf(content)).filter(lines => content).map(lines => {
      const from = lines[0][0], to = lines.at(-1)[1];
      return {key: `plain ${from} ${to}`, draw: emit => { const plain = make('div', {className: 'plain'}); emit(plain, from, to); return plain; }};
    });
  }
  const known = box.parsed && content.startsWith(box.parsed.content) ? box.parsed : {blocks: []};
  const blocks = known.blocks.slice(0, -1), begin = known.blocks.at(-1)?.from ?? 0;
  const lines = linesOf(content, begin);
  for (const block of blocksOf(content, lines)) {
    const units = unitsOf(content, block).map((unit, i) => {
      const ends = (unit.lines ?? unit.items?.flat() ?? unit.rows).at(-1)?.[1] ?? block.end;
      return {key: `${block.kind} ${lines[block.begin][0]} ${i} ${ends} ${unit.on}`, draw: emit => renderBlock(content, unit, emit)};
    });
    blocks.push({from: lines[block.begin][0], units});
  }
  box.parsed = {content, blocks};
  return blocks.flatMap(block => block.units);
}

// Shows what a node says in `box`: at once, if `whole`; else what a moment allows, and the rest in moments to come.
function showAnswer(box, node, whole = false) {
  const wanted = textUnits(box, node);
  const over = node.content || node.calls.length ? 'over' : '';
  if (node.thinking) wanted.unshift({key: `thinking ${over} ${node.thinking.length}`, draw: () => thoughts(box, node)});
  for (const call of node.calls) wanted.push({key: `call ${call.name} ${call.arguments.length}`, draw: () => callBlock(call)});
  const odds = $('logprobs').checked && node.pieces.length > 0, look = `${odds} ${$('markdown').checked}`;
  const keys = box.look === look && node.content.startsWith(box.said ?? '') ? box.keys ?? [] : [];
  Object.assign(box, {look, said: node.content, keys: keys});
  let same = 0;
  while (same < keys.length && same < wanted.length && keys[same] === wanted[same].key) same++;
  while (box.childNodes.length > same) box.lastChild.remove();
  keys.length = same;
  box.classList.toggle('long', wanted.length > LONG);
  const emit = emitter(node);
  clearTimeout(box.rest);
  const draw = () => {
    const end = performance.now() + SLICE, stay = !whole && atLatest();
    let next = keys.length;
    do {
      if (next >= wanted.length) break;
      box.append(wanted[next].draw(emit));
      keys.push(wanted[next++].key);
    } while (whole || performance.now() < end);
    box.rest = next < wanted.length ? setTimeout(draw, 0) : 0;
    if (stay) toLatest();
  };
  draw();
}

// Draws soon; the longer drawing takes, the less often, so that the page stays usable whatever is in the answer.
function drawer(draw) {
  let timer = 0, cost = 0;
  const now = () => {
    const begin = performance.now();
    timer = 0;
    draw();
    cost = performance.now() - begin;
  };
  return {soon: () => { timer ||= setTimeout(now, Math.max(16, 4 * cost)); },
          now: () => { clearTimeout(timer); now(); },
          cancel: () => clearTimeout(timer)};
}
