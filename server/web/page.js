// Tabs, panels, keys, settings, the server's load; and the beginning.
let tab = 'prompt';
let unmet = '';  // why the server does not tell what it serves
const narrow = matchMedia('(max-width: 62rem)');
const composing = event => event.isComposing || event.keyCode === 229;  // an input method is at work

// --- where one looks -------------------------------------------------------------------------------------------------

const atLatest = () => $('scroll').scrollHeight - $('scroll').scrollTop - $('scroll').clientHeight < 20;
function toLatest() { $('scroll').scrollTop = $('scroll').scrollHeight; }
$('scroll').addEventListener('scroll', () => { $('latest').hidden = atLatest(); tell(null); });
$('latest').onclick = toLatest;

// A box as high as its text, to a limit that the style sets.
function fit(box) {
  box.style.height = 'auto';
  if (box.value) box.style.height = box.scrollHeight + 2 + 'px';
}

function showBusy() {
  const busy = runs.has(tab === 'chat' ? current.id : 'prompt');
  $('go').disabled = busy;
  $('stop').disabled = !busy;
  document.body.classList.toggle('busy', busy);
  $('messages').setAttribute('aria-busy', runs.has(current.id));
  $('output').setAttribute('aria-busy', runs.has('prompt'));
  $('use').hidden = tab !== 'prompt' || busy || !continued.content;
}

function chooseTab(chosen) {
  tab = chosen === $('tab-chat') ? 'chat' : 'prompt';
  for (const each of [$('tab-prompt'), $('tab-chat')]) {
    each.setAttribute('aria-selected', each === chosen);
    each.tabIndex = each === chosen ? 0 : -1;
    $(each.getAttribute('aria-controls')).hidden = each !== chosen;
  }
  document.body.dataset.tab = tab;
  $('go').textContent = tab === 'chat' ? 'Send' : 'Generate';
  document.querySelector('#form .keys').textContent =
    tab === 'chat' ? 'Enter sends, Shift+Enter breaks the line' : 'Ctrl+Enter generates, Esc stops';
  $('problem').textContent = unmet;
  $('facts').textContent = (tab === 'chat' ? conversation.at(-1)?.facts : continued.facts) ?? '';
  showBusy();
  toLatest();
  keepSettings();
}

// On a wide window panels stand beside the conversation; on a narrow one they come over it, one at a time.
const panels = {list: 'show-list', panel: 'show-controls'};
function showPanel(name, shown) {
  $(name).hidden = !shown;
  $(panels[name]).setAttribute('aria-expanded', shown);
  if (narrow.matches && shown) for (const other in panels) if (other !== name) showPanel(other, false);
  $('shade').hidden = !(narrow.matches && Object.keys(panels).some(each => !$(each).hidden));
  if (!narrow.matches) keepSettings();
}
function placePanels() {
  const kept = read('batucada.settings')?.panels ?? {};
  for (const name in panels) {
    $(name).hidden = narrow.matches || kept[name] === false;
    $(panels[name]).setAttribute('aria-expanded', !$(name).hidden);
  }
  $('shade').hidden = true;
}
for (const name in panels) $(panels[name]).onclick = () => showPanel(name, $(name).hidden);
$('shade').onclick = () => { for (const name in panels) showPanel(name, false); };
narrow.addEventListener('change', placePanels);

// --- settings, kept in this browser; the key only as long as the tab is open -----------------------------------------

const KEPT = [...NUMBERS, 'stops', 'schema', 'tools'], CHECKS = ['logprobs', 'markdown'];
let theme = 'auto', started = false;

function keepSettings() {
  if (!started) return;
  const settings = {tab, theme, panels: narrow.matches ? read('batucada.settings')?.panels
                                                       : Object.fromEntries(Object.keys(panels).map(name => [name, !$(name).hidden]))};
  for (const name of KEPT) settings[name] = $(name).value;
  for (const name of CHECKS) settings[name] = $(name).checked;
  write('batucada.settings', settings);
}

