// Conversations, and what is done to them. Where they are kept: kept.js, remote.js.
//
// A conversation is {id, title, updated, system, nodes, leaf, gone, place, branches, pending}: a tree of messages, and the
// way from a root to `leaf` is what is shown and sent. An edited message or another answer is a sibling of the first, so
// that nothing is lost. A node is {id, parent, role, content, thinking, calls, call, pieces, facts}; `calls` are the
// model's, {id, name, arguments}, and `call` is the id of that whose result a message of the role tool is; `pieces` are
// [end, tokens], the tokens that spell `content` up to `end`, a token being [text, log-probability, [[text,
// log-probability], …]]. `gone` are ids of nodes that were deleted, so that another tab does not bring them back. `place`
// is 'browser' or 'server', with `branches` and `pending` as remote.js has them; '' if nothing was kept yet.
const conversations = new Map();

const newId = () => 'c' + Date.now().toString(36) + Math.random().toString(36).slice(2, 10);
const blank = (system = '') => ({id: newId(), title: '', updated: Date.now(), system, nodes: {}, leaf: null, gone: [],
                                 place: '', branches: [], pending: false});

function addNode(c, parent, role, content) {
  const node = {id: newId(), parent, role, content, thinking: '', calls: [], call: '', pieces: [], facts: ''};
  c.nodes[node.id] = node;
  c.leaf = node.id;
  return node;
}

// The messages that are shown, first to last.
function pathOf(c) {
  const path = [];
  for (let id = c.leaf; id && c.nodes[id]; id = c.nodes[id].parent) path.push(c.nodes[id]);
  return path.reverse();
}

const childrenOf = (c, parent) => Object.values(c.nodes).filter(node => node.parent === parent);

// The newest message that follows `node`.
function lastAfter(c, node) {
  for (let next; (next = childrenOf(c, node.id).at(-1)); node = next);
  return node.id;
}

// Takes a message away with all that follows it, and shows what is nearest where that was shown.
function cut(c, node) {
  const siblings = childrenOf(c, node.parent), at = siblings.indexOf(node);
  const gone = [node.id];
  for (let i = 0; i < gone.length; i++) {
    for (const child of childrenOf(c, gone[i])) gone.push(child.id);
    delete c.nodes[gone[i]];
  }
  c.gone = [...c.gone, ...gone].slice(-1000);
  if (c.nodes[c.leaf]) return;
  const near = siblings[at + 1] ?? siblings[at - 1];
  c.leaf = near ? lastAfter(c, near) : node.parent;
}

const sizeOf = node => node.content.length + node.thinking.length + node.calls.reduce((sum, call) => sum + call.arguments.length, 0);

// Brings in what another tab, or the server, has of a conversation. Nothing that is here is lost but what was deleted
// there. `busy`: the node that is being written here, whose text is newer than any other. True if something changed.
function merge(c, theirs, busy = null) {
  let changed = false;
  for (const id of theirs.gone) {
    if (!c.nodes[id] || id === busy?.id) continue;
    cut(c, c.nodes[id]);
    changed = true;
  }
  for (const node of Object.values(theirs.nodes)) {
    const mine = c.nodes[node.id];
    if (!mine && !c.gone.includes(node.id) && (node.parent === null || c.nodes[node.parent])) {
      c.nodes[node.id] = node;
      changed = true;
    } else if (mine && mine !== busy && sizeOf(node) > sizeOf(mine)) {
      Object.assign(mine, node);
      changed = true;
    }
  }
  if (theirs.updated > c.updated) {
    changed ||= c.title !== theirs.title || c.system !== theirs.system;
    Object.assign(c, {title: theirs.title, system: theirs.system, updated: theirs.updated});
  }
  if (!c.nodes[c.leaf]) c.leaf = Object.keys(c.nodes).at(-1) ?? null;
  if (c.leaf && !busy) c.leaf = lastAfter(c, c.nodes[c.leaf]);
  return changed;
}

