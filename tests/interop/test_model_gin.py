"""The gin file of an imported model sets every value that is not a default."""

import gin
import pytest

from flan_jax import configurables
from flan_jax.errors import ConfigError
from flan_jax.interop import model_gin
from flan_jax.model import DecoderConfig

_CONFIG = DecoderConfig(
  vocab_size=300,
  num_layers=2,
  d_model=16,
  d_ff=24,
  num_heads=4,
  num_kv_heads=2,
  head_dim=4,
  position='rope',
  rope_base=5e5,
  activation='silu',
  norm_eps=1e-5,
  tie_embeddings=True,
  qkv_bias=True,
)


@pytest.fixture(autouse=True)
def own_gin():
  configurables.register()
  gin.clear_config()
  yield
  gin.clear_config()


def test_it_configures_the_model(tmp_path):
  path = model_gin.write(tmp_path, 'A model.', _CONFIG, None)
  gin.parse_config_file(str(path))
  made = gin.get_configurable('DecoderConfig')()
  assert made == _CONFIG
  assert gin.query_parameter('VOCABULARY/macro.value') == str(tmp_path)
  assert gin.query_parameter('PROMPT_FORMAT/macro.value') == '{input}\n'


def test_the_prompt_format_is_read_again(tmp_path):
  path = model_gin.write(tmp_path, 'A model.', _CONFIG, '<u>{input}<a>')
  assert model_gin.prompt_format(tmp_path) == '{input}\n'
  # As a user may choose it.
  path.write_text(path.read_text() + "PROMPT_FORMAT = 'Q: {input}'  # mine\n")
  assert model_gin.prompt_format(tmp_path) == 'Q: {input}'
  for text in ('PROMPT_FORMAT = %MINE', 'PROMPT_FORMAT = None', ''):
    path.write_text(text)
    with pytest.raises(ConfigError, match=r'model\.gin .* PROMPT_FORMAT: name'):
      model_gin.prompt_format(tmp_path)


def test_the_chat_template_is_a_comment(tmp_path):
  chat = '<u>{input}\n<a>'
  text = model_gin.write(tmp_path, 'A model.', _CONFIG, chat).read_text()
  assert "# PROMPT_FORMAT = '<u>{input}\\n<a>'" in text
