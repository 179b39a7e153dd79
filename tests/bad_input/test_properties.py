"""Whatever bytes a stranger sends, a reader refuses them in one line."""

import json

from etils import epath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import pytest

from flan_jax.definitions import names, template_set
from flan_jax.definitions.template import placeholders
from flan_jax.errors import UserError
from flan_jax.interop import model_gin
from flan_jax.interop.config_types import check_types
from flan_jax.interop.gguf_header import check_whole
from flan_jax.interop.safetensors_folder import SafetensorsFolder
from flan_jax.model import DecoderConfig
from flan_jax.runtime.json_text import parse_json
from flan_jax.sources import json_rows

CONFIG = dict.fromkeys(
  (
    'vocab_size',
    'num_layers',
    'd_model',
    'd_ff',
    'num_heads',
    'num_kv_heads',
    'head_dim',
  ),
  2,
)
_few = settings(
  max_examples=25,
  derandomize=True,
  suppress_health_check=[HealthCheck.function_scoped_fixture],
)
_JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
  lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
  max_leaves=8,
)


def _refuses_or_accepts(read, *arguments):
  try:
    return read(*arguments)
  except UserError as error:
    assert '\n' not in str(error)
    return None


@_few
@given(st.binary() | st.text().map(str.encode))
def test_json(content):
  found = _refuses_or_accepts(parse_json, content, 'x')
  assert found is None or json.dumps(found)


@_few
@given(_JSON)
def test_rows_and_template_sets(tmp_path, value):
  for name in ('rows.jsonl', 'set.json'):
    (tmp_path / name).write_text(json.dumps(value))
  file = json_rows.SourceFile(epath.Path(tmp_path / 'rows.jsonl'), 'x')
  _refuses_or_accepts(json_rows.merge_rows, {}, [file], lambda line: None)
  _refuses_or_accepts(template_set.load, str(tmp_path / 'set.json'))


@_few
@given(st.text(alphabet='{}!:.[]a_0 \n'))
def test_templates(pattern):
  try:
    found = placeholders(pattern)
  except ValueError:
    return
  # Nothing but plain names can be asked of a row.
  assert isinstance(pattern.format(**dict.fromkeys(found, '')), str)


@_few
@given(st.text(max_size=30))
def test_names(name):
  _refuses_or_accepts(names.resolve, name)


_KEYS = st.sampled_from(
  ('hidden_size', 'rope_theta', 'rope_scaling', 'hidden_act', 'model_type')
)


@_few
@given(st.dictionaries(_KEYS, _JSON))
def test_configurations(config):
  _refuses_or_accepts(check_types, config, 'x')


@_few
@given(st.binary(max_size=64), st.integers(0, 2**64 - 1))
def test_weights(tmp_path, content, size):
  (tmp_path / 'config.json').write_text('{}')
  text = size.to_bytes(8, 'little') + content
  (tmp_path / 'model.safetensors').write_bytes(text)
  _refuses_or_accepts(SafetensorsFolder, tmp_path)


@_few
@given(
  st.binary(max_size=64), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)
)
def test_gguf(tmp_path, content, tensors, values):
  pytest.importorskip('gguf')
  counts = tensors.to_bytes(8, 'little') + values.to_bytes(8, 'little')
  path = tmp_path / 'model.gguf'
  path.write_bytes(b'GGUF\3\0\0\0' + counts + content)
  _refuses_or_accepts(check_whole, path)


@_few
@given(st.text(), st.text(min_size=1))
def test_texts_of_a_model_are_no_settings(tmp_path, title, chat):
  folder = tmp_path / 'a\nimport os\n#'
  folder.mkdir(exist_ok=True)
  path = model_gin.write(folder, title, DecoderConfig(**CONFIG), chat)
  text = path.read_text(encoding='utf-8')
  code = [line for line in text.splitlines() if line.strip()]
  code = [line for line in code if not line.startswith('#')]
  assert {line.split(' = ')[0] for line in code} == {
    'INITIAL_CHECKPOINT_PATH',
    'VOCABULARY',
    'PROMPT_FORMAT',
    'EXEMPLAR_SEPARATOR',
    'DROPOUT_RATE',
    'COMPUTE_DTYPE',
    *(f'DecoderConfig.{name}' for name in CONFIG),
    'DecoderConfig.dropout_rate',
    'DecoderConfig.compute_dtype',
  }
