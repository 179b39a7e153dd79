"""A model is imported, fine-tuned with its gin file, and exported."""

import json

import jax
import numpy as np
import pytest

from flan_jax.errors import UserError
from flan_jax.interop import InteropError
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.runs import export_weights, import_weights
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.testing import tiny_models
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.vocabulary.load import load_vocabulary
from tests.command_line import LENGTHS, RULE

_CONFIG = {
  'model_type': 'qwen2',
  'vocab_size': 288,
  'hidden_size': 32,
  'intermediate_size': 48,
  'num_hidden_layers': 2,
  'num_attention_heads': 4,
  'num_key_value_heads': 2,
  'rms_norm_eps': 1e-5,
  'max_position_embeddings': 512,
  'tie_word_embeddings': True,
}


def _write_model(folder, **settings):
  folder.mkdir()
  tiny_models.write_tokenizer(folder)
  tiny_models.write_model(folder, _CONFIG | settings)
  return folder


def _import(source, out, *flags):
  return import_weights.main([f'--from={source}', f'--out={out}', *flags])


def _params(path):
  config = DecoderConfig(**Checkpointer.read_record(path)['model'])
  mesh = make_mesh(MeshConfig(1, 1, 1), jax.devices()[:1])
  return Checkpointer.restore_params(path, abstract_params(config, mesh))


def _assert_same(got, expected):
  jax.tree.map(np.testing.assert_array_equal, got, expected)


def test_an_import_writes_checkpoint_tokenizer_and_gin_file(tmp_path, capsys):
  source, out = _write_model(tmp_path / 'source'), tmp_path / 'out'
  assert _import(source, out) == 0
  assert f'--gin_file={out}/model.gin' in capsys.readouterr().out
  record = Checkpointer.read_record(out)
  assert record['imported'] == {'from': str(source), 'family': 'qwen2'}
  vocabulary = load_vocabulary(str(out))
  assert record['vocabulary']['digest'] == vocabulary.digest
  settings = json.loads((out / 'tokenizer_config.json').read_text())
  assert settings['model_max_length'] == 512


def test_padding_of_the_embedding_is_reported(tmp_path, capsys):
  _import(_write_model(tmp_path / 'source'), tmp_path / 'out')
  size = load_vocabulary(str(tmp_path / 'out')).size
  assert f'{288 - size} of 288 rows' in capsys.readouterr().out


def test_a_vocabulary_larger_than_the_embedding_is_refused(tmp_path):
  source = _write_model(tmp_path / 'source', vocab_size=200)
  with pytest.raises(InteropError, match='tokens, but the embedding only 200'):
    _import(source, tmp_path / 'out')


def test_a_folder_with_files_is_not_written_to(tmp_path):
  source = _write_model(tmp_path / 'source')
  with pytest.raises(InteropError, match='is not an empty folder'):
    _import(source, source)


@pytest.mark.slow
def test_a_bfloat16_model_loses_nothing_in_bfloat16(tmp_path):
  source = _write_model(tmp_path / 'source')
  _import(source, tmp_path / 'full')
  _import(source, tmp_path / 'half', '--dtype=bfloat16')
  _assert_same(_params(tmp_path / 'half'), _params(tmp_path / 'full'))


@pytest.mark.slow
def test_check_tells_whether_the_logits_are_the_same(tmp_path, capsys):
  for name in ('torch', 'transformers', 'accelerate'):
    pytest.importorskip(name)
  source = _write_model(tmp_path / 'source')
  prompts = tmp_path / 'prompts.txt'
  prompts.write_text('The cat sat on the mat.\n\nOptions: yes or no?\n')
  flags = ('--check', f'--prompts={prompts}')
  assert _import(source, tmp_path / 'good', *flags) == 0
  printed = capsys.readouterr().out
  assert "'Options: yes or no?'" in printed
  assert 'same top token at' in printed
  # Rounding to bfloat16 changes the logits.
  tiny_models.write_model(source, _CONFIG, dtype='float32')
  assert _import(source, tmp_path / 'bad', '--dtype=bfloat16', *flags) == 1


@pytest.mark.slow
def test_an_imported_model_is_fine_tuned_and_exported(cli, rule_data, tmp_path):
  source, base = _write_model(tmp_path / 'source'), tmp_path / 'base'
  _import(source, base)
  train = (
    'train',
    '--gin_file=runs/train.gin',
    f'--gin_file={base}/model.gin',
    RULE,
    LENGTHS,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.PACK_LENGTH=256',
    '--gin.BATCH_ROWS=8',
    '--gin.TRAIN_STEPS=2',
    '--gin.EVAL_PERIOD=0',
    '--gin.MODEL_DIR=model',
  )
  other = tmp_path / 'other'
  other.mkdir()
  tiny_models.write_tokenizer(other, adds_bos=True)
  code, _, error = cli(*train, f'--gin.VOCABULARY={other}')
  assert code == 2 and f'was made with the vocabulary {base}' in error
  out = cli.check(*train)
  assert f'starting from the parameters of {base}' in out
  tuned = tmp_path / 'tuned'
  checkpoint = cli.folder / 'model'
  flags = [f'--checkpoint={checkpoint}', f'--out={tuned}']
  # Its record names a file outside of it.
  with pytest.raises(InteropError, match=f'set --vocabulary={base}'):
    export_weights.main(flags)
  flags.append(f'--vocabulary={base}')
  assert export_weights.main(flags) == 0
  readme = (tuned / 'README.md').read_text()
  assert r"'{input}\n'" in readme and tiny_models.SPECIAL[1] in readme
  config = json.loads((tuned / 'config.json').read_text())
  assert config['architectures'] == ['Qwen2ForCausalLM']
  assert config['max_position_embeddings'] == 512
  assert config['eos_token_id'] == 1
  again = tmp_path / 'again'
  assert _import(tuned, again) == 0
  _assert_same(_params(again), _params(checkpoint))
  assert load_vocabulary(str(again)).digest == load_vocabulary(str(base)).digest


def test_mistakes_are_user_errors(tmp_path):
  source = _write_model(tmp_path / 'source')
  with pytest.raises(UserError, match=r'nowhere\.txt cannot be read'):
    _import(source, tmp_path / 'a', '--check', '--prompts=nowhere.txt')
  with pytest.raises(UserError, match='is not local'):
    _import(source, 'gs://bucket/base')
  with pytest.raises(UserError, match='--out'):
    import_weights.main([f'--from={source}'])


@pytest.mark.slow
def test_a_folder_of_hugging_face_is_evaluated_directly(cli, rule_data):
  _write_model(cli.folder / 'source')
  flags = (
    'eval',
    '--model=source',
    '--mixture=rule.t0',
    '--limit=4',
    '--out=results',
    RULE,
    LENGTHS,
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.EVAL_EXAMPLES=0',
  )
  assert 'imported' in cli.check(*flags)
  folder = cli.folder / 'results/eval/rule.t0'
  results = json.loads((folder / 'results.json').read_text())
  assert results['not_held_out'] == [] and results['trained_on'] is None
  assert str(cli.folder / 'cache/imported/source-') in results['checkpoint']
  lines = (folder / 'records.jsonl').read_text().splitlines()
  record = json.loads(lines[0])
  assert 'Is there an animal in this list?' in record['prompt']
  # The second time, the import is at hand.
  assert 'writing' not in cli.check(*flags)
  assert len(list((cli.folder / 'cache/imported').iterdir())) == 1
