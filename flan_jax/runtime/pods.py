"""Finds the processes of a TPU pod, a SLURM, Open MPI or Kubernetes job."""

from collections.abc import Iterator
import dataclasses
import os

# `jax.distributed.initialize` looks and joins at once; no public function of
# JAX only looks.
from jax._src.cloud_tpu_init import running_in_cloud_tpu_vm
from jax._src.clusters import ClusterEnv, K8sCluster

from flan_jax.errors import UserError

_ALONE = '--no-multiprocess runs this process alone'


class ClusterError(UserError):
  """A cluster that JAX sees, but cannot read."""


@dataclasses.dataclass(frozen=True)
class Cluster:
  """Processes that a launcher started together.

  Attributes:
    name: What JAX calls the kind of cluster.
    address: HOST:PORT of the first process.
    count: Number of processes.
    index: Index of this process, from 0.
    local_device: The device of this process, if it has one of several on its
      host; None for all.
  """

  name: str
  address: str
  count: int
  index: int
  local_device: int | None = None


def find_cluster(timeout: float) -> Cluster | None:
  """Returns the cluster of this process, perhaps of one; None for none.

  Args:
    timeout: Seconds to wait for the names of the hosts.

  Raises:
    ClusterError: What the launcher says cannot be read.
  """
  for kind in _kinds():
    try:
      if not kind.is_env_present():
        continue
      local = kind.get_local_process_id()
      return Cluster(
        name=kind.name or kind.__name__,
        address=kind.get_coordinator_address(
          timeout_secs=int(timeout),
          override_coordinator_port=os.environ.get('JAX_COORDINATOR_PORT'),
        ),
        count=kind.get_process_count(),
        index=kind.get_process_id(),
        # As JAX does: a process of a TPU pod has all of its host.
        local_device=None if running_in_cloud_tpu_vm else local,
      )
    # It reads environment variables and asks servers.
    except Exception as error:
      raise ClusterError(
        f'JAX sees a {kind.name or kind.__name__} cluster, but cannot read it '
        f'({type(error).__name__}: {error}): name the processes with '
        f'--coordinator_address; {_ALONE}'
      ) from error
  return None


def _kinds() -> Iterator[type[ClusterEnv]]:
  for kind in ClusterEnv._cluster_types:
    # Every pod of Kubernetes looks like a cluster; indexed jobs are ones.
    plain = kind is K8sCluster and 'JOB_COMPLETION_INDEX' not in os.environ
    if not plain and not kind.opt_in_only_method:
      yield kind
