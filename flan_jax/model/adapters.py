"""LoRA: adapters of low rank beside frozen projections.

Hu et al. 2021, arXiv:2106.09685. Where a projection [X, Y] computes x W, its
adapter adds `lora_alpha / lora_rank` times x A B. A [N, X, r] and B [N, r, Y],
for all layers, are the parameters `query_lora_a` and `query_lora_b` of the
projection `query`. B is zero at first, so that a model with new adapters
computes what its base does. A and B are divided over the mesh as the dimension
of the projection that they have.

Adapters are whatever parameters have these names; others are the base.
"""

from collections.abc import Callable
import dataclasses
import functools

import jax
import jax.numpy as jnp

from flan_jax.model import parameters
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.parameters import LORA_A, LORA_B, Params

_LAYERS = 'layers'
# Matches the full names of all other parameters, see `OptimizerConfig.frozen`.
ALL_OTHERS = rf'(?!{_LAYERS}/\w+({LORA_A}|{LORA_B})$).*'


def base_config(config: DecoderConfig) -> DecoderConfig:
  """Returns the shape of the model without adapters."""
  return dataclasses.replace(config, lora_rank=0)


def only(tree: Params) -> Params:
  """Returns the adapters of parameters, or of a tree of their structure."""
  layers = tree[_LAYERS].items()
  return {_LAYERS: {n: v for n, v in layers if n.endswith((LORA_A, LORA_B))}}


def without(params: Params) -> Params:
  """Returns the parameters of the base; nothing is copied."""
  layers = params[_LAYERS].items()
  own = {n: v for n, v in layers if not n.endswith((LORA_A, LORA_B))}
  return {**params, _LAYERS: own}


def add_to(params: Params, adapters: Params) -> Params:
  """Returns the parameters of a base with adapters; nothing is copied."""
  return {**params, _LAYERS: {**params[_LAYERS], **adapters[_LAYERS]}}


def init(config: DecoderConfig, seed: int, mesh: jax.sharding.Mesh) -> Params:
  """Returns initial adapters, the same values on every mesh."""
  return _initializer(config, mesh)(jnp.uint32(seed))


@functools.lru_cache(maxsize=4)
def _initializer(
  config: DecoderConfig, mesh: jax.sharding.Mesh
) -> Callable[[jax.Array], Params]:
  shardings = only(parameters.param_shardings(config, mesh))
  # The compiler leaves out the parameters of the base.
  return jax.jit(
    lambda seed: only(parameters.drawn(config, seed)), out_shardings=shardings
  )


def merge(
  config: DecoderConfig,
  params: Params,
  adapters: Params,
  mesh: jax.sharding.Mesh,
) -> Params:
  """Returns parameters without adapters that compute the same.

  Args:
    config: Shape of the model with adapters.
    params: Parameters of the base, which are donated.
    adapters: The adapters.
    mesh: The devices.
  """
  return _merger(config, mesh)(params, adapters)


@functools.lru_cache(maxsize=4)
def _merger(
  config: DecoderConfig, mesh: jax.sharding.Mesh
) -> Callable[[Params, Params], Params]:
  def merged(params, adapters):
    low, layers = adapters[_LAYERS], dict(params[_LAYERS])
    for name in config.lora_projections:
      added = jnp.einsum(
        'NXr,NrY->NXY',
        low[name + LORA_A],
        low[name + LORA_B],
        precision='highest',
      )
      layers[name] += config.lora_scale * added
    return {**params, _LAYERS: layers}

  shardings = parameters.param_shardings(base_config(config), mesh)
  return jax.jit(merged, out_shardings=shardings, donate_argnums=0)
