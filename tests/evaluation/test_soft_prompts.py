"""Each task is evaluated with its own prompt, several in one batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.cache.framing import Framing
from flan_jax.errors import ConfigError, UserError
from flan_jax.evaluation.evaluator import evaluate
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.models import Models, Session
from flan_jax.evaluation.scoring.rank import Scorer
from flan_jax.evaluation.soft_prompts import SoftPrompt, SoftPrompts
from flan_jax.model import init_params, soft_prompt
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.checkpoint import Checkpointer, params_digest
from flan_jax.training.part_checkpoint import PromptCheckpointer
from tests.evaluation import splits
from tests.evaluation.stub_models import StubVocabulary, tiny_config

_CONFIG = tiny_config()


@pytest.fixture(scope='module')
def mesh():
  return make_mesh(MeshConfig(data=2, fsdp=2, model=2), jax.devices())


@pytest.fixture(scope='module')
def base(mesh):
  return init_params(_CONFIG, 0, mesh)


@pytest.fixture(scope='module')
def saved(base, tmp_path_factory):
  """The folders of prompts for `rte`, of 3 vectors, and for `cb`, of 2."""
  root = tmp_path_factory.mktemp('prompts')
  return [
    _save(root / part, part, length, params_digest(base))
    for part, length in (('rte', 3), ('cb', 2))
  ]


def _save(folder, part, length, digest, scores=(None,)):
  """Writes a prompt of random vectors at steps 1, 2, … with their scores."""
  checkpointer = PromptCheckpointer(folder, best=scores[0] is not None)
  record = {
    'prompt': {'length': length, 'parts': {part: part}},
    'base': {'checkpoint': 'base', 'params_digest': digest},
  }
  for step, score in enumerate(scores, start=1):
    generator = np.random.default_rng([length, step])
    vectors = generator.normal(size=(length, _CONFIG.d_model))
    params = {'embedding': jnp.zeros(3), 'prompt': jnp.float32(vectors)}
    state = {'params': params, 'step': jnp.int32(step)}
    checkpointer.save(step, state, record, score)
  checkpointer.close()
  return str(folder)


class _Vocabulary(StubVocabulary):
  def decode(self, tokens):
    return ' '.join(map(str, tokens))


def _models(mesh):
  return Models(
    config=_CONFIG,
    scorer=Scorer(_CONFIG, mesh),
    generator=Generator(_CONFIG, mesh, ends=(1,)),
    vocabulary=_Vocabulary(),
    framing=Framing((), (1,), (1,), ()),
  )


def _part(name, ranked=True, dataset=None):
  rows = [{'correct': [0]} if ranked else {'answers': ['x']}] * 3
  found = splits.request_split(rows)
  found.name = name
  found.manifest['dataset'] = dataset or name
  found.prompt = lambda index, framing: framing.prompt([20 + index])
  return splits.part(found, metrics=('accuracy',) if ranked else ('squad_em',))


def _answers(paths, parts, params, mesh):
  """Returns part -> scores or texts of its requests."""
  parts_of = {part.test.name: part for part in parts}
  prompts = SoftPrompts.read(paths)
  evaluation = evaluate(
    prompts.before(list(parts_of.values())),
    Session(_models(mesh), prompts.add_to(params, 'base', _CONFIG, mesh)),
  )
  found = {name: [] for name in parts_of}
  for record in evaluation.records:
    options = record.get('options')
    value = record['text']
    if options:
      value = [o[k] for o in options for k in ('total', 'unconditional')]
    found[record['part']].append(value)
  return found


@pytest.mark.slow
def test_prompts_of_several_tasks_in_one_batch_score_as_each_alone(
  saved, base, mesh
):
  parts = [_part('rte'), _part('cb')]
  together = _answers(saved, parts, base, mesh)
  for path, part in zip(saved, parts, strict=True):
    alone = _answers([path], [part], base, mesh)[part.test.name]
    np.testing.assert_allclose(together[part.test.name], alone, rtol=1e-5)
  # The rows are the same, so only the prompts tell the tasks apart.
  first, second = (np.array(together[part.test.name]) for part in parts)
  assert np.abs(first - second).min() > 1e-3


@pytest.mark.slow
def test_prompts_change_what_is_generated(saved, base, mesh):
  parts = [_part('rte', ranked=False), _part('cb', ranked=False)]
  together = _answers(saved, parts, base, mesh)
  for path, part in zip(saved, parts, strict=True):
    alone = _answers([path], [part], base, mesh)
    assert together[part.test.name] == alone[part.test.name]
  assert together['rte'] != together['cb']


def test_the_best_step_is_taken(tmp_path):
  folder = _save(tmp_path / 'run', 'rte', 2, 0, scores=(-2.0, -1.0, -3.0))
  assert SoftPrompt.find(folder).step == 2
  # A checkpoint that is named is taken.
  other = f'{folder}/checkpoints/3'
  assert SoftPrompt.find(other).step == 3


@pytest.mark.slow
def test_checkpoints_hold_the_prompt_alone(saved):
  found = Checkpointer.restore_params(
    saved[0], {'prompt': jax.ShapeDtypeStruct((3, 16), jnp.float32)}
  )
  assert found.keys() == {soft_prompt.PROMPT}


def test_another_base_model_is_an_error(saved, base, mesh):
  other = {**base, 'final_norm': base['final_norm'] * 2}
  with pytest.raises(ConfigError, match=r'trained on base .* not on other'):
    SoftPrompts.read(saved).add_to(other, 'other', _CONFIG, mesh)


def test_a_part_needs_exactly_one_prompt(saved):
  with pytest.raises(ConfigError, match='no prompt for wic, only for rte, cb'):
    SoftPrompts.read(saved).before([_part('rte'), _part('wic')])
  with pytest.raises(ConfigError, match='both prompts for rte'):
    SoftPrompts.read([saved[0], saved[0]])


def test_a_part_that_never_trains_has_the_prompt_of_its_dataset(saved):
  (part,) = SoftPrompts.read(saved).before([_part('cb_more', dataset='cb')])
  assert part.soft_prompt == (-4, -5)


def test_a_checkpoint_of_a_model_is_not_a_prompt(tmp_path):
  Checkpointer.save_params(tmp_path / 'model', {'weight': np.ones(2)}, {})
  with pytest.raises(UserError, match='not a soft prompt'):
    SoftPrompt.find(tmp_path / 'model')
