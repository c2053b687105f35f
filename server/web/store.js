// Conversations, kept in this browser: an entry of local storage for each, so that two tabs do not overwrite each
// other's.
//
// A conversation is {id, title, updated, system, nodes, leaf}: a tree of messages, and the way from a root to `leaf` is
// what is shown and sent. An edited message or another answer is a sibling of the first, so that nothing is lost. A node
// is {id, parent, role, content, thinking, calls, call, pieces, facts}; `calls` are the model's, {id, name, arguments}, and
// `call` is the id of that whose result a message of the role tool is; `pieces` are [end, tokens], the tokens that spell `content` up to `end`,
// a token being [text, log-probability, [[text, log-probability], …]].
const PREFIX = 'batucada.conversation.';
const conversations = new Map();

const newId = () => 'c' + Date.now().toString(36) + Math.random().toString(36).slice(2, 10);
const blank = (system = '') => ({id: newId(), title: '', updated: Date.now(), system, nodes: {}, leaf: null});

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

// Takes a message away with all that follows it, and shows what is nearest.
function cut(c, node) {
  const siblings = childrenOf(c, node.parent), at = siblings.indexOf(node);
  const gone = [node.id];
  for (let i = 0; i < gone.length; i++) {
    for (const child of childrenOf(c, gone[i])) gone.push(child.id);
    delete c.nodes[gone[i]];
  }
  const near = siblings[at + 1] ?? siblings[at - 1];
  c.leaf = near ? lastAfter(c, near) : node.parent;
}

const titleOf = c => c.title || (pathOf(c)[0]?.content.slice(0, 200).trim().replaceAll(/\s+/g, ' ').slice(0, 60) ?? '') || 'New conversation';

// A conversation as it must be, of what a file or the storage holds; null if it is none.
function checked(value) {
  const text = (t, most = Infinity) => typeof t === 'string' && t.length <= most;
  const likely = pair => Array.isArray(pair) && text(pair[0]) && typeof pair[1] === 'number';
  const token = t => likely(t) && Array.isArray(t[2]) && t[2].every(likely);
  const call = t => t && text(t.id, 200) && text(t.name, 200) && text(t.arguments);
  const piece = p => Array.isArray(p) && Number.isInteger(p[0]) && Array.isArray(p[1]) && p[1].every(token);
  if (!value || !text(value.id, 64) || typeof value.nodes !== 'object' || value.nodes === null) return null;
  const c = {id: value.id, title: text(value.title, 200) ? value.title : '', updated: Number(value.updated) || 0,
             system: text(value.system) ? value.system : '', nodes: {}, leaf: null};
  for (const node of Object.values(value.nodes)) {
    if (!node || !text(node.id, 64) || !['user', 'assistant', 'system', 'tool'].includes(node.role) || !text(node.content)) return null;
    const pieces = Array.isArray(node.pieces) && node.pieces.every(piece) ? node.pieces : [];
    const parent = text(node.parent, 64) && c.nodes[node.parent] ? node.parent : null;  // came before, so no circles
    c.nodes[node.id] = {id: node.id, parent, role: node.role, content: node.content,
                        thinking: text(node.thinking) ? node.thinking : '', call: text(node.call, 200) ? node.call : '',
                        calls: Array.isArray(node.calls) && node.calls.every(call) ? node.calls : [], pieces, facts: text(node.facts, 500) ? node.facts : ''};
  }
  c.leaf = c.nodes[value.leaf] ? value.leaf : Object.keys(c.nodes).at(-1) ?? null;
  return c;
}

function read(name) {
  try { return JSON.parse(localStorage.getItem(name)); } catch { return null; }
}

// False if the browser keeps nothing, or no more.
function write(name, value) {
  try { localStorage.setItem(name, JSON.stringify(value)); } catch { return false; }
  return true;
}

const withoutPieces = c => ({...c, nodes: Object.fromEntries(
  Object.entries(c.nodes).map(([id, node]) => [id, {...node, pieces: []}]))});

// Keeps a conversation; where room is short, probabilities go first, those of others before its own.
function save(c) {
  if (conversations.get(c.id) !== c) return;
  if (!c.leaf) return localStorage.removeItem(PREFIX + c.id);
  if (write(PREFIX + c.id, c)) return;
  for (const other of conversations.values()) if (other !== c && other.leaf) write(PREFIX + other.id, withoutPieces(other));
  if (write(PREFIX + c.id, c) || write(PREFIX + c.id, withoutPieces(c))) return;
  toast('This browser has no room to keep the conversation: export it, or delete old ones.');
}

function keep(c) {
  conversations.set(c.id, c);
  c.updated = Date.now();
  save(c);
}

function forget(c) {
  conversations.delete(c.id);
  try { localStorage.removeItem(PREFIX + c.id); } catch { /* nothing was kept */ }
}

function readAll() {
  conversations.clear();
  let names = [];
  try { names = Object.keys(localStorage); } catch { /* nothing is kept */ }
  for (const name of names.filter(name => name.startsWith(PREFIX))) {
    const c = checked(read(name));
    if (c && PREFIX + c.id === name) conversations.set(c.id, c);
  }
}

const newestFirst = () => [...conversations.values()].filter(c => c.leaf).sort((a, b) => b.updated - a.updated);

const asCode = call => '```json\n' + JSON.stringify({name: call.name, arguments: call.arguments}) + '\n```';

function asMarkdown(c) {
  const said = pathOf(c).map(node => `## ${node.role[0].toUpperCase()}${node.role.slice(1)}\n\n${[node.content.trim(), ...node.calls.map(asCode)].filter(Boolean).join('\n\n')}\n`);
  if (c.system) said.unshift(`## System\n\n${c.system.trim()}\n`);
  return `# ${titleOf(c)}\n\n${said.join('\n')}`;
}
