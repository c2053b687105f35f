// Messages as the items of OpenAI's Conversations, and back. An item's id ends in that of its message, so that an item
// that stands in several of the server's conversations, versions of one of the page's, is known to be one message.
const nodeIdOf = item => item.id.slice(item.id.lastIndexOf('_') + 1);
const textOf = parts => (Array.isArray(parts) ? parts : []).map(part => typeof part?.text === 'string' ? part.text : '').join('');

function itemsOf(node) {
  if (node.role === 'tool') return [{type: 'function_call_output', id: `fco_${node.id}`, call_id: node.call, output: node.content}];
  const items = [];
  if (node.thinking) {
    items.push({type: 'reasoning', id: `rs_${node.id}`, summary: [], content: [{type: 'reasoning_text', text: node.thinking}]});
  }
  if (node.content) items.push({type: 'message', id: `msg_${node.id}`, role: node.role, content: node.content});
  node.calls.forEach((call, i) => items.push({type: 'function_call', id: `fc_${i}_${node.id}`, call_id: call.id, name: call.name,
                                              arguments: call.arguments}));
  return items;
}

// What an item is and says, in short: two with the same mark are the same.
function markOf(item) {
  const said = item.type === 'message' ? (typeof item.content === 'string' ? item.content : textOf(item.content))
             : item.type === 'reasoning' ? textOf(item.content) : item.arguments ?? item.output ?? '';
  let hash = 0x811c9dc5;  // FNV-1a
  for (let i = 0; i < said.length; i++) hash = Math.imul(hash ^ said.charCodeAt(i), 0x01000193);
  return `${item.id} ${(hash >>> 0).toString(36)}`;
}

// The messages that items in their order are, each behind the one before: nodes, and the system prompt that they begin
// with. Whoever wrote them: a thought belongs to the message or call that follows, a call to the assistant's message
// before it.
function messagesOf(items) {
  const nodes = [];
  let system = '', thinking = '', thinker = '';
  const add = (id, role, content, more = {}) => {
    const parent = nodes.at(-1)?.id ?? null;
    nodes.push({id, parent, role, content, thinking: '', calls: [], call: '', pieces: [], facts: '', ...more});
    if (role === 'assistant' && thinking) { nodes.at(-1).thinking = thinking; thinking = ''; }
    return nodes.at(-1);
  };
  const thought = () => { if (thinking) add(thinker, 'assistant', ''); };  // and nothing was said
  for (const item of items) {
    const id = nodeIdOf(item), last = nodes.at(-1);
    if (item.type === 'reasoning') {
      thought();
      [thinking, thinker] = [textOf(item.content) || textOf(item.summary), id];
    } else if (item.type === 'function_call') {
      const joins = last?.role === 'assistant' && !thinking;
      const node = joins ? last : add(id, 'assistant', '');
      node.calls.push({id: item.call_id, name: item.name, arguments: item.arguments});
    } else if (item.type === 'function_call_output') {
      thought();
      add(id, 'tool', item.output, {call: item.call_id});
    } else if (item.type === 'message') {
      const content = textOf(item.content), role = item.role === 'developer' ? 'system' : item.role;
      if (role !== 'assistant') thought();
      if (role === 'system' && !nodes.length && !system) system = content;
      else add(id, role, content);
    }
  }
  thought();
  return {nodes, system};
}
