"""`flan-jax new-task` writes a module that works as it is."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def _csv(folder):
  lines = [
    f'{i},"It {"broke" if i % 2 else "works"}, day {i // 2}.",{i % 2 + 1}\n'
    for i in range(40)
  ]
  (folder / 'rows.csv').write_text('Id,Customer Note,Stars\n' + ''.join(lines))


def test_the_skeleton_of_a_csv_is_found_and_shown(own_folder, cli):
  _csv(own_folder)
  out = cli.check('new-task', 'notes', '--from=rows.csv')
  assert 'wrote notes.py' in out
  assert 'rows: train 40, which are divided into train' in ' '.join(out.split())
  text = (own_folder / 'notes.py').read_text()
  assert "'customer_note': 'Customer Note'," in text
  assert "label='Stars'" in text and "'id'" not in text
  found = cli.check(
    'inspect', 'notes', '--task_module=notes', '--format=json', '--data_dir=x'
  )
  (part,) = json.loads(found)['parts']
  assert sum(split['count'] for split in part['rows'].values()) == 40
  (template,) = part['templates']
  example = template['examples'][0]
  assert example['inputs'].endswith('What is the stars?\nOptions:\n- 1\n- 2')
  assert example['targets'] in ('1', '2')
  # A gin file names the module as well.
  (own_folder / 'my.gin').write_text(
    "import notes\ninclude 'runs/cache.gin'\nMIXTURE_OR_TASK_NAME = 'notes'\n"
    "CACHE_DIR = 'cache'\n"
  )
  out = cli.check('cache', '--gin_file=my.gin', '--dry_run')
  assert 'rows' in out
  out = cli.check('prepare', 'notes', '--task_module=notes', '--data_dir=x')
  assert 'notes is read from csv:rows.csv: nothing to download' in out


def test_free_text_and_class_numbers_are_told_apart(own_folder, cli):
  rows = [{'question': f'Why {i}?', 'answer': f'So {i}.'} for i in range(9)]
  (own_folder / 'qa.jsonl').write_text('\n'.join(map(json.dumps, rows)))
  cli.check('new-task', 'qa', '--from=qa.jsonl')
  assert "answers='answer'" in (own_folder / 'qa.py').read_text()
  noted = {
    'info': {'features': {'y': {'names': ['no', 'yes'], '_type': 'ClassLabel'}}}
  }
  table = pa.table({'y': [1, 0], 'text': ['a', 'b']})
  table = table.replace_schema_metadata({'huggingface': json.dumps(noted)})
  (own_folder / 'rows').mkdir()
  pq.write_table(table, own_folder / 'rows/train.parquet')
  cli.check('new-task', 'judged', '--from=rows')
  text = (own_folder / 'judged.py').read_text()
  assert "source='parquet:rows'" in text and "'yes': 'yes'," in text


@pytest.mark.parametrize(
  'name, rows, message',
  [
    ('notes', 'rows.txt', 'the name of a file ends in .jsonl'),
    ('notes', 'gone.csv', 'there is no gone.csv in /'),
    ('rte', 'rows.csv', 'rte is registered already'),
    ('My-Task', 'rows.csv', "'My-Task' is not a name"),
    ('taken', 'rows.csv', 'taken.py exists'),
    ('notes', 'one.csv', 'at least one text to show'),
  ],
)
def test_mistakes_are_one_line(own_folder, cli, name, rows, message):
  _csv(own_folder)
  (own_folder / 'one.csv').write_text('x\na\na\n')
  (own_folder / 'taken.py').write_text('')
  code, _, error = cli('new-task', name, f'--from={rows}')
  assert code == 2 and message in error and error.count('\n') == 1
  assert not (own_folder / f'{name}.py').exists() or name == 'taken'