// Another conversation, of the messages up to `node`.
function forkOf(c, node) {
  const made = blank(c.system);
  const path = pathOf({...c, leaf: node.id});
  made.title = `Fork: ${titleOf(c).slice(0, 100)}`;
  let parent = null;
  for (const each of path) {
    const copied = {...structuredClone(each), id: newId(), parent};
    made.nodes[copied.id] = copied;
    parent = copied.id;
  }
  made.leaf = parent;
  return made;
}

// Puts back what was deleted since `before`, under new ids: as the old ones it is gone, here and in other tabs.
function bringBack(c, before) {
  const ids = new Map([[null, null]]);
  for (const node of Object.values(before.nodes)) {
    const id = c.nodes[node.id] ? node.id : newId();
    ids.set(node.id, id);
    c.nodes[id] ??= {...node, id, parent: ids.get(node.parent) ?? null};
  }
  c.leaf = ids.get(before.leaf) ?? c.leaf;
}

const titleOf = c => c.title || (pathOf(c)[0]?.content.slice(0, 200).trim().replaceAll(/\s+/g, ' ').slice(0, 60) ?? '') || 'New conversation';

// A conversation as it must be, of what a file or the storage holds; null if it is none.
function checked(value) {
  const text = (t, most = Infinity) => typeof t === 'string' && t.length <= most;
  const likely = pair => Array.isArray(pair) && text(pair[0]) && typeof pair[1] === 'number';
  const token = t => likely(t) && Array.isArray(t[2]) && t[2].every(likely);
  const call = t => t && text(t.id, 200) && text(t.name, 200) && text(t.arguments);
  const sound = id => text(id, 64) && /^[\w.-]+$/.test(id);
  const branch = b => b && text(b.id, 128) && /^[\w-]+$/.test(b.id) && Array.isArray(b.marks) && b.marks.every(mark => text(mark, 200));
  const piece = p => Array.isArray(p) && Number.isInteger(p[0]) && Array.isArray(p[1]) && p[1].every(token);
  if (!value || !sound(value.id) || typeof value.nodes !== 'object' || value.nodes === null) return null;
  const c = {id: value.id, title: text(value.title, 200) ? value.title : '', updated: Number(value.updated) || 0,
             system: text(value.system) ? value.system : '', nodes: {}, leaf: null,
             gone: Array.isArray(value.gone) ? value.gone.filter(sound).slice(-1000) : [],
             place: value.place === 'server' ? 'server' : 'browser', pending: value.pending === true,
             branches: Array.isArray(value.branches) ? value.branches.filter(branch) : []};
  for (const node of Object.values(value.nodes)) {
    if (!node || !sound(node.id) || !['user', 'assistant', 'system', 'tool'].includes(node.role) || !text(node.content)) return null;
    const pieces = Array.isArray(node.pieces) && node.pieces.every(piece) ? node.pieces : [];
    const parent = text(node.parent, 64) && c.nodes[node.parent] ? node.parent : null;  // came before, so no circles
    c.nodes[node.id] = {id: node.id, parent, role: node.role, content: node.content,
                        thinking: text(node.thinking) ? node.thinking : '', call: text(node.call, 200) ? node.call : '',
                        calls: Array.isArray(node.calls) && node.calls.every(call) ? node.calls : [], pieces, facts: text(node.facts, 500) ? node.facts : ''};
  }
  c.leaf = c.nodes[value.leaf] ? value.leaf : Object.keys(c.nodes).at(-1) ?? null;
  return c;
}

const newestFirst = () => [...conversations.values()].filter(c => c.leaf || c.stub).sort((a, b) => b.updated - a.updated);

const asCode = call => '```json\n' + JSON.stringify({name: call.name, arguments: call.arguments}) + '\n```';

function asMarkdown(c) {
  const said = pathOf(c).map(node => `## ${node.role[0].toUpperCase()}${node.role.slice(1)}\n\n${[node.content.trim(), ...node.calls.map(asCode)].filter(Boolean).join('\n\n')}\n`);
  if (c.system) said.unshift(`## System\n\n${c.system.trim()}\n`);
  return `# ${titleOf(c)}\n\n${said.join('\n')}`;
}

// As a file has it: the messages alone.
const exportable = ({id, title, updated, system, nodes, leaf}) => ({id, title, updated, system, nodes, leaf});
