'use strict';

const data = JSON.parse(document.getElementById('data').textContent);

// What can be looked at: a format, or the instructions with exemplars. The
// last word of an address names it.
const VIEWS = [
  {name: 'zeroshot', label: 'Zero-shot', format: 'instructions'},
  {name: 'fewshot', label: 'Few-shot', format: 'instructions', exemplars: true},
  {name: 'plain', label: 'Plain', format: 'plain'},
  {name: 'named', label: 'Named', format: 'named'},
];
const FIRST_VIEW = VIEWS[0].name;

const partOf = new Map(data.parts.map(part => [part.name, part]));
const open = {part: null, view: FIRST_VIEW, template: 0, row: 0};

const narrow = matchMedia('(max-width: 50rem)');

const byId = id => document.getElementById(id);
const main = byId('main');
const query = byId('query');
const selects = ['cluster', 'answer', 'kind', 'mixture'].map(byId);

/** Makes an element; `about` holds properties, and attributes with a dash. */
function make(tag, about = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (name === 'role' || name === 'for' || name.includes('-')) {
      element.setAttribute(name, value);
    } else {
      element[name] = value;
    }
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

const words = name => name.replaceAll('_', ' ');
const number = value => value.toLocaleString('en');
const plural = (count, name) => `${number(count)} ${name}${count === 1 ? '' : 's'}`;
const viewOf = name => VIEWS.find(view => view.name === name);
const templatesOf = (part, view) => part.formats[viewOf(view).format];
const say = text => { byId('said').textContent = text; };

// Search.

/** Returns all that a template says and shows, in lower case; made once. */
function searched(part, template) {
  if (!template.searched) {
    const texts = new Set();
    for (const row of template.rows) {
      for (const [, text] of row.input) texts.add(text);
      texts.add(row.target);
    }
    const shown = [...texts].map(text => part.texts[text]);
    const about = [template.input, template.target, template.group || ''];
    template.searched = [...about, ...shown].join('\n').toLowerCase();
  }
  return template.searched;
}

function terms() {
  return query.value.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Returns the indices of the templates of a part that are looked for. */
function found(part, wanted) {
  const [cluster, answer, kind, mixture] = selects.map(select => select.value);
  if (cluster && part.cluster !== cluster) return [];
  if (answer && part.answer !== answer) return [];
  let used = null;
  if (mixture) {
    const member = part.mixtures.find(([place]) => data.mixtures[place].name === mixture);
    if (!member) return [];
    used = member[1];
  }
  const about = [part.name, part.dataset, part.title, part.cluster,
    words(part.cluster), part.source, part.licence].join('\n').toLowerCase();
  const left = wanted.filter(term => !about.includes(term));
  return part.formats.instructions.flatMap((template, k) => {
    if (kind && template.inverted !== (kind === 'inverted')) return [];
    if (used && !used.includes(k)) return [];
    const text = left.length ? searched(part, template) : '';
    return left.every(term => text.includes(term)) ? [k] : [];
  });
}

let matches = new Map();

function search() {
  const wanted = terms();
  matches = new Map();
  for (const part of data.parts) {
    const templates = found(part, wanted);
    if (templates.length) matches.set(part.name, templates);
  }
  listDatasets();
  let count = 0;
  for (const templates of matches.values()) count += templates.length;
  const datasets = new Set([...matches.keys()].map(name => partOf.get(name).dataset));
  byId('count').textContent = count
    ? `${plural(count, 'template')} in ${plural(datasets.size, 'dataset')}`
    : 'No template matches. Use fewer words, or set the filters to “all”.';
  markTabs();
  highlight();
}

let typed = null;

/** Searches for what was just typed, if that is still to be done. */
function finishSearch() {
  if (typed === null) return;
  clearTimeout(typed);
  typed = null;
  search();
}

/** Highlights the words looked for, where the browser can. */
function highlight() {
  if (!window.CSS || !CSS.highlights) return;
  CSS.highlights.delete('found');
  const wanted = terms();
  if (!wanted.length) return;
  const ranges = [];
  for (const text of main.querySelectorAll('.text')) {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const content = node.data.toLowerCase();
      for (const term of wanted) {
        for (let at = content.indexOf(term); at >= 0; at = content.indexOf(term, at + term.length)) {
          const range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + term.length);
          ranges.push(range);
        }
      }
    }
  }
  CSS.highlights.set('found', new Highlight(...ranges));
}