function setTheme(to) {
  theme = ['light', 'dark'].includes(to) ? to : 'auto';
  document.documentElement.dataset.theme = theme;
  $('theme').replaceChildren(icon(theme));
  $('theme').title = `Theme: ${theme}`;
  $('theme').setAttribute('aria-label', `Theme: ${theme}`);
}
$('theme').onclick = () => { setTheme({auto: 'light', light: 'dark', dark: 'auto'}[theme]); keepSettings(); };

for (const event of ['input', 'change']) $('controls').addEventListener(event, keepSettings);
for (const name of CHECKS) $(name).addEventListener('change', () => { showChat({fresh: true}); if (!runs.has('prompt')) showOutput(); });
$('reset').onclick = () => {
  for (const name of KEPT) $(name).value = $(name).defaultValue;
  for (const name of CHECKS) { $(name).checked = true; $(name).dispatchEvent(new Event('change', {bubbles: true})); }
  keepSettings();
};
$('system').addEventListener('change', () => { current.system = $('system').value; if (current.leaf) keep(current); });
$('title').addEventListener('change', () => { current.title = $('title').value.trim(); if (current.leaf) keep(current); showList(); });

// --- buttons and keys ------------------------------------------------------------------------------------------------

const act = () => tab === 'chat' ? send() : generate();
const stop = () => runs.get(tab === 'chat' ? current.id : 'prompt')?.stop();
function newChat() {
  chooseTab($('tab-chat'));
  open(blank(current.system));
  if (narrow.matches) showPanel('list', false);
  $('message').focus();
}

for (const each of [$('tab-prompt'), $('tab-chat')]) {
  each.addEventListener('click', () => chooseTab(each));
  each.addEventListener('keydown', event => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    const other = each === $('tab-chat') ? $('tab-prompt') : $('tab-chat');
    chooseTab(other);
    other.focus();
  });
}
$('form').addEventListener('submit', event => { event.preventDefault(); act(); });
$('stop').onclick = stop;
$('clear').onclick = () => tab === 'chat' ? discard(current) : clearPrompt();
$('use').onclick = () => { $('prompt').value = continued.prompt + continued.content; $('prompt').focus(); };
$('new').onclick = newChat;
$('find').oninput = showList;
$('copy-all').onclick = event =>
  copy(tab === 'chat' ? asMarkdown(current) : continued.prompt + continued.content, event.currentTarget);
$('export-markdown').onclick = () => { $('export').open = false; download('conversation.md', 'text/markdown', asMarkdown(current)); };
$('export-json').onclick = () => { $('export').open = false; download('conversation.json', 'application/json', JSON.stringify(exportable(current), null, 1)); };
$('export-all').onclick = async () => {
  try {
    for (const c of newestFirst()) if (c.stub) await fetchWhole(c);
  } catch { toast('The server does not answer: only what is in this browser is exported.'); }
  const all = newestFirst().filter(c => c.leaf).map(exportable);
  download('conversations.json', 'application/json', JSON.stringify(all, null, 1));
};
$('import').onclick = () => $('import-file').click();
$('import-file').onchange = async () => { importText(await $('import-file').files[0].text()); $('import-file').value = ''; };

