'use strict';

const $ = (id) => document.getElementById(id);
const SETTINGS = ['model', 'other', 'max_tokens', 'temperature', 'top_p', 'seed'];

// The row that the instruction came from; null if it was typed or changed.
let chosen = null;
let datasets = [];
let running = null;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function choose(select, values, labels) {
  const options = values.map((value, n) => {
    const option = element('option', labels ? labels[n] : value);
    option.value = value;
    return option;
  });
  select.replaceChildren(...options);
}

async function failure(response) {
  let message = `the server answered ${response.status}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // Not one of the server's own errors.
  }
  return new Error(message);
}

async function getJson(path) {
  const response = await fetch(path);
  if (!response.ok) throw await failure(response);
  return response.json();
}

function post(path, body, signal) {
  return fetch(path, {
    method: 'POST',
    headers: {'Content-Type': 'application/json'},
    body: JSON.stringify(body),
    signal,
  });
}

// Yields the objects of a stream of server-sent events.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split('\n\n');
    text = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, '');
      if (data !== '[DONE]') yield JSON.parse(data);
    }
  }
}

function optionTexts() {
  return $('options').value.split('\n').filter((line) => line.trim());
}

function answerCard(model) {
  const card = element('article', undefined, 'answer');
  const title = element('h2', model);
  title.id = `title-${$('answers').childElementCount}`;
  card.setAttribute('aria-labelledby', title.id);
  card.setAttribute('aria-busy', 'true');
  const text = element('pre');
  const end = element('p', '', 'hint');
  card.append(title, element('h3', 'Answer'), text, end);
  $('answers').append(card);
  return {card, text, end};
}

async function write(model, view, signal) {
  const response = await post('/v1/completions', {
    model,
    prompt: $('prompt').value,
    max_tokens: Number($('max_tokens').value),
    temperature: Number($('temperature').value),
    top_p: Number($('top_p').value),
    seed: Number($('seed').value),
    stream: true,
  }, signal);
  if (!response.ok) throw await failure(response);
  for await (const event of events(response)) {
    if (event.error) throw new Error(event.error.message);
    for (const choice of event.choices) {
      view.text.textContent += choice.text;
      if (choice.finish_reason) {
        view.end.textContent = choice.finish_reason === 'length' ?
          'Cut at the most tokens.' : 'The model ended its answer.';
      }
    }
  }
}

async function rank(model, view, signal) {
  const options = optionTexts();
  if (!options.length) return;
  const response = await post(
    '/rank', {model, prompt: $('prompt').value, options}, signal);
  if (!response.ok) throw await failure(response);
  const found = await response.json();
  const list = element('ol');
  found.options.forEach((option, n) => {
    const percent = `${(100 * option.probability).toFixed(1)} %`;
    const item = element('li', undefined, n === found.best ? 'best' : '');
    item.append(element('span', `${option.text}: ${percent}`));
    if (chosen && chosen.correct.includes(n)) {
      item.append(element('span', ' ✓ correct', 'correct'));
    }
    const bar = element('progress');
    bar.max = 1;
    bar.value = option.probability;
    bar.setAttribute('aria-label', `Probability of ${option.text}`);
    item.append(bar);
    list.append(item);
  });
  view.card.append(element('h3', 'Options'), list);
}

async function answerWith(model, signal) {
  const view = answerCard(model);
  try {
    await Promise.all([write(model, view, signal), rank(model, view, signal)]);
  } finally {
    view.card.setAttribute('aria-busy', 'false');
  }
}

async function answer() {
  if (running || !$('form').reportValidity()) return;
  keepState();
  running = new AbortController();
  $('ask').disabled = true;
  $('stop').disabled = false;
  $('error').textContent = '';
  $('status').textContent = 'Answering…';
  $('answers').replaceChildren();
  const models = [$('model').value, $('other').value].filter(Boolean);
  try {
    const {signal} = running;
    const ends = await Promise.allSettled(
      [...new Set(models)].map((model) => answerWith(model, signal)));
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed && !signal.aborted) throw failed.reason;
    $('status').textContent = signal.aborted ? 'Stopped.' : 'Answered.';
  } catch (error) {
    $('status').textContent = '';
    $('error').textContent = `Error: ${error.message}`;
  } finally {
    running = null;
    $('ask').disabled = false;
    $('stop').disabled = true;
  }
}

function stop() {
  if (running) running.abort();
}

// The fragment holds the state: it is not sent to the server.
function keepState() {
  const state = new URLSearchParams();
  if (chosen) {
    for (const key of ['dataset', 'template', 'row']) state.set(key, chosen[key]);
  } else {
    state.set('prompt', $('prompt').value);
    state.set('options', $('options').value);
  }
  for (const key of SETTINGS) state.set(key, $(key).value);
  history.replaceState(null, '', `#${state}`);
}

