// A template, and a row under it.

function showTabs() {
  byId('tabs').replaceChildren(
    ...templatesOf(open.part, open.view).map((template, k) => {
      const tab = make(
        'button',
        {
          'type': 'button',
          'role': 'tab',
          'id': `tab-${k}`,
          'aria-controls': 'panel',
        },
        `t${k}`,
      );
      tab.addEventListener('click', () => go({template: k}));
      return tab;
    }),
  );
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
    tab.replaceChildren(
      `t${k}`,
      ...(other
        ? [make('span', {className: 'unseen'}, ' (does not match)')]
        : []),
    );
  });
}

function showTemplate() {
  const {part, template: k} = open;
  const template = templatesOf(part, open.view)[k];
  const view = viewOf(open.view);
  const suffix = {
    zeroshot: '',
    fewshot: `.${data.shots}shot`,
    plain: '.plain',
    named: '.named',
  };
  const about = [template.group, ...template.remarks]
    .filter(Boolean)
    .join('; ');
  const panel = byId('panel');
  panel.setAttribute('aria-labelledby', `tab-${k}`);
  panel.replaceChildren(
    make('h3', {}, `${part.name}.t${k}${suffix[open.view]}`),
    make('p', {className: 'quiet'}, about),
    make(
      'div',
      {'className': 'text pattern', 'role': 'group', 'aria-label': 'Template'},
      ...pattern(template.input),
      make('span', {className: 'quiet'}, '\n→ '),
      ...pattern(template.target),
    ),
    ...shownRow(part, template, view),
  );
  highlight();
}

/** Returns a template with its blanks marked. */
function pattern(text) {
  return text
    .split(/(\{\{|\}\}|\{\w+\})/)
    .filter(Boolean)
    .map(piece => {
      if (piece === '{{' || piece === '}}') return piece[0];
      if (!/^\{\w+\}$/.test(piece)) return piece;
      return make('span', {className: 'blank'}, piece);
    });
}

function shownRow(part, template, view) {
  if (part.missing) return [make('p', {}, `No rows: ${part.missing}`)];
  if (!template.rows.length)
    return [make('p', {}, 'No row that was read admits this template.')];
  const row = template.rows[open.row];
  const rows = make(
    'fieldset',
    {},
    make('legend', {}, 'Row'),
    choices(
      'row',
      template.rows.map((_, i) => [String(i), String(i + 1)]),
      String(open.row),
      i => go({row: Number(i)}),
    ),
  );
  const copy = make('button', {type: 'button', id: 'copy'}, 'Copy prompt');
  copy.addEventListener('click', () =>
    copyText(promptText(part, row, view), copy),
  );
  const exemplars = view.exemplars ? row.exemplars : [];
  const remarks = [...row.remarks];
  if (view.exemplars) {
    remarks.unshift(
      exemplars.length
        ? plural(exemplars.length, 'exemplar')
        : data.shots
          ? 'no exemplar: none fits, or there are no training rows'
          : 'no exemplars were read',
    );
  }
  return [
    make('div', {className: 'head'}, rows, copy),
    make(
      'p',
      {className: 'legend'},
      [row.id, ...remarks].join('; '),
      '. What the row fills in is ',
      make('span', {className: 'filled'}, 'underlined'),
      '.',
    ),
    make(
      'div',
      {'className': 'prompt', 'role': 'group', 'aria-label': 'Prompt'},
      ...exemplars.map(([pieces, target], i) =>
        make(
          'div',
          {className: 'exemplar'},
          make('h4', {}, `Exemplar ${i + 1}`),
          ...promptBlocks(part, pieces, []),
          targetBlock('Target of the exemplar', part.texts[target]),
        ),
      ),
      make('h4', {}, 'Prompt'),
      ...promptBlocks(part, row.input, row.correct),
    ),
    targetBlock('Target', part.texts[row.target]),
  ];
}

/** Returns a prompt: its text, with what the row fills in, and its options. */
function promptBlocks(part, pieces, correct) {
  const body = pieces.filter(([name]) => name !== 'options');
  const blocks = [
    make(
      'div',
      {className: 'text'},
      ...body.map(([name, text]) =>
        name
          ? make('span', {className: 'filled', title: name}, part.texts[text])
          : part.texts[text],
      ),
    ),
  ];
  for (const [name, text] of pieces) {
    if (name === 'options')
      blocks.push(optionsBlock(part.texts[text], correct));
  }
  return blocks;
}

function optionsBlock(text, correct) {
  const [head, ...options] = text.split('\n- ');
  return make(
    'div',
    {
      'className': 'options',
      'role': 'group',
      'aria-label': 'Options, part of the prompt',
    },
    make('h4', {}, 'Options block, part of the prompt'),
    make(
      'div',
      {className: 'text'},
      head,
      ...options.flatMap(option => [
        '\n',
        correct.includes(option)
          ? make(
              'span',
              {className: 'right'},
              `- ${option}`,
              make('span', {'aria-hidden': 'true'}, '  ✓'),
              make('span', {className: 'unseen'}, ' (correct)'),
            )
          : `- ${option}`,
      ]),
    ),
  );
}

function targetBlock(name, text) {
  return make(
    'div',
    {'className': 'target', 'role': 'group', 'aria-label': name},
    make('h4', {}, name),
    make('div', {className: 'text'}, text),
  );
}

function joined(part, pieces) {
  return pieces.map(([, text]) => part.texts[text]).join('');
}

/** Returns the prompt to copy; blank lines separate exemplars. */
function promptText(part, row, view) {
  const exemplars = view.exemplars ? row.exemplars : [];
  return [
    ...exemplars.map(
      ([pieces, target]) => `${joined(part, pieces)}\n${part.texts[target]}`,
    ),
    joined(part, row.input),
  ].join('\n\n');
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
  setTimeout(() => {
    button.textContent = 'Copy prompt';
  }, 1500);
}
