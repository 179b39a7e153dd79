"""`flan-jax render`: its text, its order, its files and its mistakes."""

import collections
import json

import pytest

from flan_jax.batches.training_splits import training_splits
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.storage import CacheError
from flan_jax.cache.store import CacheStore
from flan_jax.definitions import names, registry
from flan_jax.inspection import rows as inspected
from flan_jax.runs import render_text
from flan_jax.runtime import child
from flan_jax.testing.tiny_models import write_model, write_tokenizer
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

# Room for two exemplars.
_LENGTHS = {'inputs': 256, 'targets': 16}


@pytest.fixture
def render(cli, warm_cache, mini_data):
  """Renders a name; returns the rows of the file, and what was printed."""

  def run(*arguments):
    shared = f'--data_dir={mini_data}', '--cache_dir=cache'
    lengths = [f'--{side}={most}' for side, most in _LENGTHS.items()]
    out = cli.check('render', '--out=rows.jsonl', *shared, *lengths, *arguments)
    lines = (cli.folder / 'rows.jsonl').read_text(encoding='utf-8')
    return [json.loads(line) for line in lines.splitlines()], out

  return run


def _splits(cli, mini_data, name, **settings):
  """Opens what training on a name reads."""
  config = CacheConfig(str(cli.folder / 'cache'), mini_data, _LENGTHS)
  store = CacheStore(config, load_vocabulary('mini'))
  return training_splits(store, names.resolve(name), **settings), store.framing


def test_the_text_is_what_training_sees(render, cli, mini_data):
  found, _ = render('rte.2shot', '--epochs=3', '--seed=5')
  (split,), framing = _splits(cli, mini_data, 'rte.2shot', seed=5)
  vocabulary = load_vocabulary('mini')
  texts = {}
  for index, rendering in enumerate(split.renderings):
    parts = split.example_parts(index, framing)
    # End tokens stand where the file has line breaks.
    pieces = [vocabulary.decode(part.tolist()) for part in parts]
    turns = [text for text in pieces if text]
    row = split.rows[int(rendering['row'])]['id']
    texts[row, int(rendering['template'])] = turns
  assert {row['shots'] for row in found} > {0}
  for row in found:
    turns = texts[row['row_id'], row['template']]
    assert row['shots'] == len(turns) // 2 - 1
    pairs = zip(turns[:-2:2], turns[1:-2:2], strict=True)
    shown = ''.join(f'{text}\n{answer}\n\n' for text, answer in pairs)
    assert row['prompt'] == f'{shown}{turns[-2]}\n'
    assert row['completion'] == turns[-1]


def test_only_the_split_that_is_written_is_cached(
  mini_data, tmp_path, monkeypatch
):
  asked = []
  monkeypatch.setattr(child, 'succeeds', lambda _, flags: asked.append(flags))
  folders = f'--data_dir={mini_data}', f'--cache_dir={tmp_path}'
  with pytest.raises(CacheError):
    render_text.main(['rte', '--out=rows.jsonl', *folders])
  assert "--gin_bindings=cache.only = 'train'" in asked[0]


@pytest.mark.slow
def test_the_text_is_what_inspect_shows(render, mini_data):
  # These rows fit, here as in the longer prompts of inspect.
  found, _ = render('copa', '--epochs=4')
  (part,) = inspected.describe('copa', mini_data, rows=99)['parts']
  shown = {
    (example['id'], template['template']): example
    for template in part['templates']
    for example in template['examples']
  }
  assert len({row['template'] for row in found}) > 3
  for row in found:
    example = shown[row['row_id'], row['template']]
    assert row['prompt'] == f'{example["inputs"]}\n'
    assert row['completion'] == example['targets']