// The list of datasets.

function listDatasets() {
  const clusters = new Map();
  for (const name of matches.keys()) {
    const {cluster} = partOf.get(name);
    clusters.set(cluster, [...clusters.get(cluster) || [], name]);
  }
  byId('datasets').replaceChildren(...[...clusters].flatMap(([cluster, names]) => [
    make('h2', {id: `cluster-${cluster}`}, words(cluster)),
    make('ul', {'aria-labelledby': `cluster-${cluster}`}, ...names.map(listItem)),
  ]));
  markCurrent();
}

function listItem(name) {
  const count = matches.get(name).length;
  const all = partOf.get(name).formats.instructions.length;
  const shown = count === all ? `${count}` : `${count} of ${all}`;
  return make('li', {}, make('a', {href: `#${name}/t${matches.get(name)[0]}/1`},
    make('span', {}, name),
    make('span', {className: 'quiet'}, shown,
      make('span', {className: 'unseen'}, ' templates'))));
}

function links() {
  return [...byId('datasets').querySelectorAll('a')];
}

function markCurrent() {
  for (const link of links()) {
    const current = open.part && link.hash.split('/')[0] === `#${open.part.name}`;
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function focusList() {
  byId('list').open = true;
  (links().find(link => link.hasAttribute('aria-current')) || links()[0])?.focus();
}

// A dataset.

function showPart(part) {
  open.part = part;
  const title = make('h2', {tabIndex: -1}, part.name);
  const views = make('fieldset', {}, make('legend', {}, 'Format'),
    choices('view', VIEWS.map(view => [view.name, view.label]), open.view, name => {
      go({view: name, template: name === 'zeroshot' || name === 'fewshot' ? open.template : 0});
    }));
  main.replaceChildren(title,
    make('p', {}, part.title || words(part.cluster)),
    make('p', {className: 'quiet'}, `${part.source}; licence: ${part.licence || 'not stated'}; `,
      plural(part.mixtures.length, 'mixture'), '. ',
      make('a', {href: '#about', id: 'to-about'}, 'More about this dataset')),
    make('div', {className: 'controls'}, views),
    make('div', {role: 'tablist', 'aria-label': 'Templates', id: 'tabs'}),
    make('div', {role: 'tabpanel', id: 'panel', tabIndex: -1}),
    make('section', {className: 'about', 'aria-labelledby': 'about'},
      make('h3', {id: 'about', tabIndex: -1}, `About ${part.name}`),
      facts(part), mixturesOf(part)));
  byId('to-about').addEventListener('click', event => {
    event.preventDefault();  // The address names what is open.
    byId('about').scrollIntoView();
    byId('about').focus({preventScroll: true});
  });
  markCurrent();
}

function facts(part) {
  const list = make('dl', {className: 'facts'});
  const add = (name, ...values) => {
    list.append(make('dt', {}, name), make('dd', {}, ...values));
  };
  if (part.dataset !== part.name) add('Dataset', part.dataset);
  add('Cluster', words(part.cluster));
  add('Source', `TFDS ${part.source}`, part.homepage ? ', ' : '',
    part.homepage ? make('a', {href: part.homepage, rel: 'noreferrer'}, part.homepage) : '');
  if (part.manual) add('Download by hand', part.manual);
  add('Licence', part.licence || 'not stated');
  if (part.derived_from.length) add('Made from', part.derived_from.join(', '));
  add('Rows', part.splits.map(([split, spec, rows]) =>
    `${split} ${rows == null ? '?' : number(rows)} (${spec})`).join(', '));
  add('Answer', part.choices.length ? `${part.answer}: ${part.choices.join('; ')}` : part.answer);
  add('Metrics', part.metrics.join(', '));
  if (part.note) add('Note', part.note);
  return list;
}

function mixturesOf(part) {
  const rows = part.mixtures.map(([place, templates]) => {
    const mixture = data.mixtures[place];
    const trains = mixture.purpose === 'train';
    const share = trains ? `${(100 * part.rate / mixture.rates).toFixed(2)} %` : '';
    return make('tr', {},
      make('th', {scope: 'row'}, mixture.name),
      make('td', {}, trains ? 'trains' : 'evaluates'),
      make('td', {className: 'number'}, trains ? number(part.rate) : ''),
      make('td', {className: 'number'}, share),
      make('td', {}, templates ? templates.map(k => `t${k}`).join(' ') : 'all'));
  });
  if (!rows.length) return make('p', {className: 'quiet'}, 'In no mixture.');
  const head = ['Mixture', 'Use', 'Rate', 'Share', 'Templates'];
  const rate = part.rate === null ? '' : `, rate ${number(part.rate)}`;
  return make('details', {className: 'box'},
    make('summary', {}, `In ${plural(rows.length, 'mixture')}${rate}`),
    make('div', {className: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'Mixtures'},
      make('table', {},
        make('caption', {}, 'The rate is the number of examples drawn in one epoch of the '
          + 'mixture: min(rows, 3,000), with the recorded rows. The share is that of all rates.'),
        make('thead', {}, make('tr', {}, ...head.map(name => make('th', {scope: 'col'}, name)))),
        make('tbody', {}, ...rows))));
}

function choices(name, options, chosen, choose) {
  return make('div', {className: 'choice'}, ...options.map(([value, label]) => {
    const input = make('input', {type: 'radio', name, value, checked: value === chosen});
    input.addEventListener('change', () => choose(value));
    return make('label', {}, input, make('span', {}, label));
  }));
}

// A template.

function showTabs() {
  byId('tabs').replaceChildren(...templatesOf(open.part, open.view).map((template, k) => {
    const tab = make('button', {type: 'button', role: 'tab', id: `tab-${k}`,
      'aria-controls': 'panel'}, `t${k}`);
    tab.addEventListener('click', () => go({template: k}));
    return tab;
  }));
  markTabs();
}

function markTabs() {
  if (!open.part) return;
  const shown = matches.get(open.part.name) || [];
  const instructions = viewOf(open.view).format === 'instructions';
  main.querySelectorAll('[role=tab]').forEach((tab, k) => {
    const selected = k === open.template;
    tab.setAttribute('aria-selected', selected);
    tab.tabIndex = selected ? 0 : -1;
    const other = instructions && !shown.includes(k);
    tab.classList.toggle('other', other);
    tab.replaceChildren(`t${k}`, ...(other
      ? [make('span', {className: 'unseen'}, ' (does not match)')] : []));
  });
}

function showTemplate() {
  const {part, template: k} = open;
  const template = templatesOf(part, open.view)[k];
  const view = viewOf(open.view);
  const suffix = {zeroshot: '', fewshot: `.${data.shots}shot`, plain: '.plain', named: '.named'};
  const about = [template.group, ...template.remarks].filter(Boolean).join('; ');
  const panel = byId('panel');
  panel.setAttribute('aria-labelledby', `tab-${k}`);
  panel.replaceChildren(
    make('h3', {}, `${part.name}.t${k}${suffix[open.view]}`),
    make('p', {className: 'quiet'}, about),
    make('div', {className: 'text pattern', role: 'group', 'aria-label': 'Template'},
      ...pattern(template.input), make('span', {className: 'quiet'}, '\n→ '),
      ...pattern(template.target)),
    ...shownRow(part, template, view));
  highlight();
}

/** Returns a template with its blanks marked. */
function pattern(text) {
  return text.split(/(\{\{|\}\}|\{\w+\})/).filter(Boolean).map(piece => {
    if (piece === '{{' || piece === '}}') return piece[0];
    if (!/^\{\w+\}$/.test(piece)) return piece;
    return make('span', {className: 'blank'}, piece);
  });
}

function shownRow(part, template, view) {
  if (part.missing) return [make('p', {}, `No rows: ${part.missing}`)];
  if (!template.rows.length) return [make('p', {}, 'No row that was read admits this template.')];
  const row = template.rows[open.row];
  const rows = make('fieldset', {}, make('legend', {}, 'Row'),
    choices('row', template.rows.map((_, i) => [String(i), String(i + 1)]),
      String(open.row), i => go({row: Number(i)})));
  const copy = make('button', {type: 'button', id: 'copy'}, 'Copy prompt');
  copy.addEventListener('click', () => copyText(promptText(part, row, view), copy));
  const exemplars = view.exemplars ? row.exemplars : [];
  const remarks = [...row.remarks];
  if (view.exemplars) {
    remarks.unshift(exemplars.length
      ? plural(exemplars.length, 'exemplar')
      : data.shots ? 'no exemplar: none fits, or there are no training rows'
        : 'no exemplars were read');
  }
  return [
    make('div', {className: 'head'}, rows, copy),
    make('p', {className: 'legend'}, `Row ${row.id}`, remarks.length ? `; ${remarks.join('; ')}` : ''),
    make('div', {className: 'prompt', role: 'group', 'aria-label': 'Prompt'},
      ...exemplars.map(([pieces, target], i) => make('div', {className: 'exemplar'},
        make('h4', {}, `Exemplar ${i + 1}`),
        ...promptBlocks(part, pieces, []),
        targetBlock('Target of the exemplar', part.texts[target]))),
      make('h4', {}, 'Prompt'),
      ...promptBlocks(part, row.input, row.correct)),
    targetBlock('Target', part.texts[row.target]),
  ];
}

/** Returns a prompt: its text, with what the row fills in, and its options. */
function promptBlocks(part, pieces, correct) {
  const body = pieces.filter(([name]) => name !== 'options');
  const blocks = [make('div', {className: 'text'}, ...body.map(([name, text]) => name
    ? make('span', {className: 'filled', title: name}, part.texts[text])
    : part.texts[text]))];
  for (const [name, text] of pieces) {
    if (name === 'options') blocks.push(optionsBlock(part.texts[text], correct));
  }
  return blocks;
}

function optionsBlock(text, correct) {
  const [head, ...options] = text.split('\n- ');
  return make('div', {className: 'options', role: 'group', 'aria-label': 'Options, part of the prompt'},
    make('h4', {}, 'Options block, part of the prompt'),
    make('div', {className: 'text'}, head, ...options.flatMap(option => ['\n',
      correct.includes(option)
        ? make('span', {className: 'right'}, `- ${option}`,
          make('span', {'aria-hidden': 'true'}, '  ✓'),
          make('span', {className: 'unseen'}, ' (correct)'))
        : `- ${option}`])));
}

function targetBlock(name, text) {
  return make('div', {className: 'target', role: 'group', 'aria-label': name},
    make('h4', {}, name), make('div', {className: 'text'}, text));
}

function joined(part, pieces) {
  return pieces.map(([, text]) => part.texts[text]).join('');
}

/** Returns the prompt to copy; blank lines separate exemplars. */
function promptText(part, row, view) {
  const exemplars = view.exemplars ? row.exemplars : [];
  return [...exemplars.map(([pieces, target]) => `${joined(part, pieces)}\n${part.texts[target]}`),
    joined(part, row.input)].join('\n\n');
}

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers that keep pages on disk from the clipboard.
    const area = make('textarea', {value: text, className: 'unseen'});
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    button.focus();
  }
  button.textContent = 'Copied';
  say('Prompt copied');
  setTimeout(() => { button.textContent = 'Copy prompt'; }, 1500);
}

