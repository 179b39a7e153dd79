"""`flan-jax explore`: its flags, its page and its mistakes."""

import json
import re

import pytest

from flan_jax.definitions import registry
from tests.command_line import RULE

registry.load()


def _data(path) -> dict:
  text = path.read_text(encoding='utf-8')
  (data,) = re.findall(
    r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL
  )
  return json.loads(data)


@pytest.mark.slow
def test_the_page_has_users_datasets_and_is_the_same_twice(cli, rule_data):
  flags = RULE, f'--data_dir={rule_data}', '--rows=1', '--shots=1'
  out = cli.check('explore', 'rule', 'rte', *flags, '--out=one')
  assert '1 subset is not prepared and shows no rows' in out
  cli.check('explore', 'rte', 'rule', *flags, '--out=two/pages')
  page = cli.folder / 'one/explorer.html'
  again = cli.folder / 'two/pages/explorer.html'
  assert page.read_bytes() == again.read_bytes()
  rte, rule = _data(page)['parts']
  assert rte['name'] == 'rte' and 'flan-jax prepare rte' in rte['missing']
  assert rule['mixtures']
  for template in rule['formats']['instructions']:
    (row,) = template['rows']
    assert len(row['exemplars']) == 1
    assert rule['texts'][row['target']]


@pytest.mark.parametrize(
  'flags, message',
  (
    (['rtee'], 'nearest: rte'),
    (['--rows=0'], "'0' is not an integer of at least 1"),
    (['--shots=17'], 'is not an integer from 0 to 16'),
    (['--data_dir=nowhere'], 'nowhere is no folder: prepare'),
  ),
)
def test_mistakes_in_flags(cli, flags, message):
  code, out, error = cli('explore', *flags, '--out=page')
  assert code == 2 and not out
  assert message in error and error.count('\n') == 1
  assert not (cli.folder / 'page').exists()


def test_a_file_in_place_of_the_folder(cli):
  (cli.folder / 'page').write_text('mine')
  for out in ('page', 'page/below'):
    code, _, error = cli('explore', 'rte', f'--out={out}')
    assert code == 2
    assert f'--out={out} cannot be written' in error


@pytest.mark.slow
def test_datasets_have_rows_under_every_template(cli, mini_data):
  # A dataset of each cluster; tests of prompts have all.
  chosen = {d.cluster: d.name for d in registry.datasets()}
  chosen.pop('testing', None)
  cli.check(
    *('explore', *chosen.values(), f'--data_dir={mini_data}', '--rows=1'),
    *('--shots=0', '--out=page'),
  )
  page = cli.folder / 'page/explorer.html'
  assert page.stat().st_size < 5e6
  data = _data(page)
  assert {part['cluster'] for part in data['parts']} == set(chosen)
  for part in data['parts']:
    assert 'missing' not in part
    trains = any(split == 'train' for split, *_ in part['splits'])
    for templates in part['formats'].values():
      for template in templates:
        shown = trains or not template['inverted']
        assert len(template['rows']) == shown, part['name']
