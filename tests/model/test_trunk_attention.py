"""Examples after a trunk have the log-probabilities of the whole texts."""

import dataclasses

import jax
import numpy as np
import pytest

from flan_jax.model import attention, decoder, prediction, read_trunk
from tests.model.tiny_decoders import (
  GEMMA,
  RELATIVE,
  ROPE,
  examples,
  make_batch,
  make_params,
)

_TRUNK = 11  # Longer than the window of GEMMA.
_log_probs = jax.jit(prediction.target_log_probs, static_argnums=0)
_read = jax.jit(read_trunk, static_argnums=0)


@pytest.mark.slow_but_first
@pytest.mark.parametrize('config', [RELATIVE, GEMMA])
@pytest.mark.parametrize('kind', ['reference', 'pieces'])
def test_examples_continue_a_trunk(config, kind, monkeypatch):
  # Several blocks of queries, of the rows and of the trunk.
  monkeypatch.setattr('flan_jax.model.trunk_attention._LEAST_QUERIES', 4)
  monkeypatch.setattr('flan_jax.model.trunk_attention._BLOCK', 1)
  config = dataclasses.replace(config, attention=kind, attention_block=8)
  params = make_params(config)
  (trunk,), parts = examples(_TRUNK, seed=1), examples(9, 5, 3, 12)
  alone = make_batch([[trunk + part] for part in parts])
  wanted = np.asarray(_log_probs(config, params, alone))
  wanted = [
    row[_TRUNK : _TRUNK + len(part) - 1]
    for row, part in zip(wanted, parts, strict=True)
  ]

  batch = make_batch([parts[:3], parts[3:]])
  batch['positions'] += _TRUNK
  read = make_batch([[trunk]])
  read = {name: np.pad(read[name], ((0, 0), (0, 5))) for name in read}
  batch['trunk'] = _read(config, params, read)
  found = np.asarray(_log_probs(config, params, batch))
  found = found[np.asarray(batch['target_weights']) > 0]
  wanted = np.concatenate(wanted)
  assert (np.abs(found - wanted) <= 1e-5 * np.maximum(1, np.abs(wanted))).all()


def test_a_trunk_exists_once_for_all_rows():
  config, params = ROPE, make_params(ROPE)
  (tokens,) = examples(_TRUNK)
  read = _read(config, params, make_batch([[tokens]] * 3))
  assert isinstance(read, attention.Trunk)
  assert int(read.length) == _TRUNK
  heads = config.num_layers, _TRUNK, config.num_kv_heads, config.head_dim
  assert read.keys.shape == read.values.shape == heads
  _, kept = decoder.forward(
    config, params, make_batch([[tokens]]), keep_heads=True
  )
  np.testing.assert_allclose(read.keys, kept[0][:, 0], atol=1e-6)