@pytest.mark.slow
def test_an_epoch_has_the_rates_of_the_mixture_mixed(render, cli, mini_data):
  found, out = render('anli')
  splits, _ = _splits(cli, mini_data, 'anli')
  parts = [row['part'] for row in found]
  rows = {split.name: split.num_rows for split in splits}
  assert collections.Counter(parts) == rows
  assert parts != sorted(parts)
  assert len({(row['part'], row['row_id']) for row in found}) == len(found)
  assert f'wrote {len(found)} rows of 3 subsets' in out
  assert render('anli')[0] == found
  other, _ = render('anli', '--seed=1')
  assert other != found
  first, _ = render('anli', '--rows=5')
  assert first == found[:5]


def test_rows_that_lose_their_target_are_counted_and_named(render):
  found, out = render('rte', '--max_length=100', '--format=text')
  unfit = [row for row in found if not row['fits']]
  assert 0 < len(unfit) < len(found)
  assert f'{len(unfit)} of them have no token of their target' in out
  assert unfit[0]['row_id'] in out
  assert all(row['text'].count('\n') for row in found)


def test_evaluated_rows_come_once_with_their_answers(render):
  found, _ = render('copa.1shot', '--split=test', '--format=messages')
  assert len({row['row_id'] for row in found}) == len(found)
  for row in found:
    roles = [message['role'] for message in row['messages']]
    assert roles == ['user', 'assistant'] * (1 + row['shots'])
    *_, query, answer = row['messages']
    assert answer['content'] in query['content']


def test_mistakes_come_before_anything_is_made(cli, mini_data):
  def mistake(*flags):
    code, _, error = cli('render', f'--data_dir={mini_data}', *flags)
    assert code == 2 and error.count('\n') == 1
    return error

  assert 'must end in .jsonl or .parquet' in mistake('rte', '--out=rows.csv')
  assert 'its folder is missing' in mistake('rte', '--out=a/rows.jsonl')
  assert 'nearest: rte' in mistake('rtee', '--out=rows.jsonl')
  error = mistake('flan_holdout_nli', '--split=test', '--out=rows.jsonl')
  assert 'flan_holdout_nli reads train and validation rows, no test' in error
  error = mistake('rte.t3', '--split=test', '--out=rows.jsonl')
  assert 'leave out .tK' in error
  assert 'not allowed with' in mistake(
    'rte', '--rows=1', '--epochs=1', '--out=rows.jsonl'
  )
  assert not list(cli.folder.iterdir())


@pytest.mark.slow
def test_trl_trains_on_the_file(render, cli, mini_data):
  datasets = pytest.importorskip('datasets')
  trl = pytest.importorskip('trl')
  transformers = pytest.importorskip('transformers')
  render('copa', '--rows=16')
  model = cli.folder / 'model'
  model.mkdir()
  size = write_tokenizer(model)
  write_model(
    model,
    {
      'model_type': 'llama',
      'architectures': ['LlamaForCausalLM'],
      'vocab_size': size,
      'hidden_size': 16,
      'intermediate_size': 32,
      'num_hidden_layers': 1,
      'num_attention_heads': 2,
      'num_key_value_heads': 2,
      'head_dim': 8,
      'rms_norm_eps': 1e-5,
      'rope_theta': 1e4,
      'max_position_embeddings': 2048,
      'hidden_act': 'silu',
      'tie_word_embeddings': False,
    },
    dtype='float32',
  )
  rows = datasets.load_dataset(
    'json',
    data_files=str(cli.folder / 'rows.jsonl'),
    split='train',
    cache_dir=str(cli.folder / 'hf'),
  )
  assert rows.num_rows == 16
  trainer = trl.SFTTrainer(
    str(model),
    args=trl.SFTConfig(
      str(cli.folder / 'out'),
      max_steps=2,
      per_device_train_batch_size=2,
      logging_steps=1,
      report_to='none',
      use_cpu=True,
      save_strategy='no',
      bf16=False,
    ),
    train_dataset=rows,
    processing_class=transformers.AutoTokenizer.from_pretrained(str(model)),
  )
  trainer.train()
  losses = [log['loss'] for log in trainer.state.log_history if 'loss' in log]
  assert len(losses) == 2 and all(0 < loss < 20 for loss in losses)
