// The conversation that is open, and its answers.
let current = blank();
let conversation = [];  // its messages as they are shown and sent
const runs = new Map();  // of conversations, by id, the run that answers; of 'prompt' that of the other tab

const label = {user: 'user', assistant: 'assistant', system: 'system', tool: 'result'};

function turn(node) {
  const what = make('div', {className: 'what'});
  const said = make('div', {className: 'said ' + node.role}, make('span', {className: 'who', textContent: label[node.role]}), what);
  const article = make('article', {className: 'turn ' + node.role}, said);
  article.node = node;
  article.what = what;
  if (node.role === 'assistant') showAnswer(what, node);
  else what.append(make('div', {className: 'plain', textContent: node.content}));
  article.append(make('div', {className: 'actions'}));
  return article;
}

// The buttons below a message; none while an answer is on its way. Made anew only if they change: one may have the focus.
function showActions(article) {
  const {node} = article, bar = article.lastElementChild, last = node === conversation.at(-1);
  const siblings = childrenOf(current, node.parent), at = siblings.indexOf(node);
  const key = JSON.stringify([runs.has(current.id), last, at, siblings.length, node.calls.length, node.facts, last && openCalls().length]);
  if (article.key === key || article.classList.contains('editing')) return;
  article.key = key;
  bar.replaceChildren();
  if (runs.has(current.id)) return;
  if (siblings.length > 1) {
    const go = step => () => { current.leaf = lastAfter(current, siblings[at + step]); save(current); showChat(); };
    const before = button('left', 'The version before', go(-1)), after = button('right', 'The next version', go(1));
    before.disabled = at === 0;
    after.disabled = at === siblings.length - 1;
    bar.append(before, make('span', {className: 'version', textContent: `${at + 1}/${siblings.length}`}), after);
  }
  bar.append(button('copy', 'Copy', event => copy(node.content, event.currentTarget)));
  bar.append(button('edit', 'Edit', () => edit(article)));
  if (node.role === 'assistant') bar.append(button('again', 'Answer again', () => again(node)));
  if (node.role === 'assistant' && last && !node.calls.length) bar.append(button('more', 'Continue this answer', () => answer(current, node, node)));
  if (node.role !== 'assistant' && last && !openCalls().length) bar.append(button('again', 'Answer', () => answer(current, node)));
  bar.append(button('fork', 'Fork: go on from here in another conversation', () => fork(node)));
  bar.append(button('bin', 'Delete from here', () => remove(node)));
  if (node.facts && !last) bar.append(make('span', {className: 'facts', textContent: node.facts}));
}

// What is shown already and has not changed stays. `fresh`: nothing does; `edits`: what is being edited does.
function showChat({fresh = false, edits = false} = {}) {
  tell(null);
  conversation = pathOf(current);
  const there = new Map([...$('messages').children].map(article => [article.node, article]));
  const articles = conversation.map(node => {
    const article = fresh ? null : there.get(node), editing = article?.classList.contains('editing');
    if (!article || editing && !edits) return turn(node);
    if (!editing && node.role === 'assistant') showAnswer(article.what, node);
    return article;
  });
  arrange($('messages'), articles);
  for (const article of $('messages').children) showActions(article);
  if (!conversation.length) {
    const hint = current.stub ? 'Loading…' : 'Say something. Answers stream in; point at a word, or tap it, to see what else it could have been.';
    $('messages').append(make('p', {className: 'welcome', textContent: hint}));
  }
  $('title').value = current.title || (conversation.length ? titleOf(current) : '');
  $('system').value = current.system;
  $('message').placeholder = openCalls().length ? `Result of ${openCalls()[0].name}` : 'Message';
  showBusy();
  showList();
}

function open(c) {
  current = c;
  $('problem').textContent = unmet;
  showChat();
  $('facts').textContent = conversation.at(-1)?.facts ?? '';
  toLatest();
}

// What is open has changed elsewhere. Whoever edits a message in it goes on.
function showAgain() {
  const stay = atLatest();
  showChat({edits: true});
  if (stay) toLatest();
}

function fork(node) {
  const made = forkOf(current, node);
  keep(made);
  open(made);
  $('message').focus();
  toast('Forked: the first conversation stays as it is.');
}

// The calls of the last answer that have no result yet: what is written next is theirs, in their order.
function openCalls() {
  const last = conversation.findLastIndex(node => node.role !== 'tool'), calls = conversation[last]?.calls ?? [];
  return calls.slice(conversation.length - last - 1);
}

