// Conversations on the server, where it keeps them in a directory (--store) and says whose they are: to a key, or to who
// sits at the machine itself. Elsewhere they stay in the browser.
//
// Each way from a conversation's root to a leaf is a conversation of OpenAI's API, a branch, which any client may read
// and go on with; metadata.page says which conversation of this page it belongs to. `branches` of a conversation are
// {id, marks}, what the server has: the marks of the items, in order. Where that differs from what is here, and
// `pending` says that it may, push() adds what is missing and takes away what was deleted. Until then the entry in local
// storage keeps it. A conversation of which only the title is known is a `stub`.
let serverKeeps = false;
const OWN_MACHINE = /^(localhost|127(\.\d+){3}|\[::1\])$/;
const MOST_SESSIONS = 2000;

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

async function ask(method, path, body, more = {}) {
  const options = {method, headers: {...headers(), ...(body ? {'Content-Type': 'application/json'} : {})}, ...more};
  if (body) options.body = JSON.stringify(body);
  const response = await fetch(path, options);
  if (!response.ok) throw new Refused(response.status, await problemOf(response));
  return response.json();
}

const metadataOf = c => ({page: c.id, title: titleOf(c), ...(c.title ? {named: 'yes'} : {})});

function leavesOf(c) {
  const nodes = Object.values(c.nodes), parents = new Set(nodes.map(node => node.parent));
  return nodes.filter(node => !parents.has(node.id));
}

// What the way to `leaf` is on the server; an answer that is still being written is not there yet.
function itemsTo(c, leaf) {
  const items = pathOf({...c, leaf: leaf.id}).filter(node => node !== busyNode(c)).flatMap(itemsOf);
  if (items.length && c.system) items.unshift({type: 'message', id: `msg_s${c.id}`, role: 'system', content: c.system});
  return items;
}

// All items of a branch behind the one with id `after`.
async function itemsBehind(branch, after = '') {
  const items = [];
  for (let more = true; more;) {
    const from = after && '&after=' + encodeURIComponent(after);
    const page = await ask('GET', `/v1/conversations/${branch.id}/items?order=asc&limit=100${from}`);
    items.push(...page.data);
    after = page.last_id;
    more = page.has_more;
  }
  return items;
}

const itemPath = (branch, mark) => `/v1/conversations/${branch.id}/items/${encodeURIComponent(idOfMark(mark))}`;
const idOfMark = mark => mark.slice(0, mark.lastIndexOf(' '));

function bringItems(c, items) {
  const nodes = Object.fromEntries(messagesOf(items).nodes.map(node => [node.id, node]));
  return merge(c, {...blank(), updated: 0, nodes}, busyNode(c));
}

// The branch that the way to `node` goes on from, as the name of a session: the server then keeps its state in mind, and
// hands it on when it is replaced. Undefined if there is none yet.
function sessionOf(c, node) {
  const way = new Set(pathOf({...c, leaf: node.id}).map(each => each.id));
  return c.branches.find(({marks}) => marks.length && way.has(nodeIdOf({id: idOfMark(marks.at(-1))})))?.id;
}

// Which branch becomes which way: the one that has most of it.
function assign(branches, ways) {
  const pairs = [], free = new Set(branches), open = new Set(ways);
  const common = (a, b) => { let n = 0; while (n < a.length && n < b.length && a[n] === b[n]) n++; return n; };
  for (const whole of [true, false]) {
    for (const way of open) {
      let best = null, most = 0;
      for (const branch of free) {
        const n = common(branch.marks, way.marks);
        if (n > most && (!whole || n === branch.marks.length)) [best, most] = [branch, n];
      }
      if (!best) continue;
      pairs.push([best, way, most]);
      free.delete(best);
      open.delete(way);
    }
  }
  return {pairs, free, open};
}