// Addresses: #part/t3/2 is the second row under template 3; /plain may follow.

function address() {
  const view = open.view === FIRST_VIEW ? '' : `/${open.view}`;
  return `#${open.part.name}/t${open.template}/${open.row + 1}${view}`;
}

/** Changes what is open; keeps the focus where it is. */
function go(change) {
  const {view, template} = open;
  Object.assign(open, change);
  const templates = templatesOf(open.part, open.view);
  open.template = Math.min(Math.max(open.template, 0), templates.length - 1);
  const {rows} = templates[open.template];
  open.row = Math.min(Math.max(open.row, 0), Math.max(rows.length - 1, 0));
  const focused = document.activeElement;
  const kept = focused && focused.name === 'row';
  if (view !== open.view || !byId('tabs').children.length) showTabs();
  else if (template !== open.template) markTabs();
  showTemplate();
  if (kept) main.querySelector('input[name=row]:checked')?.focus();
  history.replaceState(null, '', address());
}

/** Opens what the address names; returns whether it names anything. */
function follow() {
  const [name, template, row, view] = decodeURIComponent(location.hash.slice(1)).split('/');
  const part = partOf.get(name);
  if (!part) return false;
  open.view = viewOf(view) ? view : FIRST_VIEW;
  showPart(part);
  go({template: Number(/^t(\d+)$/.exec(template)?.[1] || 0), row: (Number(row) || 1) - 1});
  document.title = `${part.name} · templates of flan_jax`;
  return true;
}