// A message as the server takes it.
function asMessage(node) {
  if (node.role === 'tool') return {role: 'tool', tool_call_id: node.call, content: node.content};
  const message = {role: node.role, content: node.content};
  if (node.thinking) message.reasoning_content = node.thinking;
  if (node.calls.length) {
    message.tool_calls = node.calls.map(({id, name, arguments: text}) => ({id, type: 'function', function: {name, arguments: text}}));
  }
  return message;
}

// The answer to the message `asked`; with `into`, more of an answer that is there. True if there is one.
async function answer(c, asked, into = null) {
  if (runs.has(c.id) || settingsAreWrong()) return false;
  const run = new Run(), node = into ?? addNode(c, asked.id, 'assistant', ''), before = node.content.length;
  run.node = node;
  const messages = [];
  for (let id = node.id; id; id = c.nodes[id].parent) {
    if (into || id !== node.id) messages.unshift(asMessage(c.nodes[id]));
  }
  if (c.system) messages.unshift({role: 'system', content: c.system});
  const body = {...parameters(true), messages, prompt_cache_key: sessionOf(c, node)};
  if (into) Object.assign(body, {continue_final_message: true, add_generation_prompt: false});
  $('problem').textContent = $('facts').textContent = '';
  runs.set(c.id, run);
  keep(c);
  if (c === current) { showChat(); toLatest(); }
  const shown = () => c === current && [...$('messages').children].find(article => article.node === node);
  let saved = performance.now(), rest = 1000;  // ms until it is kept again; the longer keeping takes, the later
  const drawing = drawer(() => {
    const article = shown();
    if (article) { const stay = atLatest(); showAnswer(article.what, node); $('facts').textContent = run.facts(); if (stay) toLatest(); }
    const now = performance.now();
    if (now - saved > rest && conversations.get(c.id) === c) {
      writeEntry(c) || makeRoom(c);
      saved = performance.now();
      rest = Math.max(1000, 20 * (saved - now));
    }
  });
  const problem = await run.stream('/v1/chat/completions', body, (text, tokens, delta) => {
    addPiece(node, text, tokens);
    addDelta(node, delta);
    drawing.soon();
  });
  drawing.cancel();
  if (run.dropped) return false;
  runs.delete(c.id);
  const some = node.content.length > before || (!into && !isEmpty(node)), facts = run.facts();
  if (some || !problem) node.facts = facts;
  if (!into && !some && (problem || run.reason === 'you')) cut(c, node);  // nothing was said, so nothing is kept
  keep(c);
  if (c === current) {
    const stay = atLatest();
    showChat();
    $('problem').textContent = problem;
    $('facts').textContent = facts;
    if (stay) toLatest();
  }
  load();
  return some || (!problem && run.reason !== 'you');
}

async function send() {
  const text = $('message').value, c = current;
  if (!text.trim() || runs.has(c.id) || c.stub || settingsAreWrong()) return;
  c.system = $('system').value;
  $('message').value = '';
  fit($('message'));
  const calls = openCalls(), asked = addNode(c, c.leaf, calls.length ? 'tool' : 'user', text);
  if (calls.length) asked.call = calls[0].id;
  if (calls.length > 1) { keep(c); showChat(); return toLatest(); }  // the other results are still to come
  if (await answer(c, asked) || conversations.get(c.id) !== c || !c.nodes[asked.id]) return;
  if (c !== current) return;  // stands there unanswered, with a button that asks again
  cut(c, asked);  // not answered: to be asked again
  keep(c);
  const problem = $('problem').textContent;
  showChat();
  $('problem').textContent = problem;
  $('message').value = text + ($('message').value && '\n' + $('message').value);
  fit($('message'));
}

function again(node) {
  if (runs.has(current.id)) return;
  const asked = current.nodes[node.parent];
  if (asked) answer(current, asked);
}

// A message in a box of its own. What is changed becomes another version; that of a question is answered.
function edit(article) {
  const {node} = article, c = current;
  const box = make('textarea', {value: node.content, rows: 3});
  box.setAttribute('aria-label', 'Edit the message');
  const done = save => {
    if (!save || box.value === node.content || c !== current || runs.has(c.id)) return showChat();
    const made = addNode(c, node.parent, node.role, box.value);
    made.call = node.call;
    if (node.role === 'user') return answer(c, made);
    keep(c);
    showChat();
  };
  box.addEventListener('keydown', event => {
    if (composing(event)) return;
    if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); done(true); }
    if (event.key === 'Escape') { event.stopPropagation(); done(false); }
  });
  const save = make('button', {type: 'button', className: 'go', textContent: node.role === 'user' ? 'Send' : 'Save', onclick: () => done(true)});
  const leave = make('button', {type: 'button', textContent: 'Cancel', onclick: () => done(false)});
  article.what.replaceChildren(box, make('div', {className: 'row'}, save, leave));
  Object.assign(article.what, {keys: null, parsed: null});
  clearTimeout(article.what.rest);
  article.classList.add('editing');
  article.lastElementChild.replaceChildren();
  fit(box);
  box.focus();
}

