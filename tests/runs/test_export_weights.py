"""A checkpoint is exported with its own vocabulary."""

import json
import pathlib
import shutil

import pytest

from flan_jax.errors import ConfigError
from flan_jax.interop import InteropError
from flan_jax.runs import export_weights, import_weights
from flan_jax.runtime import child
from flan_jax.testing import tiny_models
from tests.interop.tiny_config import CONFIG


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
  folder = tmp_path_factory.mktemp('models')
  tiny_models.write_tokenizer(folder)
  tiny_models.write_model(folder, {'model_type': 'llama', **CONFIG})
  base = folder / 'base'
  import_weights.main([f'--from={folder}', f'--out={base}'])
  return base


def _export(checkpoint, out, *flags):
  return export_weights.main(
    [f'--checkpoint={checkpoint}', f'--out={out}', *flags]
  )


def test_settings_of_the_model_and_the_tokenizer(checkpoint, tmp_path):
  assert _export(checkpoint, tmp_path, '--dtype=bfloat16') == 0
  config = json.loads((tmp_path / 'config.json').read_text())
  assert config['architectures'] == ['LlamaForCausalLM']
  assert config['torch_dtype'] == 'bfloat16'
  assert config['max_position_embeddings'] == CONFIG['max_position_embeddings']
  ids = json.loads((tmp_path / 'generation_config.json').read_text())
  assert ids == {'eos_token_id': 1}
  assert config['eos_token_id'] == 1
  # Only a training run records a prompt format.
  assert not (tmp_path / 'README.md').exists()


def test_another_vocabulary_is_refused(checkpoint, tmp_path):
  other = tmp_path / 'other'
  other.mkdir()
  tiny_models.write_tokenizer(other, adds_bos=True)
  with pytest.raises(InteropError, match='not the vocabulary of the'):
    _export(checkpoint, tmp_path / 'out', f'--vocabulary={other}')
  with pytest.raises(InteropError, match='set --vocabulary'):
    _export(checkpoint, tmp_path / 'out', '--vocabulary=nowhere.model')


def test_the_vocabulary_of_a_package_is_found_as_training_finds_it(
  checkpoint, tmp_path, monkeypatch
):
  def imports(command, arguments):
    folder = pathlib.Path(arguments[1].removeprefix('--out='))
    folder.mkdir(parents=True)
    shutil.copy(checkpoint / 'tokenizer.json', folder)
    shutil.copy(checkpoint / 'tokenizer_config.json', folder)
    return True

  monkeypatch.setattr(child, 'succeeds', imports)
  flags = ('--vocabulary=package:pytest', f'--cache_dir={tmp_path}/cache')
  assert _export(checkpoint, tmp_path / 'out', *flags) == 0
  assert list((tmp_path / 'cache/imported').glob('pytest-*'))
  with pytest.raises(ConfigError, match='pip install no-such-model'):
    _export(checkpoint, tmp_path / 'b', '--vocabulary=package:no_such_model')


@pytest.mark.parametrize('path', ['/elsewhere/tokenizer.json', '../x', None, 3])
def test_a_record_opens_no_file_outside_of_the_checkpoint(
  path, checkpoint, tmp_path, monkeypatch
):
  record = export_weights.Checkpointer.read_record(checkpoint)
  record['vocabulary'] = {'path': path, 'digest': 'x'}
  monkeypatch.setattr(
    export_weights.Checkpointer, 'read_record', lambda path: record
  )
  with pytest.raises(InteropError, match='set --vocabulary'):
    _export(checkpoint, tmp_path / 'out')
