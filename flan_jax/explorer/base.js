'use strict';

// The data, what is open, and helpers. All scripts share one scope.

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
const plural = (count, name) =>
  `${number(count)} ${name}${count === 1 ? '' : 's'}`;
const viewOf = name => VIEWS.find(view => view.name === name);
const templatesOf = (part, view) => part.formats[viewOf(view).format];
const say = text => {
  byId('said').textContent = text;
};
