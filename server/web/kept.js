// What this browser keeps: an entry of local storage for each conversation. Of one that is kept on the server it is what
// the server has not got yet, and the probabilities, which it does not take.
//
// Several tabs may have one conversation open, and write at once. Each brings in what the entry holds before it writes,
// unless it wrote that itself.
const PREFIX = 'batucada.conversation.';
const written = new Map();  // by conversation: the entry as it was last written or read here
const withoutOdds = new Set();  // conversations whose probabilities found no room

function read(name) {
  try { return JSON.parse(localStorage.getItem(name)); } catch { return null; }
}

// False if the browser keeps nothing, or no more.
function write(name, value) {
  try { localStorage.setItem(name, typeof value === 'string' ? value : JSON.stringify(value)); } catch { return false; }
  return true;
}

const withoutPieces = c => ({...c, nodes: Object.fromEntries(
  Object.entries(c.nodes).map(([id, node]) => [id, {...node, pieces: []}]))});

const busyNode = c => runs.get(c.id)?.node ?? null;

// True if there was something new.
function absorb(c) {
  let entry = null;
  try { entry = localStorage.getItem(PREFIX + c.id); } catch { /* nothing is kept */ }
  if (entry === null || entry === written.get(c.id)) return false;
  written.set(c.id, entry);
  const theirs = checked(read(PREFIX + c.id));
  if (!theirs) return false;
  for (const branch of theirs.branches) if (!c.branches.some(mine => mine.id === branch.id)) c.branches.push(branch);
  c.place ||= theirs.place;
  return merge(c, theirs, busyNode(c));
}

// True if it is kept.
function writeEntry(c) {
  absorb(c);
  const kept = withoutOdds.has(c.id) ? withoutPieces(c) : c;
  // An answer that is being written here is not on the server yet.
  const entry = JSON.stringify(c.place === 'server' && runs.has(c.id) ? {...kept, pending: true} : kept);
  if (!write(PREFIX + c.id, entry)) return false;
  written.set(c.id, entry);
  return true;
}

// Where room is short, probabilities go first: its own, then those of the others.
function makeRoom(c) {
  withoutOdds.add(c.id);
  if (writeEntry(c)) return true;
  for (const other of conversations.values()) {
    if (withoutOdds.has(other.id) || !other.leaf) continue;
    withoutOdds.add(other.id);
    writeEntry(other);
  }
  return writeEntry(c);
}

let toldOfRoom = false;  // once is enough

function save(c) {
  if (conversations.get(c.id) !== c || c.stub) return;
  c.place ||= serverKeeps ? 'server' : 'browser';
  if (c.place === 'server') c.pending = true;
  let kept = true;
  if (!c.leaf) dropEntry(c.id);
  else kept = writeEntry(c) || makeRoom(c);
  if (c.place === 'server') return pushSoon(c);
  if (!kept && !toldOfRoom) {
    toast(storageWorks() ? 'This browser has no room to keep the conversation: export it, or delete old ones.'
                         : 'This browser keeps nothing for this page: the conversation is gone when the tab is closed. Export it to keep it.');
  }
  toldOfRoom = !kept;
}

const storageWorks = () => { try { return localStorage.length >= 0; } catch { return false; } };

function keep(c) {
  conversations.set(c.id, c);
  c.updated = Date.now();
  save(c);
}

function dropEntry(id) {
  written.delete(id);
  try { localStorage.removeItem(PREFIX + id); } catch { /* nothing was kept */ }
}

function forget(c) {
  conversations.delete(c.id);
  dropEntry(c.id);
}

function readAll() {
  conversations.clear();
  let names = [];
  try { names = Object.keys(localStorage); } catch { /* nothing is kept */ }
  for (const name of names.filter(name => name.startsWith(PREFIX))) {
    const c = checked(read(name));
    if (!c || PREFIX + c.id !== name) continue;
    conversations.set(c.id, c);
    written.set(c.id, localStorage.getItem(name));
  }
}

// What another tab writes is seen here.
addEventListener('storage', event => {
  if (!event.key?.startsWith(PREFIX)) return;
  const id = event.key.slice(PREFIX.length), mine = conversations.get(id);
  if (event.newValue === null) {  // deleted there
    if (!mine) return;
    runs.get(id)?.drop();
    runs.delete(id);
    conversations.delete(id);
    written.delete(id);
    if (current === mine) { open(blank()); toast('The conversation was deleted in another tab.'); }
    return showList();
  }
  if (!mine) {
    const c = checked(read(event.key));
    if (c) conversations.set(id, c);
    return showList();
  }
  if (mine.stub) { const c = checked(read(event.key)); if (c) Object.assign(mine, c, {stub: false}); }
  else if (!absorb(mine)) return;
  if (mine !== current) return showList();
  showAgain();
});