async function share() {
  keepState();
  try {
    await navigator.clipboard.writeText(location.href);
    $('status').textContent = 'The link is in the clipboard.';
  } catch {
    // Only secure pages may write there.
    $('status').textContent = 'The link is in the address bar.';
  }
}

async function restoreState() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const key of SETTINGS) {
    if (!state.has(key)) continue;
    const value = state.get(key);
    const options = [...($(key).options || [])].map((option) => option.value);
    if (!options.length || options.includes(value)) $(key).value = value;
  }
  if (state.has('prompt')) {
    $('prompt').value = state.get('prompt');
    $('options').value = state.get('options') || '';
  } else if (datasets.some((one) => one.dataset === state.get('dataset'))) {
    $('dataset').value = state.get('dataset');
    showTemplates();
    $('template').value = state.get('template');
    $('row').value = state.get('row');
    await takeRow();
  } else if (datasets.length) {
    await takeRow();
  }
}

function showTemplates() {
  const found = datasets.find((one) => one.dataset === $('dataset').value);
  choose(
    $('template'),
    found.templates.map((one) => one.template),
    found.templates.map(
      (one) => `${one.template}: ${one.input.replace(/\s+/g, ' ').slice(0, 70)}`),
  );
  $('row').max = found.rows - 1;
  $('count').textContent = `of ${found.rows}`;
}

async function takeRow() {
  const found = datasets.find((one) => one.dataset === $('dataset').value);
  const row = Math.min(Math.max(0, Math.trunc($('row').value)), found.rows - 1);
  $('row').value = row;
  const key = {dataset: found.dataset, template: $('template').value, row};
  const path = [key.dataset, key.template, row].map(encodeURIComponent);
  $('error').textContent = '';
  try {
    const example = await getJson(`/examples/${path.join('/')}`);
    $('prompt').value = example.prompt;
    $('options').value = example.options.join('\n');
    chosen = {...key, correct: example.correct};
    const gold = example.correct.map((n) => example.options[n]);
    gold.push(...example.references);
    $('gold').hidden = false;
    $('gold').textContent = `The dataset's answer: ${gold.join(' | ')}`;
    keepState();
  } catch (error) {
    $('error').textContent = `Error: ${error.message}`;
  }
}

function forgetRow() {
  chosen = null;
  $('gold').hidden = true;
}

function step(by) {
  $('row').value = Number($('row').value) + by;
  takeRow();
}

async function start() {
  const models = (await getJson('/v1/models')).data.map((model) => model.id);
  choose($('model'), models);
  choose($('other'), ['', ...models], ['(no other model)', ...models]);
  if (models.length > 1) $('other').value = models[1];
  datasets = (await getJson('/examples')).datasets;
  if (datasets.length) {
    $('rows').hidden = false;
    choose(
      $('dataset'),
      datasets.map((one) => one.dataset),
      datasets.map((one) => `${one.dataset} (${one.cluster})`),
    );
    showTemplates();
  }
  await restoreState();
}

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  answer();
});
$('stop').addEventListener('click', stop);
$('share').addEventListener('click', share);
$('dataset').addEventListener('change', () => {
  $('row').value = 0;
  showTemplates();
  takeRow();
});
$('template').addEventListener('change', takeRow);
$('row').addEventListener('change', takeRow);
$('previous').addEventListener('click', () => step(-1));
$('next').addEventListener('click', () => step(1));
$('prompt').addEventListener('input', forgetRow);
$('options').addEventListener('input', forgetRow);
window.addEventListener('hashchange', restoreState);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) answer();
  if (event.key === 'Escape') stop();
});
start().catch((error) => {
  $('error').textContent = `Error: ${error.message}`;
});
