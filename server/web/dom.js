'use strict';
// Small helpers. Nothing here, or anywhere in this page, makes markup of text: nodes are built, texts are text.
const $ = id => document.getElementById(id);

const ICONS = {  // paths in a square of 24
  menu: 'M4 6h16M4 12h16M4 18h16',
  sliders: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5',
  auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  light: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5',
  dark: 'M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  done: 'M5 13l4 4L19 7',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  again: 'M4 12a8 8 0 1 0 2.5-5.8M4 4v5h5',
  more: 'M5 12h13M13 6l6 6-6 6',
  fork: 'M7 4v6a4 4 0 0 0 4 4h6M7 10v10M14 11l3 3-3 3',
  bin: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13',
  save: 'M12 4v11M7 10l5 5 5-5M5 20h14',
  clip: 'M19 11l-7.5 7.5a4.5 4.5 0 0 1-6.4-6.4L13 4.2a3 3 0 0 1 4.3 4.3L9.5 16.3a1.5 1.5 0 0 1-2.1-2.1L14 7.5',
  left: 'M14 6l-6 6 6 6', right: 'M10 6l6 6-6 6',
};

function icon(name) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  made.setAttribute('viewBox', '0 0 24 24');
  made.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  made.append(path);
  return made;
}

// An element with properties and children (nodes or texts).
function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Has `parent` hold these children in this order; those that stand right are not touched.
function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  for (const [i, child] of children.entries()) if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
}

function button(name, label, act) {
  const made = make('button', {type: 'button', className: 'icon', title: label, onclick: act}, icon(name));
  made.setAttribute('aria-label', label);
  return made;
}

// Pages that came without TLS from another machine have no clipboard but the old way.
async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make('textarea', {value: text, className: 'aside'});
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    from?.focus();
  }
  if (!from?.firstElementChild) return;
  const before = from.firstElementChild;
  before.replaceWith(icon('done'));
  setTimeout(() => from.firstElementChild?.replaceWith(before), 1200);
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], {type}));
  make('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

let undo = null, toastEnds = 0;
// Says what was done, for eight seconds with a button that undoes it.
function toast(text, undoIt) {
  clearTimeout(toastEnds);
  undo = undoIt;
  $('toast').firstElementChild.textContent = text;
  $('toast').lastElementChild.hidden = !undoIt;
  $('toast').hidden = false;
  toastEnds = setTimeout(() => { $('toast').hidden = true; undo = null; }, 8000);
}
$('toast').lastElementChild.onclick = () => { undo?.(); $('toast').hidden = true; undo = null; };
