"""A bucket that cannot be used is named before a run starts."""

import pytest

from flan_jax.errors import ConfigError
from flan_jax.runtime import buckets
from tests.command_line import TRAIN


def test_a_bucket_that_exists_is_accepted(bucket):
  buckets.check_buckets([f'{bucket}/run', f'{bucket}/cache', '/local'])


def test_a_misspelt_bucket_is_named(bucket):
  with pytest.raises(ConfigError, match='there is no bucket gs://testz: '):
    buckets.check_buckets(['gs://testz/run'])


@pytest.mark.usefixtures('bucket')
def test_missing_credentials_are_named(monkeypatch, tmp_path):
  monkeypatch.delenv('STORAGE_EMULATOR_HOST')
  monkeypatch.setenv(
    'GOOGLE_APPLICATION_CREDENTIALS', str(tmp_path / 'missing.json')
  )
  with pytest.raises(
    ConfigError, match=r'gs://tests cannot be read \(.*log in'
  ):
    buckets.check_buckets(['gs://tests/run'])


@pytest.mark.usefixtures('bucket')
def test_a_run_is_refused_before_it_starts(cli):
  code, out, error = cli(
    'train',
    *TRAIN,
    '--gin.MIXTURE_OR_TASK_NAME=rte',
    '--gin.MODEL_DIR=gs://testz/run',
  )
  assert code == 2 and out == ''
  assert error.startswith(
    'flan-jax train: error: there is no bucket gs://testz: correct the name'
  )
  assert not list(cli.folder.iterdir())
