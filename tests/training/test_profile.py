"""A profile window is parsed, checked against the run, and recorded."""

import pytest

from flan_jax.errors import ConfigError
from flan_jax.training.profile import Profiler, ProfileWindow


@pytest.mark.parametrize(
  'text', ['', '3', '3-5', '3:', ':5', 'a:b', '3:5:7', '0:3', '5:4']
)
def test_malformed_or_empty_window_is_refused(text):
  with pytest.raises(ConfigError, match='must be FIRST:LAST'):
    ProfileWindow.parse(text)


@pytest.mark.parametrize('taken, train_steps', [(10, 20), (12, 20), (0, 11)])
def test_window_outside_the_run_is_refused(taken, train_steps):
  window = ProfileWindow.parse('10:12')
  window.check(taken=9, train_steps=12)
  with pytest.raises(ConfigError, match=f'takes, {taken + 1} to {train_steps}'):
    window.check(taken, train_steps)


def test_without_a_window_nothing_is_recorded(tmp_path):
  profiler = Profiler(None, tmp_path / 'profile')
  assert not any(map(profiler.starts_at, range(10)))
  assert not any(map(profiler.stops_at, range(10)))
  profiler.stop()
  assert not (tmp_path / 'profile').exists()


def test_interrupted_profile_is_still_written(tmp_path):
  # The loop always stops it, even if it was stopped before.
  profiler = Profiler(ProfileWindow(3, 5), tmp_path / 'profile')
  profiler.start()
  profiler.stop()
  profiler.stop()
  assert list((tmp_path / 'profile').rglob('*.xplane.pb'))
