// The list of datasets, and what is said about one.

function listDatasets() {
  const clusters = new Map();
  for (const name of matches.keys()) {
    const {cluster} = partOf.get(name);
    clusters.set(cluster, [...(clusters.get(cluster) || []), name]);
  }
  byId('datasets').replaceChildren(
    ...[...clusters].flatMap(([cluster, names]) => [
      make('h2', {id: `cluster-${cluster}`}, words(cluster)),
      make(
        'ul',
        {'aria-labelledby': `cluster-${cluster}`},
        ...names.map(listItem),
      ),
    ]),
  );
  markCurrent();
}

function listItem(name) {
  const count = matches.get(name).length;
  const all = partOf.get(name).formats.instructions.length;
  const shown = count === all ? `${count}` : `${count} of ${all}`;
  return make(
    'li',
    {},
    make(
      'a',
      {href: `#${name}/t${matches.get(name)[0]}/1`},
      make('span', {}, name),
      make(
        'span',
        {className: 'quiet'},
        shown,
        make('span', {className: 'unseen'}, ' templates'),
      ),
    ),
  );
}

function links() {
  return [...byId('datasets').querySelectorAll('a')];
}

function markCurrent() {
  for (const link of links()) {
    const current =
      open.part && link.hash.split('/')[0] === `#${open.part.name}`;
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

function focusList() {
  byId('list').open = true;
  (
    links().find(link => link.hasAttribute('aria-current')) || links()[0]
  )?.focus();
}

function showPart(part) {
  open.part = part;
  const title = make('h2', {tabIndex: -1}, part.name);
  const views = make(
    'fieldset',
    {},
    make('legend', {}, 'Format'),
    choices(
      'view',
      VIEWS.map(view => [view.name, view.label]),
      open.view,
      name => {
        go({
          view: name,
          template:
            name === 'zeroshot' || name === 'fewshot' ? open.template : 0,
        });
      },
    ),
  );
  main.replaceChildren(
    title,
    make('p', {}, part.title || words(part.cluster)),
    make(
      'p',
      {className: 'quiet'},
      `${part.source}. Licence: ${part.licence || 'not stated'}. `,
      plural(part.mixtures.length, 'mixture'),
      '. ',
      make('a', {href: '#about', id: 'to-about'}, 'More about this dataset'),
    ),
    make('div', {className: 'controls'}, views),
    make('div', {'role': 'tablist', 'aria-label': 'Templates', 'id': 'tabs'}),
    make('div', {role: 'tabpanel', id: 'panel', tabIndex: -1}),
    make(
      'section',
      {'className': 'about', 'aria-labelledby': 'about'},
      make('h3', {id: 'about', tabIndex: -1}, `About ${part.name}`),
      facts(part),
      mixturesOf(part),
    ),
  );
  byId('to-about').addEventListener('click', event => {
    event.preventDefault(); // The address names what is open.
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
  add(
    'Source',
    part.tfds ? `TFDS ${part.source}` : part.source,
    part.homepage ? ', ' : '',
    part.homepage
      ? make('a', {href: part.homepage, rel: 'noreferrer'}, part.homepage)
      : '',
  );
  if (part.manual) add('Download by hand', part.manual);
  add('Licence', part.licence || 'not stated');
  if (part.derived_from.length) add('Made from', part.derived_from.join(', '));
  add(
    'Rows',
    part.splits
      .map(
        ([split, spec, rows]) =>
          `${split} ${number(rows)} (${spec})`,
      )
      .join(', '),
  );
  add(
    'Answer',
    part.choices.length
      ? `${part.answer}: ${part.choices.join('; ')}`
      : part.answer,
  );
  add('Metrics', part.metrics.join(', '));
  if (part.note) add('Note', part.note);
  return list;
}

function mixturesOf(part) {
  const rows = part.mixtures.map(([place, templates]) => {
    const mixture = data.mixtures[place];
    const trains = mixture.purpose === 'train';
    const share = trains
      ? `${((100 * part.rate) / mixture.rates).toFixed(2)} %`
      : '';
    return make(
      'tr',
      {},
      make('th', {scope: 'row'}, mixture.name),
      make('td', {}, trains ? 'trains' : 'evaluates'),
      make('td', {className: 'number'}, trains ? number(part.rate) : ''),
      make('td', {className: 'number'}, share),
      make('td', {}, templates ? templates.map(k => `t${k}`).join(' ') : 'all'),
    );
  });
  if (!rows.length) return make('p', {className: 'quiet'}, 'In no mixture.');
  const head = ['Mixture', 'Use', 'Rate', 'Share', 'Templates'];
  const rate = part.rate === null ? '' : `, rate ${number(part.rate)}`;
  return make(
    'details',
    {className: 'box'},
    make('summary', {}, `In ${plural(rows.length, 'mixture')}${rate}`),
    make(
      'div',
      {
        'className': 'scroll',
        'tabIndex': 0,
        'role': 'region',
        'aria-label': 'Mixtures',
      },
      make(
        'table',
        {},
        make(
          'caption',
          {},
          'The rate is the number of examples drawn in one epoch of the ' +
            'mixture: min(rows, 3,000), with the recorded rows. The share is that of all rates.',
        ),
        make(
          'thead',
          {},
          make('tr', {}, ...head.map(name => make('th', {scope: 'col'}, name))),
        ),
        make('tbody', {}, ...rows),
      ),
    ),
  );
}

function choices(name, options, chosen, choose) {
  return make(
    'div',
    {className: 'choice'},
    ...options.map(([value, label]) => {
      const input = make('input', {
        type: 'radio',
        name,
        value,
        checked: value === chosen,
      });
      input.addEventListener('change', () => choose(value));
      return make('label', {}, input, make('span', {}, label));
    }),
  );
}
