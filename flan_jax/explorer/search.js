// Search and filters.

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
    const member = part.mixtures.find(
      ([place]) => data.mixtures[place].name === mixture,
    );
    if (!member) return [];
    used = member[1];
  }
  const about = [
    part.name,
    part.dataset,
    part.title,
    part.cluster,
    words(part.cluster),
    part.source,
    part.licence,
  ]
    .join('\n')
    .toLowerCase();
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
  const datasets = new Set(
    [...matches.keys()].map(name => partOf.get(name).dataset),
  );
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
        for (
          let at = content.indexOf(term);
          at >= 0;
          at = content.indexOf(term, at + term.length)
        ) {
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
