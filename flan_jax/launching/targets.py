"""The services and schedulers that run a job, and what each is given."""

from collections.abc import Sequence
import os
import pathlib
import re

from flan_jax.errors import ConfigError
from flan_jax.launching.job import Job, Launch
from flan_jax.launching.rendered import host_script, render
from flan_jax.launching.tpu_slices import TpuSlices

_HOST, _MANIFEST = 'host.sh', 'jobset.yaml'
_LOOP, _BATCH = 'cloud_tpu.sh', 'slurm.sh'
# What a directive of sbatch holds without quotes.
_WORD = re.compile(r'[A-Za-z0-9_.:,@=/+-]+')


def cloud_tpu(
  job: Job, zone: str, project: str | None, service_account: str | None
) -> Launch:
  """Returns what runs a job on Cloud TPU VMs, by queued resources.

  Args:
    job: What to run.
    zone: Zone of the TPUs.
    project: Project that pays; None for that of gcloud.
    service_account: Account of the machines; None for the default one.

  Raises:
    ConfigError: Cloud TPU does not offer the hardware.
  """
  slices = TpuSlices.of(job.topology)
  where = [f'--zone={zone}', *_flag('project', project)]
  count = slices.topology.slices
  nodes, named = [job.name], [f'--node-id={job.name}']
  if count > 1:
    nodes = [f'{job.name}-{number}' for number in range(count)]
    named = [f'--node-count={count}', f'--node-prefix={job.name}']
  create = [
    *named,
    *slices.cloud_flags(),
    *(['--spot'] if job.spot else []),
    *_flag('service-account', service_account),
    '--scopes=https://www.googleapis.com/auth/cloud-platform',
  ]
  loop = render(
    'cloud_tpu.sh.j2', job=job, where=where, nodes=nodes, create=create
  )
  resource = ('gcloud', 'compute', 'tpus', 'queued-resources')
  return Launch(
    {_LOOP: loop, _HOST: host_script(job)},
    [['bash', _LOOP]],
    {
      'state': [*resource, 'describe', job.name, *where],
      'end it': [*resource, 'delete', job.name, *where, '--force'],
    },
  )


def cloud_tpu_setup(package: str) -> str:
  """Returns shell commands that install a package on a Cloud TPU VM.

  Args:
    package: What pip installs, or a wheel in a bucket, `gs://…`.
  """
  return render('cloud_tpu_setup.sh.j2', package=package)


def gke(job: Job, image: str, service_account: str | None) -> Launch:
  """Returns what runs a job on GKE, by a JobSet.

  Args:
    job: What to run.
    image: Container image with Bash and the package.
    service_account: Kubernetes account of the pods; None for the default one.

  Raises:
    ConfigError: GKE does not offer the hardware.
  """
  slices = TpuSlices.of(job.topology)
  slices.gke_label()
  manifest = render(
    'gke.yaml.j2',
    job=job,
    image=image,
    service_account=service_account,
    slices=slices,
    script=host_script(job),
  )
  return Launch(
    {_MANIFEST: manifest},
    [['kubectl', 'apply', f'--filename={_MANIFEST}']],
    {
      'state': ['kubectl', 'get', 'jobset', job.name],
      'end it': ['kubectl', 'delete', f'--filename={_MANIFEST}'],
    },
  )


def slurm(
  job: Job, folder: pathlib.Path, gpus_per_node: int, options: Sequence[str]
) -> Launch:
  """Returns what runs a job with SLURM, one process for each GPU.

  Args:
    job: What to run.
    folder: Where the files will be, which all nodes see.
    gpus_per_node: GPUs of a node.
    options: More options of sbatch, as NAME=VALUE.

  Raises:
    ConfigError: The hardware does not consist of whole nodes, or an option
      cannot be written as a directive.
  """
  if job.topology.is_tpu:
    raise ConfigError(
      f'{job.topology.name} is a TPU: launch on cloud_tpu or gke'
    )
  gpus = job.topology.chip is not None
  nodes, tasks = 1, 1
  if gpus:
    tasks = min(gpus_per_node, job.topology.chips)
    nodes, rest = divmod(job.topology.chips, tasks)
    if rest:
      raise ConfigError(
        f'{job.topology.name} is not a multiple of {tasks} GPUs: change '
        '--hardware or --gpus_per_node'
      )
  batch = render(
    'slurm.sh.j2',
    job=job,
    nodes=nodes,
    tasks=tasks,
    gpus=tasks if gpus else None,
    options=dict(map(_option, options)),
    script=str(folder / _HOST),
  )
  return Launch(
    {_BATCH: batch, _HOST: host_script(job)},
    # Relative paths in the command mean the same as here.
    [['sbatch', f'--chdir={os.getcwd()}', _BATCH]],
    {
      'state': ['squeue', '--me', f'--name={job.name}'],
      'end it': ['scancel', f'--name={job.name}'],
    },
  )


def _option(text: str) -> tuple[str, str]:
  name, equals, value = text.partition('=')
  if not equals or not all(map(_WORD.fullmatch, (name, value))):
    raise ConfigError(
      f'--sbatch={text!r} must be NAME=VALUE without spaces and quotes, such '
      'as --sbatch=partition=gpu'
    )
  return name, value


def _flag(name: str, value: str | None) -> list[str]:
  return [] if value is None else [f'--{name}={value}']
