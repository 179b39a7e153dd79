"""Processes that a launcher started are found, others are left alone."""

import pytest

from flan_jax import flags
from flan_jax.errors import ConfigError
from flan_jax.runtime import pods, processes
from flan_jax.runtime.pods import Cluster, ClusterError, find_cluster

_SLURM = {
  'SLURM_JOB_ID': '7',
  'SLURM_STEP_NODELIST': 'node[01-02]',
  'SLURM_NTASKS': '2',
  'SLURM_PROCID': '1',
  'SLURM_LOCALID': '0',
}


def _set(monkeypatch, **changes):
  for name, value in {**_SLURM, **changes}.items():
    monkeypatch.setenv(name, value)


def test_a_slurm_job_is_found(monkeypatch):
  assert find_cluster(1) is None
  _set(monkeypatch)
  monkeypatch.setenv('JAX_COORDINATOR_PORT', '1234')
  assert find_cluster(1) == Cluster('slurm', 'node01:1234', 2, 1, 0)


def test_what_cannot_be_read_is_one_line(monkeypatch):
  _set(monkeypatch, SLURM_NTASKS='two')
  with pytest.raises(ClusterError, match=r'slurm .* --no-multiprocess runs'):
    find_cluster(1)


def test_a_pod_of_kubernetes_is_no_job_by_itself(monkeypatch):
  monkeypatch.setenv('KUBERNETES_SERVICE_HOST', '10.0.0.1')
  assert pods.K8sCluster not in pods._kinds()
  assert find_cluster(1) is None
  monkeypatch.setenv('JOB_COMPLETION_INDEX', '0')
  assert pods.K8sCluster in pods._kinds()


def _join(monkeypatch, *given):
  """Returns where the flags make a process join, if they do."""
  joined = []
  monkeypatch.setattr(
    processes, 'start', lambda meeting, *rest: joined.append((meeting, *rest))
  )
  parser = flags.FlagParser('train', '')
  flags.add_process_flags(parser)
  flags.join_processes(parser.parse_args(given))
  return joined


@pytest.mark.parametrize(
  'environment, given, address',
  [
    ({}, (), None),
    (_SLURM, (), 'node01:61447'),
    (_SLURM, ('--no-multiprocess',), None),
    ({**_SLURM, 'SLURM_NTASKS': '1', 'SLURM_PROCID': '0'}, (), None),
    (
      _SLURM,
      (
        '--coordinator_address=host:1',
        '--process_count=3',
        '--process_index=2',
      ),
      'host:1',
    ),
  ],
)
def test_a_job_is_joined_unless_it_has_one_process(
  monkeypatch, capsys, environment, given, address
):
  for name, value in environment.items():
    monkeypatch.setenv(name, value)
  joined = _join(monkeypatch, *given)
  assert [meeting.address for meeting, *_ in joined] == (
    [] if address is None else [address]
  )
  if address == 'node01:61447':
    assert 'joined 2 processes of a slurm job' in capsys.readouterr().out


def test_a_job_that_is_not_there_is_an_error(monkeypatch):
  with pytest.raises(ConfigError, match='JAX sees no TPU pod'):
    _join(monkeypatch, '--multiprocess')
