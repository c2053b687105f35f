// Talking to the server.
const NUMBERS = ['max_tokens', 'temperature', 'top_p', 'top_k', 'min_p', 'presence_penalty', 'frequency_penalty',
                 'repetition_penalty', 'seed'];
let model = '', context = 0;

const headers = () => $('key').value ? {Authorization: 'Bearer ' + $('key').value} : {};

async function problemOf(response) {
  let said = '';
  try { said = (await response.json()).error.message; } catch { /* not JSON: the status must do */ }
  const wait = Number(response.headers.get('retry-after'));
  const later = !wait ? '' : ` Try again in ${wait} second${wait === 1 ? '' : 's'}.`;
  switch (response.status) {
    case 401: return $('key').value ? 'The server does not know this API key: see “API key” in the settings.'
                                    : 'The server wants an API key: enter it under “API key” in the settings.';
    case 429: return (said || 'The server has too much to do.') + later;
    case 503: return (said || 'The server cannot answer now.') + later;
    default: return (said || `The server answered ${response.status}.`) + later;
  }
}

// Calls each(event) for every server-sent event until [DONE].
async function readEvents(response, each) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) throw new TypeError('cut');
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') return;
      let event;
      try { event = JSON.parse(data); } catch { throw new Error('What the server sent is not understood: is there a proxy between?'); }
      if (event.error) throw new Error(event.error.message);
      each(event);
    }
  }
}

// What a box for JSON holds; nothing, if nothing.
const jsonOf = name => $(name).value.trim() ? JSON.parse($(name).value) : undefined;

// What the settings ask for; `chat` says in which API's words.
function parameters(chat) {
  const body = {model, stream: true, stream_options: {include_usage: true}};
  for (const name of NUMBERS) if ($(name).value !== '') body[name] = Number($(name).value);
  if ($('stops').value) body.stop = [$('stops').value.replaceAll('\\n', '\n')];
  const schema = jsonOf('schema'), tools = jsonOf('tools');
  if (schema !== undefined) {  // beside tools an answer may be calls of them instead
    Object.assign(body, chat ? {response_format: {type: 'json_schema', json_schema: {name: 'answer', schema}}}
                             : {structured_outputs: {json: schema}});
  }
  if (chat && tools !== undefined) body.tools = tools;
  if ($('logprobs').checked) Object.assign(body, chat ? {logprobs: true, top_logprobs: 5} : {logprobs: 5});
  return body;
}

// The tokens of a piece of an answer, in either API's form, as store.js keeps them.
function tokensOf(choice) {
  const l = choice.logprobs, short = x => Math.round(x * 1e4) / 1e4;
  if (!l) return [];
  if (l.content) {
    return l.content.map(t => [t.token, short(t.logprob), t.top_logprobs.map(a => [a.token, short(a.logprob)])]);
  }
  return l.tokens.map((token, i) => [token, short(l.token_logprobs[i]),
                                     Object.entries(l.top_logprobs?.[i] ?? {}).map(([t, p]) => [t, short(p)])]);
}

// One answer on its way. Whoever drops it (`dropped`) wants to hear no more of it, not even that it ended.
class Run {
  constructor() {
    this.controller = new AbortController();
    this.started = performance.now();
    this.first = this.count = 0;
    this.usage = null;
    this.reason = '';
    this.dropped = false;
  }

  stop() { this.controller.abort(); }
  drop() { this.dropped = true; this.stop(); }

  facts() {
    if (!this.first) return this.reason ? `ended by ${this.reason}` : '';
    const seconds = (performance.now() - this.first) / 1000;
    const count = this.usage ? this.usage.completion_tokens : this.count;
    let facts = `${count} tokens, first after ${(this.first - this.started).toFixed(0)} ms`;
    if (count > 1 && seconds > 0) facts += `, ${((count - 1) / seconds).toFixed(1)} tokens/s`;
    if (this.reason) facts += `, ended by ${this.reason}`;
    const cached = this.usage?.prompt_tokens_details?.cached_tokens;
    if (typeof cached === 'number') facts += `; ${cached} of ${this.usage.prompt_tokens} prompt tokens cached`;
    if (this.usage && context) facts += `; context ${this.usage.prompt_tokens + count} of ${context}`;
    return facts;
  }

  // Streams an answer: each(text, tokens, delta) for every piece, the last with what else a chat tells. Returns what went wrong, or ''.
  async stream(path, body, each) {
    try {
      const response = await fetch(path, {method: 'POST', signal: this.controller.signal, body: JSON.stringify(body),
                                          headers: {'Content-Type': 'application/json', ...headers()}});
      if (!response.ok) throw new Error(await problemOf(response));
      await readEvents(response, event => {
        if (this.dropped) return;
        if (event.usage) this.usage = event.usage;
        const choice = event.choices[0];
        if (!choice) return;
        const text = (choice.delta ? choice.delta.content : choice.text) ?? '', tokens = tokensOf(choice);
        const delta = choice.delta ?? {}, some = text || delta.reasoning_content || delta.tool_calls;
        if (!this.first && (some || tokens.length)) this.first = performance.now();
        this.count += tokens.length || (some ? 1 : 0);
        this.reason = choice.finish_reason ?? this.reason;
        each(text, tokens, delta);
      });
    } catch (error) {
      if (error.name !== 'AbortError') {
        if (!(error instanceof TypeError)) return error.message;
        return this.first ? 'The connection was lost before the answer was complete. What came of it is kept.'
                          : 'The server does not answer.';
      }
      this.reason = 'you';
    }
    return '';
  }
}

// Seeds past 2^53 would be rounded on the way, and what is no JSON cannot be sent: said before anything is.
function settingsAreWrong() {
  const {validity, validationMessage} = $('seed');
  let wrong = validity.rangeOverflow || validity.rangeUnderflow ? 'seed' : '', problem = validationMessage;
  for (const [name, what] of [['schema', 'The schema'], ['tools', 'The list of tools']]) {
    try { jsonOf(name); } catch (error) { wrong ||= name; problem = `${what} is not JSON: ${error.message}`; }
  }
  if (!wrong) return false;
  showPanel('panel', true);
  $('problem').textContent = problem;
  $(wrong).focus();
  return true;
}