async function pushOnce(c) {
  for (const branch of c.branches) {  // somebody else may have gone on with it
    const known = branch.marks.length, behind = await itemsBehind(branch, known ? idOfMark(branch.marks.at(-1)) : '');
    if (!behind.length) continue;
    branch.marks.push(...behind.map(markOf));
    if (bringItems(c, known ? await itemsBehind(branch) : behind) && c === current) showAgain();
  }
  const ways = [];
  for (const leaf of leavesOf(c)) {
    const items = itemsTo(c, leaf), marks = items.map(markOf);
    // Of an answer that is being written there is only what leads to it, which may be another's way, too.
    if (items.length && !ways.some(way => marks.every((mark, i) => way.marks[i] === mark))) ways.push({items, marks});
  }
  const {pairs, free, open} = assign(c.branches, ways), metadata = metadataOf(c), told = JSON.stringify(metadata);
  for (const [branch, way, same] of pairs) {
    for (const mark of branch.marks.slice(same).reverse()) await ask('DELETE', itemPath(branch, mark));
    branch.marks.length = same;
    if (way.items.length > same) await ask('POST', `/v1/conversations/${branch.id}/items`, {items: way.items.slice(same)});
    branch.marks = way.marks;
    if (branch.told !== told) await ask('POST', `/v1/conversations/${branch.id}`, {metadata});
    branch.told = told;
  }
  for (const way of open) {
    const made = await ask('POST', '/v1/conversations', {items: way.items, metadata});
    c.branches.push({id: made.id, marks: way.marks, told});
  }
  for (const branch of free) {
    await removeBranch(branch.id);
    c.branches = c.branches.filter(other => other !== branch);
  }
}

async function removeBranch(id) {
  try { await ask('DELETE', `/v1/conversations/${id}`); } catch (error) { if (error.status !== 404) throw error; }
}

const pushes = new Map();  // by conversation: what is being sent; one at a time

let toldOfServer = false;  // once is enough
let askAgain = 0;  // when to try once more, as performance.now() has it; 0: no need
const RETRY = 15_000;

function tellOfServer(error) {
  askAgain = performance.now() + RETRY;
  if (toldOfServer || error.status === 401) return;
  const why = error instanceof Refused ? `the server did not take it: ${error.message}` : 'the server cannot be reached.';
  toast('The conversation is kept in this browser, as ' + why);
  toldOfServer = true;
}

// True if the server has it all.
async function push(c) {
  for (let tries = 0; conversations.get(c.id) === c && tries < 9; tries++) {
    c.pending = false;
    try {
      await pushOnce(c);
      toldOfServer = false;
      if (!c.pending) break;  // else more came meanwhile
    } catch (error) {
      c.pending = true;
      if (error.status === 404 && tries < 2) {  // something was deleted there, or is too old
        try { await fetchWhole(c); continue; } catch { /* told below */ }
      }
      tellOfServer(error);
      break;
    }
  }
  if (conversations.get(c.id) === c && c.leaf && !writeEntry(c)) makeRoom(c);
  return !c.pending;
}

function pushSoon(c) {
  if (!serverKeeps && askAgain) tellOfServer(new TypeError('away'));
  if (!serverKeeps || pushes.has(c.id)) return;
  const locked = () => navigator.locks ? navigator.locks.request(`batucada.push.${c.id}`, () => push(c)) : push(c);
  const soon = new Promise(resume => setTimeout(resume, 50));
  pushes.set(c.id, soon.then(locked).then(done => {
    pushes.delete(c.id);
  }));
}

// Takes it off the server; what is being sent first. Undone by another push, which makes it anew.
const leaving = new Set();  // conversations that are being deleted there
async function takeBack(c) {
  leaving.add(c.id);
  await pushes.get(c.id);
  const ids = c.branches.map(branch => branch.id);
  c.branches = [];
  try {
    for (const id of ids) await removeBranch(id);
  } catch {
    write('batucada.deleted', [...(read('batucada.deleted') ?? []), ...ids].slice(-500));
    toast('The server cannot be reached: the conversation is deleted there as soon as it can.');
  }
  leaving.delete(c.id);
}

// What is deleted is deleted, though the server was not there to hear it.
async function takeBackLate() {
  const ids = read('batucada.deleted');
  if (!Array.isArray(ids) || !ids.length) return;
  for (const id of ids) if (typeof id === 'string') await removeBranch(encodeURIComponent(id));
  try { localStorage.removeItem('batucada.deleted'); } catch { /* nothing was kept */ }
}

