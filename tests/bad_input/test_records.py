"""Records of strangers' checkpoints: refused, with nothing written.

Each record carries the right digest: its writer meant it so.
"""

import json
import shutil

import pytest

from flan_jax.errors import UserError
from flan_jax.runs import export_weights, import_weights
from flan_jax.testing import tiny_models
from flan_jax.training.checkpoint_record import make_contents
from tests.interop.tiny_config import CONFIG


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """A checkpoint, and what its record contains."""
  folder = tmp_path_factory.mktemp('models')
  tiny_models.write_tokenizer(folder)
  tiny_models.write_model(folder, {'model_type': 'llama', **CONFIG})
  import_weights.main([f'--from={folder}', f'--out={folder}/base'])
  path = folder / 'base/record/metadata'
  return path.parents[1], json.loads(path.read_text())


@pytest.fixture
def changed(whole, tmp_path):
  """Returns a function that makes a checkpoint with another record."""
  folder, contents = whole

  def make(change):
    path = tmp_path / 'base'
    shutil.copytree(folder, path)
    record = {
      **contents['record'],
      'vocabulary': {**contents['record']['vocabulary'], 'path': str(path)},
    }
    found = make_contents(
      contents['digests'], contents['trees'], change(record)
    )
    (path / 'record/metadata').write_text(json.dumps(found))
    return path

  return make


def _model(**values):
  return lambda record: {**record, 'model': {**record['model'], **values}}


def _record(**values):
  return lambda record: {**record, **values}


def _without(name):
  return lambda record: {k: v for k, v in record.items() if k != name}


_DAMAGED = 'record/metadata is damaged'
# Change of the record, and what the line says.
_CASES = {
  'no model': (_without('model'), 'does not record'),
  'a model that is a list': (_record(model=[1]), _DAMAGED),
  'a model that is null': (_record(model=None), _DAMAGED),
  'a model that is a text': (_record(model='llama'), _DAMAGED),
  'an empty model': (_record(model={}), 'cannot make'),
  'an unknown field': (_model(experts=8), 'cannot make'),
  'a billion layers': (_model(num_layers=10**9), 'does not fit the model'),
  'no layers': (_model(num_layers=0), 'num_layers is 0'),
  'layers without end': (_model(num_layers=10**400), 'num_layers is'),
  'a text as layers': (_model(num_layers='many'), "num_layers is 'many'"),
  'a list as layers': (_model(num_layers=[2]), 'num_layers is [2]'),
  'half a layer': (_model(num_layers=1.5), 'num_layers is 1.5'),
  'a vocabulary of 2**31': (_model(vocab_size=2**31 - 1), 'does not fit'),
  'a width of 2**31': (_model(d_model=2**31 - 1), 'does not fit'),
  'an unknown position': (_model(position='alibi'), "position is 'alibi'"),
  'an unknown activation': (_model(activation='\n'), 'activation is'),
  'a base that is no number': (_model(rope_base=float('nan')), 'rope_base'),
  'no epsilon': (_model(norm_eps=0), 'norm_eps is 0'),
  'heads that do not divide': (_model(num_kv_heads=3), 'is not a multiple of'),
  'no vocabulary': (_without('vocabulary'), 'set --vocabulary'),
  'a vocabulary that is null': (_record(vocabulary=None), _DAMAGED),
  'a vocabulary that is a list': (_record(vocabulary=[]), _DAMAGED),
  'a vocabulary without a path': (_record(vocabulary={}), 'set --vocabulary'),
  'a digest that is a list': (
    lambda r: {**r, 'vocabulary': {**r['vocabulary'], 'digest': [1]}},
    'is not the vocabulary of the checkpoint',
  ),
  'a path with a NUL': (_record(vocabulary={'path': 'a\0'}), 'NUL'),
  'a path in a bucket': (
    _record(vocabulary={'path': 'gs://a/b'}),
    'vocabulary',
  ),
  'a path of another scheme': (_record(vocabulary={'path': 's3://a'}), 's3://'),
  'a path that is too long': (_record(vocabulary={'path': 'x' * 999}), 'long'),
  'a prompt format that is a number': (
    _record(prompt_format=3),
    'prompt_format',
  ),
  'a prompt format of no input': (_record(prompt_format='Q:'), 'prompt_format'),
  'a prompt format that is a list': (
    _record(prompt_format=['{input}']),
    'prompt_format',
  ),
  'an optimizer that is a number': (_record(optimizer=3), _DAMAGED),
  'a prompt of nothing': (_record(base=None), _DAMAGED),
  'a prompt of a text': (_record(base='x'), _DAMAGED),
  'adapters of nothing': (_record(base={}), 'record the base of its adapters'),
  'adapters of a number': (
    _record(base={'checkpoint': 3}),
    'record the base of its adapters',
  ),
}


@pytest.mark.parametrize('case', _CASES)
def test_a_record_that_cannot_be(case, changed, tmp_path):
  change, message = _CASES[case]
  checkpoint = changed(change)
  with pytest.raises(UserError) as refused:
    export_weights.main([f'--checkpoint={checkpoint}', f'--out={tmp_path}/out'])
  assert message in str(refused.value)
  assert len(str(refused.value)) < 2000
  assert not (tmp_path / 'out').exists()
