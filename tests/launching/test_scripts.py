"""Scripts go on after a preemption, and stop where going on is of no use."""

import pathlib
import signal
import time

import pytest

from flan_jax.launching.rendered import host_script
from tests.launching.launches import Programs, job, launches

pytestmark = pytest.mark.slow

# Describes what the file `now` says; `create` makes it ACTIVE.
_GCLOUD = """
case "$*" in
  *describe*) cat "$STATE/now" 2> /dev/null || exit 1 ;;
  *'queued-resources create'*) echo ACTIVE > "$STATE/now" ;;
  *'queued-resources delete'*) rm -f "$STATE/now" ;;
  *' ssh '*)
    code=$(head -n1 "$STATE/codes"); sed -i 1d "$STATE/codes"
    # A preemption ends the connection.
    if [[ $code == 255 ]]; then echo SUSPENDED > "$STATE/now"; fi
    exit "$code" ;;
esac
"""


@pytest.fixture
def programs(tmp_path) -> Programs:
  return Programs(tmp_path)


def _write(folder: pathlib.Path, target: str) -> None:
  for name, text in launches()[target].files.items():
    (folder / name).write_text(text, encoding='utf-8')


@pytest.mark.parametrize(
  ('codes', 'code', 'created', 'ran'),
  [
    ([0], 0, 1, 1),
    # Twice taken away, then finished.
    ([255, 255, 0], 0, 3, 3),
    # A mistake of the user's.
    ([2, 0], 2, 1, 1),
    # A fault that comes back on machines that are there.
    ([1, 1, 1, 0], 1, 1, 3),
    # More preemptions than `restarts`.
    ([255, 255, 255, 255, 0], 255, 4, 4),
  ],
)
def test_a_queued_resource_is_asked_for_again(
  codes, code, created, ran, programs, tmp_path
):
  programs.add('gcloud', _GCLOUD)
  (tmp_path / 'codes').write_text(''.join(f'{code}\n' for code in codes))
  _write(tmp_path, 'cloud_tpu')
  process = programs.start(tmp_path / 'cloud_tpu.sh')
  out, _ = process.communicate(timeout=60)
  assert process.returncode == code, out
  calls = programs.calls('gcloud')
  assert sum(' queued-resources create ' in call for call in calls) == created
  assert sum(' ssh ' in call for call in calls) == ran
  # Nothing is left that costs money.
  assert ' queued-resources delete ' in calls[-1]
  assert not (tmp_path / 'now').exists()


@pytest.mark.parametrize(('ends', 'code'), [(0, 143), (3, 3)])
def test_a_stopped_command_is_not_taken_for_finished(
  ends, code, programs, tmp_path
):
  programs.add(
    'flan-jax',
    f"""
    trap 'touch "$STATE/saved"; exit {ends}' TERM
    touch "$STATE/trains"
    while true; do read -r -t 0.1 < /dev/zero; done
    """,
  )
  script = tmp_path / 'host.sh'
  script.write_text(host_script(job()))
  process = programs.start(script)
  _wait_for(tmp_path / 'trains')
  process.send_signal(signal.SIGTERM)
  assert process.wait(timeout=60) == code
  assert (tmp_path / 'saved').exists()


@pytest.mark.parametrize('earlier', [0, 3])
def test_a_job_is_queued_again_before_its_time_is_over(
  earlier, programs, tmp_path
):
  programs.environment |= {
    'SLURM_JOB_ID': '7',
    'SLURM_RESTART_COUNT': str(earlier),
  }
  programs.add(
    'srun',
    """
    touch "$STATE/trains"
    until [[ -e "$STATE/asked" ]]; do read -r -t 0.1 < /dev/zero; done
    exit 143
    """,
  )
  programs.add('scancel', 'touch "$STATE/asked"')
  programs.add('scontrol', 'exit 0')
  _write(tmp_path, 'slurm')
  process = programs.start(tmp_path / 'slurm.sh')
  _wait_for(tmp_path / 'trains')
  process.send_signal(signal.SIGTERM)
  code = process.wait(timeout=60)
  assert programs.calls('scancel') == ['scancel --signal=TERM 7']
  if earlier == 3:  # As often as allowed.
    assert code == 143 and not programs.calls('scontrol')
  else:
    assert programs.calls('scontrol') == ['scontrol requeue 7'] and code == 0


def _wait_for(path: pathlib.Path) -> None:
  deadline = time.time() + 60
  while not path.exists():
    assert time.time() < deadline
    time.sleep(0.02)
