"""A save that fails leaves the checkpoints before it, and one line."""

import errno
import subprocess

from etils import epath
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_errors import CheckpointError
from flan_jax.training.saving import whole_or_removed


@pytest.fixture
def small_disk(tmp_path):
  """A disk of 3 MB; skips where nobody may make one."""
  folder = tmp_path / 'disk'
  folder.mkdir()
  mount = ['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', str(folder)]
  try:
    subprocess.run(mount, check=True, capture_output=True)
  except (OSError, subprocess.CalledProcessError):
    pytest.skip('cannot mount a small disk')
  yield folder
  subprocess.run(['umount', '-l', str(folder)], check=True)


def test_a_full_disk_is_one_error_and_loses_no_checkpoint(
  small_disk, capfd, caplog
):
  random = np.random.default_rng(0)

  def state(step):
    params = {'w': jnp.asarray(random.random((400, 1000)), jnp.float32)}
    return {'params': params, 'step': jnp.int32(step)}

  checkpointer = Checkpointer(small_disk)
  checkpointer.save(1, state(1), {})
  with pytest.raises(CheckpointError) as full:
    for step in (2, 3):
      checkpointer.save(step, state(step), {})
    checkpointer.wait()
  assert 'no space left' in str(full.value) and '\n' not in str(full.value)
  assert str(full.value).endswith('(whole checkpoints: 1, 2)')
  checkpointer.close()
  left = sorted(path.name for path in (small_disk / 'checkpoints').iterdir())
  assert left == ['1', '2']
  assert not ''.join(capfd.readouterr()) and not caplog.text


@pytest.mark.parametrize(
  'error, expected',
  [
    (OSError(errno.ENOSPC, 'full'), CheckpointError),
    (ValueError('write: No space left on device [28]'), CheckpointError),
    (OSError(errno.EIO, 'broken'), OSError),
    (ValueError('a bug'), ValueError),
  ],
)
def test_what_a_failing_save_wrote_is_removed(tmp_path, error, expected):
  unfinished = tmp_path / '7.orbax-checkpoint-tmp'
  with pytest.raises(expected), whole_or_removed(epath.Path(tmp_path)):
    unfinished.mkdir()
    raise error
