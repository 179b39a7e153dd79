"""Folders are read lazily, from one or several files."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from flan_jax.interop import InteropError, open_source
from flan_jax.interop.safetensors_folder import INDEX, copy_tokenizer

_NAME = 'model.layers.1.mlp.up_proj.weight'


def test_slices_of_a_tensor_in_one_of_several_files(make_folder):
  source = open_source(str(make_folder(shard_bytes=10_000)))
  assert len(list(source.path.glob('*.safetensors'))) > 3
  rows, columns = source.shapes[_NAME]
  whole = source.read(_NAME, (slice(0, rows), slice(0, columns)))
  assert whole.shape == (48, 32) and whole.dtype.name == 'bfloat16'
  part = source.read(_NAME, (slice(5, 9), slice(3, 20)))
  np.testing.assert_array_equal(part, whole[5:9, 3:20])
  np.testing.assert_array_equal(
    source.read(_NAME, (slice(None), slice(None))), whole
  )


def test_without_an_index_all_files_are_read(make_folder):
  folder = make_folder(shard_bytes=10_000)
  shapes = open_source(str(folder)).shapes
  (folder / INDEX).unlink()
  assert open_source(str(folder)).shapes == shapes


def test_a_missing_file_is_named(make_folder):
  folder = make_folder(shard_bytes=10_000)
  (folder / 'model-00002.safetensors').unlink()
  with pytest.raises(InteropError, match=r'lacks model-00002\.safetensors'):
    open_source(str(folder))


def test_a_folder_without_weights_is_refused(tmp_path):
  (tmp_path / 'config.json').write_text(json.dumps({'model_type': 'llama'}))
  with pytest.raises(InteropError, match=r'lacks \*\.safetensors'):
    open_source(str(tmp_path))


def test_weights_that_can_run_code_are_to_be_converted(tmp_path):
  (tmp_path / 'config.json').write_text(json.dumps({'model_type': 'llama'}))
  (tmp_path / 'pytorch_model.bin').touch()
  with pytest.raises(InteropError, match=r'pytorch_model.bin.*save_pretrained'):
    open_source(str(tmp_path))
  # Not those that are of no use.
  (tmp_path / 'config.json').write_text(json.dumps({'model_type': 'gpt2'}))
  with pytest.raises(InteropError, match="type 'gpt2' cannot be imported"):
    open_source(str(tmp_path))


def test_masks_that_older_versions_saved_are_not_read(make_folder):
  folder = make_folder('gpt_neox')
  (folder / INDEX).unlink()
  shapes = open_source(str(folder)).shapes
  attention = 'gpt_neox.layers.0.attention'
  masks = {
    f'{attention}.bias': np.tri(8, dtype=bool)[None, None],
    f'{attention}.masked_bias': np.array([-1e9], np.float32),
  }
  save_file(masks, folder / 'masks.safetensors')
  assert open_source(str(folder)).shapes == shapes


def test_two_files_with_the_same_tensor_are_refused(make_folder):
  folder = make_folder()
  (folder / INDEX).unlink()
  (first,) = folder.glob('*.safetensors')
  shutil.copyfile(first, folder / 'copy.safetensors')
  with pytest.raises(InteropError, match='two files contain'):
    open_source(str(folder))


def test_end_tokens_are_those_of_generation_before_the_model_s(
  make_folder, tmp_path
):
  folder = make_folder(eos_token_id=[2, 7])
  source = open_source(str(folder))
  ends = tmp_path / 'generation_config.json'
  source.write_tokenizer(tmp_path)
  assert json.loads(ends.read_text()) == {'eos_token_id': [2, 7]}
  (folder / ends.name).write_text('{"eos_token_id": 5, "top_k": 3}')
  source.write_tokenizer(tmp_path)
  assert json.loads(ends.read_text()) == {'eos_token_id': [5]}


def test_a_folder_without_a_tokenizer_is_refused(make_folder, tmp_path):
  folder = make_folder()
  (folder / 'tokenizer.json').unlink()
  (folder / 'vocab.json').write_text('{}')
  with pytest.raises(InteropError, match=r'neither tokenizer\.json nor'):
    copy_tokenizer(folder, tmp_path)


@pytest.mark.parametrize('name', ['config.json', 'model-00001.safetensors'])
def test_a_damaged_file_is_named(name, make_folder):
  folder = make_folder()
  (folder / name).write_text('{')
  with pytest.raises(InteropError, match=name):
    open_source(str(folder))