// Brings in all of a conversation that the server has, and takes away what was deleted there and nothing new stands
// behind. False if it is there no more.
async function fetchWhole(c) {
  const there = new Set(), branches = [], old = new Set();
  for (const branch of c.branches) {
    for (const mark of branch.marks) old.add(nodeIdOf({id: idOfMark(mark)}));
    let items;
    try { items = await itemsBehind(branch); } catch (error) { if (error.status !== 404) throw error; continue; }
    branches.push(Object.assign(branch, {marks: items.map(markOf)}));
    const {nodes, system} = messagesOf(items);
    for (const {id} of nodes) there.add(id);
    if (!c.pending) c.system = system;
    bringItems(c, items);
  }
  c.branches = branches;
  c.stub = false;
  if (!branches.length) return false;
  const stays = new Set();
  for (const node of Object.values(c.nodes).reverse()) {  // children before parents
    if (there.has(node.id) || !old.has(node.id)) stays.add(node.id);
    if (stays.has(node.id)) stays.add(node.parent);
  }
  for (const node of Object.values(c.nodes)) if (!stays.has(node.id) && c.nodes[node.id]) cut(c, node);
  return true;
}

async function listBranches() {
  const found = new Map();  // by the page's conversation
  let after = '', complete = false;
  for (let count = 0; !complete && count < MOST_SESSIONS;) {
    const page = await ask('GET', `/v1/sessions?limit=100${after && '&after=' + encodeURIComponent(after)}`);
    for (const {id, metadata, last_used_at: used} of page.data) {
      if (!metadata?.page || !/^[\w.-]{1,64}$/.test(metadata.page)) continue;
      const {page: name, title = '', named} = metadata;
      if (!found.has(name)) found.set(name, {title, named, used: used ?? 0, ids: []});
      found.get(name).ids.push(id);
    }
    count += page.data.length;
    after = page.last_id;
    complete = !page.has_more || !page.data.length;
  }
  return {found, complete};
}

// Whether the server keeps conversations for who asks; if so, brings the list up to date.
async function meetStore() {
  const may = document.documentElement.dataset.store === 'directory' && ($('key').value || OWN_MACHINE.test(location.hostname));
  const settled = new Set([...conversations.values()].filter(c => !c.pending && !pushes.has(c.id)));
  let listed = null;
  try {
    askAgain = 0;
    if (may) { await takeBackLate(); listed = await listBranches(); }
  } catch (error) {  // told when there is something to keep
    if (!(error.status < 500)) askAgain = performance.now() + RETRY;
  }
  serverKeeps = listed !== null;
  $('where').textContent = serverKeeps ? 'Kept on the server.' : 'Kept in this browser alone.';
  if (!listed) return;
  for (const [id, {title, named, used, ids}] of listed.found) {
    let c = conversations.get(id);
    if (leaving.has(id)) continue;
    if (!c) {
      c = {...blank(), id, place: 'server', title: title.slice(0, 200), updated: used * 1000, stub: true};
      conversations.set(id, c);
    }
    for (const branch of ids) if (!c.branches.some(b => b.id === branch)) c.branches.push({id: branch, marks: []});
    if (named && !c.pending) c.title = title.slice(0, 200);
  }
  for (const c of [...conversations.values()]) {
    if (c.place !== 'server') continue;
    if (c.pending) pushSoon(c);
    else if (listed.complete && settled.has(c) && !pushes.has(c.id) && !listed.found.has(c.id) && !runs.has(c.id)) {
      forget(c);
      if (c === current) open(blank());
    }
  }
  showList();
  if (!current.leaf && !current.stub && !$('message').value && newestFirst().length) open(newestFirst()[0]);
  refresh(current);
}

// Brings what is open up to date.
async function refresh(c) {
  if (!serverKeeps || c.place !== 'server' || runs.has(c.id) || !c.branches.length) return;
  if (c.stub) $('messages').setAttribute('aria-busy', true);
  try {
    await pushes.get(c.id);
    const there = await fetchWhole(c);
    if (!there && !c.pending && conversations.get(c.id) === c) {
      forget(c);
      toast('The conversation is no longer on the server.');
      if (c === current) return open(blank());
    }
  } catch (error) {
    if (c === current) $('problem').textContent = error instanceof Refused ? error.message : 'The server does not answer.';
  }
  if (c === current) showAgain();
}
