// The other tab: a text and how the model goes on with it.
let continued = {prompt: '', content: '', pieces: [], facts: ''};

function showOutput() {
  tell(null);
  $('output').replaceChildren();
  if (continued.prompt) $('output').append(make('span', {className: 'given', textContent: continued.prompt}));
  emitter(continued)($('output'), 0, continued.content.length);
  showBusy();
}

async function generate() {
  if (runs.has('prompt') || settingsAreWrong()) return;
  const run = new Run(), mine = {prompt: $('prompt').value, content: '', pieces: [], facts: ''};
  continued = mine;
  runs.set('prompt', run);
  $('problem').textContent = $('facts').textContent = '';
  showOutput();
  toLatest();
  let drawn = 0;  // of mine.content; what follows is added
  const drawing = drawer(() => {
    if (run.dropped) return;
    const stay = atLatest();
    if (tab === 'prompt') $('facts').textContent = run.facts();
    emitter(mine)($('output'), drawn, mine.content.length);
    drawn = mine.content.length;
    if (stay) toLatest();
  });
  const problem = await run.stream('/v1/completions', {...parameters(false), prompt: mine.prompt}, (text, tokens) => {
    addPiece(mine, text, tokens);
    drawing.soon();
  });
  if (run.dropped) return drawing.cancel();
  drawing.now();
  runs.delete('prompt');
  mine.facts = run.facts();
  keepPrompt();
  if (tab === 'prompt') {
    $('problem').textContent = problem;
    $('facts').textContent = mine.facts;
  }
  showBusy();
  load();
}

function clearPrompt() {
  runs.get('prompt')?.drop();
  runs.delete('prompt');
  continued = {prompt: '', content: '', pieces: [], facts: ''};
  try { sessionStorage.removeItem('prompt'); localStorage.removeItem('batucada.prompt'); } catch { /* nothing was kept */ }
  $('problem').textContent = $('facts').textContent = '';
  showOutput();
}

// For this tab, and for a new one.
function keepPrompt() {
  try { sessionStorage.setItem('prompt', JSON.stringify(continued)); } catch { /* too long, or nothing is kept */ }
  write('batucada.prompt', continued);
}

function readPrompt() {
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem('prompt')); } catch { /* nothing was kept */ }
  kept ??= read('batucada.prompt');
  if (typeof kept?.prompt !== 'string' || typeof kept.content !== 'string') return;
  const whole = checked({id: 'p', nodes: {p: {id: 'p', role: 'assistant', content: kept.content, pieces: kept.pieces}}});
  if (!whole) return;
  continued = {prompt: kept.prompt, content: kept.content, pieces: whole.nodes.p.pieces, facts: ''};
  $('prompt').value = kept.prompt;
}
