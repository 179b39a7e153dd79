"""`peft` computes with an exported prompt or adapters what we do."""

import dataclasses

import jax
import numpy as np
import pytest

from flan_jax.errors import UserError
from flan_jax.interop.params import import_mesh
from flan_jax.model import (
  DecoderConfig,
  abstract_params,
  adapters,
  hidden_states,
  soft_prompt,
  target_logits,
)
from flan_jax.runs import export_weights, import_weights
from flan_jax.testing import tiny_models
from flan_jax.training.checkpoint import Checkpointer, params_digest
from flan_jax.training.model_checkpoint import restore_model
from flan_jax.training.part_checkpoint import (
  AdapterCheckpointer,
  PromptCheckpointer,
)
from tests.interop.tiny_config import CONFIG

_LENGTH = 3


@pytest.fixture(scope='module')
def base(tmp_path_factory):
  folder = tmp_path_factory.mktemp('models')
  tiny_models.write_tokenizer(folder)
  tiny_models.write_model(folder, {'model_type': 'llama', **CONFIG})
  import_weights.main([f'--from={folder}', f'--out={folder / "base"}'])
  return folder / 'base'


def _save_prompt(folder, model, vectors):
  checkpointer = PromptCheckpointer(folder)
  record = {
    'model': {**model, 'prompt_vectors': _LENGTH},
    'prompt': {'length': _LENGTH, 'parts': {'rte': 'rte'}},
    'base': {'checkpoint': 'base', 'params_digest': 0},
  }
  state = {'params': {soft_prompt.PROMPT: vectors}, 'step': np.int32(1)}
  checkpointer.save(1, state, record)
  checkpointer.close()


@pytest.mark.slow
def test_peft_has_the_same_logits(base, tmp_path):
  peft = pytest.importorskip('peft')
  torch = pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  model = Checkpointer.read_record(base)['model']
  config = DecoderConfig(**model)
  generator = np.random.default_rng(0)
  vectors = np.float32(generator.normal(size=(_LENGTH, config.d_model)))
  _save_prompt(tmp_path / 'prompt', model, vectors)
  exported, adapter = tmp_path / 'exported', tmp_path / 'adapter'
  export_weights.main([f'--checkpoint={base}', f'--out={exported}'])
  export_weights.main(
    [
      f'--prompt={tmp_path / "prompt"}',
      f'--out={adapter}',
      f'--base={exported}',
    ]
  )
  loaded = transformers.AutoModelForCausalLM.from_pretrained(exported)
  with_prompt = peft.PeftModel.from_pretrained(loaded, adapter)
  text = generator.integers(3, 200, 9)
  with torch.no_grad():
    theirs = with_prompt(input_ids=torch.tensor(text[None])).logits[0].numpy()
  params = Checkpointer.restore_params(
    base, abstract_params(config, import_mesh(config))
  )
  tokens = np.array([[*soft_prompt.prompt_ids(0, _LENGTH), *text]], np.int32)
  batch = {
    'tokens': tokens,
    'segments': np.ones_like(tokens),
    'positions': np.arange(tokens.size, dtype=np.int32)[None],
  }
  hidden = hidden_states(config, soft_prompt.add_to(params, vectors), batch)
  ours = target_logits(config, params, hidden)[0]
  np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)
  with with_prompt.disable_adapter(), torch.no_grad():
    plain = with_prompt(input_ids=torch.tensor(text[None])).logits[0].numpy()
  assert np.abs(plain - theirs[_LENGTH:]).max() > 0.01


@pytest.mark.slow
def test_peft_and_transformers_compute_with_adapters_what_we_do(base, tmp_path):
  peft = pytest.importorskip('peft')
  torch = pytest.importorskip('torch')
  transformers = pytest.importorskip('transformers')
  record = Checkpointer.read_record(base)
  config = dataclasses.replace(
    DecoderConfig(**record['model']),
    lora_rank=4,
    lora_alpha=6.0,
    lora_targets=('layers/(query|value|output)', 'layers/(up|down)'),
  )
  mesh = import_mesh(config)
  whole = restore_model(base, config, mesh)
  generator = np.random.default_rng(0)
  own = jax.tree.map(
    lambda leaf: np.float32(0.1 * generator.normal(size=leaf.shape)),
    adapters.only(abstract_params(config)),
  )
  checkpointer = AdapterCheckpointer(tmp_path / 'adapters')
  about = {'checkpoint': str(base), 'params_digest': params_digest(whole)}
  checkpointer.save(
    1,
    {'params': adapters.add_to(whole, own), 'step': np.int32(1)},
    {**record, 'model': dataclasses.asdict(config), 'base': about},
  )
  checkpointer.close()
  exported, adapted, merged = (
    tmp_path / name for name in ('exported', 'adapted', 'merged')
  )
  export_weights.main([f'--checkpoint={base}', f'--out={exported}'])
  export_weights.main(
    [
      f'--adapters={tmp_path / "adapters"}',
      f'--out={adapted}',
      f'--base={exported}',
    ]
  )
  export_weights.main(
    [
      f'--checkpoint={tmp_path / "adapters"}',
      f'--out={merged}',
      f'--vocabulary={base}',
    ]
  )
  text = generator.integers(3, 200, 9)
  batch = {
    'tokens': text[None].astype(np.int32),
    'segments': np.ones((1, text.size), np.int32),
    'positions': np.arange(text.size, dtype=np.int32)[None],
  }
  params = adapters.add_to(whole, own)
  hidden = hidden_states(config, params, batch)
  ours = target_logits(config, params, hidden)[0]
  loaded = transformers.AutoModelForCausalLM.from_pretrained(exported)
  by_peft = peft.PeftModel.from_pretrained(loaded, adapted)
  by_itself = transformers.AutoModelForCausalLM.from_pretrained(merged)
  with torch.no_grad():
    for model in (by_peft, by_itself):
      theirs = model(input_ids=torch.tensor(text[None])).logits[0].numpy()
      np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-4)
    with by_peft.disable_adapter():
      plain = by_peft(input_ids=torch.tensor(text[None])).logits[0].numpy()
  assert np.abs(plain - theirs).max() > 0.01


def test_a_shape_without_a_class_is_refused(tmp_path):
  model = {
    **dict.fromkeys(('vocab_size', 'num_layers', 'd_model', 'd_ff'), 8),
    **dict.fromkeys(('num_heads', 'num_kv_heads', 'head_dim'), 2),
  }
  _save_prompt(tmp_path / 'prompt', model, np.zeros((_LENGTH, 8), np.float32))
  with pytest.raises(UserError, match='relative'):
    export_weights.main(
      [f'--prompt={tmp_path / "prompt"}', f'--out={tmp_path / "out"}']
    )
  assert not (tmp_path / 'out').exists()