// Puts back what was deleted since `before`.
function restore(before) {
  const c = conversations.get(before.id) ?? {...before, nodes: {}, leaf: null, branches: [], pending: false};
  if (runs.has(c.id)) return toast('An answer is on its way: stop it first.');
  bringBack(c, before);
  keep(c);
  open(c);
}

function remove(node) {
  if (runs.has(current.id)) return;
  const before = structuredClone(current);
  cut(current, node);
  keep(current);
  showChat();
  toast('Deleted.', () => restore(before));
}

// Ends what runs and takes the conversation away, whole.
async function discard(c) {
  if (c.stub) try { await fetchWhole(c); } catch { return toast('The server does not answer: nothing was deleted.'); }
  const before = structuredClone(c), had = c.leaf;
  runs.get(c.id)?.drop();
  runs.delete(c.id);
  forget(c);
  if (c.place === 'server') takeBack(c);
  if (c === current) open(blank(c.system));
  else showList();
  if (had) toast('Conversation deleted.', () => restore(before));
}

// --- the list --------------------------------------------------------------------------------------------------------

function showList() {
  const wanted = $('find').value.toLowerCase();
  const found = newestFirst().filter(c => !wanted || titleOf(c).toLowerCase().includes(wanted) ||
                                          Object.values(c.nodes).some(node => node.content.toLowerCase().includes(wanted)));
  // An entry that has not changed stays: one may have the focus, or be renamed.
  const there = new Map([...$('conversations').children].map(item => [item.c, item]));
  const items = found.map(c => {
    const title = titleOf(c), kept = there.get(c);
    if (kept && (kept.title === title || kept.firstElementChild.tagName === 'INPUT')) return kept;
    const choose = make('button', {type: 'button', className: 'choose', textContent: title, title, onclick: () => {
      chooseTab($('tab-chat'));
      open(c);
      refresh(c);
      if (narrow.matches) showPanel('list', false);
    }});
    const item = make('li', {}, choose, button('edit', 'Rename ' + title, () => rename(c, item)), button('bin', 'Delete ' + title, () => discard(c)));
    choose.addEventListener('keydown', event => {
      if (event.key === 'F2') { event.preventDefault(); rename(c, item); }
      if (event.key === 'Delete') { event.preventDefault(); discard(c).then(() => $('conversations').querySelector('button')?.focus()); }
    });
    return Object.assign(item, {c, title});
  });
  arrange($('conversations'), items);
  for (const item of items) {
    if (item.c === current) item.firstElementChild.setAttribute('aria-current', 'true');
    else item.firstElementChild.removeAttribute('aria-current');
  }
}

// A box in place of the title: Enter and leaving it keep what it holds, Escape does not.
function rename(c, item) {
  const box = make('input', {value: titleOf(c), maxLength: 120});
  box.setAttribute('aria-label', 'Title of the conversation');
  let over = false;
  const done = async (kept, refocus) => {
    if (over) return;
    over = true;
    const title = box.value.trim();
    item.remove();  // is made anew
    if (kept && title !== titleOf(c)) {
      if (c.stub) try { await fetchWhole(c); } catch { toast('The server does not answer: nothing was renamed.'); return showList(); }
      c.title = title;
      keep(c);
      if (c === current) $('title').value = titleOf(c);
    }
    showList();
    if (refocus) [...$('conversations').children].find(each => each.c === c)?.firstElementChild.focus();
  };
  box.addEventListener('keydown', event => {
    if (composing(event)) return;
    event.stopPropagation();
    if (event.key === 'Enter') done(true, true);
    if (event.key === 'Escape') done(false, true);
  });
  box.addEventListener('blur', () => done(true, false));
  item.replaceChildren(box);
  box.select();
}

function importText(text) {
  let values;
  try { values = JSON.parse(text); } catch { return toast('That file is not JSON.'); }
  const made = (Array.isArray(values) ? values : [values]).map(checked);
  if (!made.length || made.includes(null)) return toast('That file holds no conversations of this page.');
  for (const c of made) {
    if (conversations.has(c.id)) c.id = newId();
    Object.assign(c, {place: '', branches: [], gone: []});
    conversations.set(c.id, c);
    save(c);
  }
  toast(`Imported ${made.length}.`);
  open(made[0]);
}