// Keys.

function move(event, items) {
  const step = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1}[event.key];
  const here = items.indexOf(document.activeElement);
  let next = step && here + step;
  if (event.key === 'Home') next = 0;
  if (event.key === 'End') next = items.length - 1;
  if (next === undefined || !items[next]) return null;
  event.preventDefault();
  items[next].focus();
  return next;
}

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const {target} = event;
  const typing = target.matches('input[type=search], select, textarea');
  if (event.key === '/' && !typing) {
    event.preventDefault();
    query.focus();
    query.select();
  } else if (event.key === 'ArrowDown' && target === query) {
    event.preventDefault();
    finishSearch();
    focusList();
  } else if (event.key === 'Escape' && target === query) {
    query.value = '';
    search();
  } else if (event.key === 'Escape') {
    focusList();
  } else if (target.closest('#datasets') && /^(Arrow(Up|Down)|Home|End)$/.test(event.key)) {
    if (event.key === 'ArrowUp' && target === links()[0]) query.focus();
    else move(event, links());
  } else if (target.matches('[role=tab]')) {
    const next = move(event, [...main.querySelectorAll('[role=tab]')]);
    if (next !== null) go({template: next});
  }
});

byId('search').addEventListener('submit', event => {
  event.preventDefault();
  finishSearch();
  links()[0]?.click();
});
query.addEventListener('input', () => {
  clearTimeout(typed);
  typed = setTimeout(finishSearch, 80);
});
selects.forEach(select => select.addEventListener('change', search));
byId('skip').addEventListener('click', event => {
  event.preventDefault();
  main.focus();
});
byId('datasets').addEventListener('click', event => {
  const link = event.target.closest('a');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, '', link.hash);
  follow();
  if (narrow.matches) byId('list').open = false;
  main.scrollIntoView();
  main.querySelector('h2').focus({preventScroll: true});
});
window.addEventListener('hashchange', follow);

// Colours: those of the system until the reader chooses.

const THEME = 'flan_jax.explorer.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

function remembered() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;  // Some browsers keep pages on disk from storage.
  }
}

function paint(theme = remembered() || (system.matches ? 'dark' : 'light')) {
  document.documentElement.dataset.theme = theme;
  byId('theme').textContent = theme === 'dark' ? 'Light colours' : 'Dark colours';
}

byId('theme').addEventListener('click', () => {
  const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  paint(theme);
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // The choice lasts until the page is closed.
  }
});
system.addEventListener('change', () => paint());

function fill(select, values) {
  select.append(...values.map(value => make('option', {value}, words(value))));
}

paint();
fill(byId('cluster'), [...new Set(data.parts.map(part => part.cluster))]);
fill(byId('answer'), [...new Set(data.parts.map(part => part.answer))]);
byId('mixture').append(...data.mixtures.map(({name}) => make('option', {value: name}, name)));
byId('list').open = !narrow.matches;
search();
if (!follow()) {
  showPart(data.parts[0]);
  go({});
}