// Text files become part of what is being written.
async function insert(files) {
  const box = tab === 'chat' ? $('message') : $('prompt');
  for (const file of files) {
    if (file.size > 1 << 20) { toast(`${file.name} is larger than 1 MiB.`); continue; }
    const text = await file.text();
    if (text.includes('\0')) { toast(`${file.name} is no text.`); continue; }
    const fence = '`'.repeat(Math.max(3, ...(text.match(/`+/g) ?? []).map(run => run.length + 1)));
    box.value += tab === 'chat' ? `${box.value && '\n'}${file.name}:\n${fence}\n${text.trimEnd()}\n${fence}\n` : text;
    fit(box);
  }
  box.focus();
}
$('attach').onclick = () => $('attach-file').click();
$('attach-file').onchange = async () => { await insert($('attach-file').files); $('attach-file').value = ''; };
$('form').addEventListener('dragover', event => { if (event.dataTransfer.types.includes('Files')) event.preventDefault(); });
$('form').addEventListener('drop', event => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  insert(event.dataTransfer.files);
});

$('message').addEventListener('input', () => fit($('message')));
$('message').addEventListener('keydown', event => {
  if (composing(event)) return;
  if (event.key === 'Enter' && !event.shiftKey) {
    event.preventDefault();
    event.stopPropagation();
    send();
  } else if (event.key === 'ArrowUp' && !$('message').value) {
    const asked = [...$('messages').children].findLast(article => article.node?.role === 'user');
    if (asked && !runs.has(current.id)) { event.preventDefault(); edit(asked); }
  }
});
document.addEventListener('keydown', event => {
  if (composing(event)) return;
  const command = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
  if (key === 'enter' && command) { event.preventDefault(); act(); }
  if (key === 'o' && command && event.shiftKey) { event.preventDefault(); newChat(); }
  if (key === 'k' && command) { event.preventDefault(); showPanel('list', true); $('find').focus(); }
  if (key !== 'escape') return;
  tell(null);
  $('export').open = false;
  if (narrow.matches && !$('shade').hidden) $('shade').onclick();
  else stop();
});
document.addEventListener('click', event => { if (!$('export').contains(event.target)) $('export').open = false; });

// --- the server ------------------------------------------------------------------------------------------------------

let wait = 1000;  // until the load is asked for again; where it is not to be had, not at all
async function load() {
  if (document.hidden || !wait) return;
  try {
    const response = await fetch('/load', {headers: headers()});
    if (!response.ok) throw response;
    const now = await response.json();
    $('running').textContent = now.running;
    $('waiting').textContent = now.waiting;
    $('slots').textContent = `${now.slots_used}/${now.slots_total}`;
    $('blocks').textContent = `${now.blocks_used}/${now.blocks_total}`;
    $('gauges').hidden = false;
    wait = 1000;
    if (!model && unmet) { meet(); meetStore(); }  // it was not there when this page was opened
    else if (askAgain && performance.now() > askAgain) meetStore();
  } catch (error) {
    wait = error instanceof Response && error.status < 500 ? 0 : Math.min(30_000, 2 * wait);
    $('gauges').hidden = true;
  }
}
async function watch() {
  for (;;) {
    await load();
    await new Promise(resume => setTimeout(resume, wait || 60_000));
  }
}

async function meet() {
  const before = unmet;
  unmet = '';
  try {
    const response = await fetch('/v1/models', {headers: headers()});
    if (response.ok) {
      const served = (await response.json()).data[0];
      $('model').textContent = model = served.id;
      context = served.max_model_len ?? 0;
    } else {
      unmet = await problemOf(response);
    }
  } catch { unmet = 'The server does not answer.'; }
  if (unmet || before) $('problem').textContent = unmet;
}

try { $('key').value = sessionStorage.getItem('key') ?? ''; } catch { /* nothing is kept */ }
$('key').addEventListener('change', () => {
  try { sessionStorage.setItem('key', $('key').value); } catch { /* nothing is kept */ }
  $('problem').textContent = '';
  wait = 1000;
  meet();
  meetStore();
  load();
});

// --- the beginning ---------------------------------------------------------------------------------------------------

for (const [id, name] of [['show-list', 'menu'], ['show-controls', 'sliders'], ['copy-all', 'copy'], ['attach', 'clip']]) {
  $(id).append(icon(name));
}
document.querySelector('#export summary').append(icon('save'));

const kept = read('batucada.settings') ?? {};
for (const name of KEPT) if (typeof kept[name] === 'string') $(name).value = kept[name];
for (const name of CHECKS) if (typeof kept[name] === 'boolean') $(name).checked = kept[name];
setTheme(kept.theme);
placePanels();
readAll();
readPrompt();
current = newestFirst()[0] ?? current;
showOutput();
showChat();
chooseTab(kept.tab === 'chat' ? $('tab-chat') : $('tab-prompt'));
started = true;

addEventListener('pagehide', () => {
  for (const id of runs.keys()) if (conversations.has(id)) writeEntry(conversations.get(id));
  if (runs.has('prompt')) keepPrompt();
});
// Another browser may have gone on with what is on the server.
document.addEventListener('visibilitychange', () => { if (!document.hidden) meetStore(); });
meet();
meetStore();
watch();
