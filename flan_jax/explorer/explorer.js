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
  const [name, template, row, view] = decodeURIComponent(
    location.hash.slice(1),
  ).split('/');
  const part = partOf.get(name);
  if (!part) return false;
  open.view = viewOf(view) ? view : FIRST_VIEW;
  showPart(part);
  go({
    template: Number(/^t(\d+)$/.exec(template)?.[1] || 0),
    row: (Number(row) || 1) - 1,
  });
  document.title = `${part.name} · templates of flan_jax`;
  return true;
}

// Keys.

function move(event, items) {
  const step = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1}[
    event.key
  ];
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
  } else if (event.key === 'c' && target.closest('main')) {
    byId('copy')?.click();
  } else if (
    target.closest('#datasets') &&
    /^(Arrow(Up|Down)|Home|End)$/.test(event.key)
  ) {
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
    return null; // Some browsers keep pages on disk from storage.
  }
}

function paint(theme = remembered() || (system.matches ? 'dark' : 'light')) {
  document.documentElement.dataset.theme = theme;
  byId('theme').textContent =
    theme === 'dark' ? 'Light colours' : 'Dark colours';
}

byId('theme').addEventListener('click', () => {
  const theme =
    document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
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
byId('mixture').append(
  ...data.mixtures.map(({name}) => make('option', {value: name}, name)),
);
byId('list').open = !narrow.matches;
search();
if (!follow()) {
  showPart(data.parts[0]);
  go({});
}
