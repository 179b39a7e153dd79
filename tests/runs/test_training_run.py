"""A run is checked and opened before anything is compiled."""

import os
import pathlib

import numpy as np

from flan_jax import config as config_lib
from flan_jax.training import Checkpointer
from flan_jax.training.metric_writer import MetricWriter


def test_home_means_the_same_for_all_files_of_a_run(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path / 'home'))
  monkeypatch.chdir(tmp_path)
  config_lib.write_record('~/run')
  MetricWriter('~/run', 0).close()
  Checkpointer.save_params('~/run', {'weight': np.ones(2, np.float32)}, {})
  Checkpointer('~/run').close()
  assert os.listdir(tmp_path) == ['home']
  found = {path.name for path in pathlib.Path(tmp_path, 'home/run').iterdir()}
  assert found >= {'config.gin', 'metrics.jsonl', 'params', 'checkpoints'}
  assert Checkpointer.find('~/run')[0] == str(tmp_path / 'home/run')
