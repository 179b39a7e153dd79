'use strict';
(() => {
  const root = document.documentElement;
  const button = document.getElementById('theme');
  const key = 'flan_jax_report_theme';
  const system = matchMedia('(prefers-color-scheme: dark)');

  // Pages from a disk may have no storage.
  const read = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const keep = (theme) => {
    try {
      localStorage.setItem(key, theme);
    } catch {
      // The choice holds until the page is closed.
    }
  };
  const isDark = () => (root.dataset.theme || (system.matches ? 'dark' : '')) === 'dark';
  const show = () => button.setAttribute('aria-pressed', String(isDark()));
  if (read()) {
    root.dataset.theme = read();
  }
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    keep(root.dataset.theme);
    show();
  });
  system.addEventListener('change', show);
  show();

  const form = document.getElementById('filter');
  if (!form) {
    return;
  }
  // Percentages and numbers of rows are not searched.
  const texts = 'b, .prompt, .answers tbody th, .written';
  const cards = [...document.querySelectorAll('.card')].map((card) => ({
    card,
    text: [...card.querySelectorAll(texts)]
      .map((element) => element.textContent)
      .join(' ')
      .toLowerCase(),
  }));
  const field = (name) => document.getElementById(name);
  const filter = () => {
    const words = field('words').value.toLowerCase().split(/\s+/).filter(Boolean);
    const part = field('part').value;
    const outcome = field('outcome').value;
    let shown = 0;
    for (const { card, text } of cards) {
      const fits =
        (!part || card.dataset.part === part) &&
        (!outcome || card.dataset.outcome === outcome) &&
        words.every((word) => text.includes(word));
      card.hidden = !fits;
      shown += fits;
    }
    field('count').textContent = `${shown} of ${cards.length} examples`;
  };
  form.addEventListener('input', filter);
  form.addEventListener('submit', (event) => event.preventDefault());
})();
