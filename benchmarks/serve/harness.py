"""Compares lm-evaluation-harness, asking the server, with `flan-jax eval`.

Both answer the same prompts with the same checkpoint: the test rows of some
datasets under every template. The harness runs in the interpreter that
FLAN_JAX_LM_EVAL_PYTHON names, by default this one. Prints one JSON object, with
the figures of each dataset.
"""

from collections.abc import Mapping, Sequence
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

# JAX reads these when it is first imported.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['CUDA_VISIBLE_DEVICES'] = ''

import httpx2

from benchmarks.common import figures, flags
from benchmarks.common.random_weights import random_checkpoint
from benchmarks.serve import server
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.store import CacheStore
from flan_jax.definitions import names, registry
from flan_jax.evaluation.eval_parts import eval_parts
from flan_jax.evaluation.requests import Request, requests
from flan_jax.evaluation.scoring import rank
from flan_jax.interop import base_model
from flan_jax.vocabulary.load import MINI, load_vocabulary

_LENGTHS = {'inputs': 512, 'targets': 32}
# The end token is among the options, so that `acc` is what evaluations report.
_TASK = """\
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {rows}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{prompt}}}}"
doc_to_choice: "{{{{options}}}}"
doc_to_target: gold
target_delimiter: ""
metric_list:
  - metric: acc
"""


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the comparison."""
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--datasets', default='rte,sst2', help='datasets with options')
  add('--rows', type=int, default=20, help='most rows of a dataset')
  add('--data_dir', default='mini', help='TFDS data directory')
  add('--model', default='models/tiny.gin', help='gin file of the decoder')
  add('--checkpoint', help='checkpoint of that shape; random by default')
  add('--package', help='package of a pretrained model of that shape')
  add('--work_dir', help='keeps caches; default: a temporary folder')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  datasets = settings.datasets.split(',')
  with figures.work_folder(settings.work_dir, 'harness') as folder:
    cache = str(folder / 'cache')
    if settings.checkpoint:
      path = settings.checkpoint
    elif settings.package:
      path = base_model.locate(f'package:{settings.package}', cache)
    else:
      path = random_checkpoint(folder, settings.model)
    given = [
      f'--gin_file={settings.model}',
      f'--gin.MIXTURE_OR_TASK_NAME={datasets!r}',
      f'--gin.DATA_DIR={settings.data_dir}',
      f'--gin.CACHE_DIR={cache}',
      f'--gin.TASK_FEATURE_LENGTHS={_LENGTHS!r}',
      f'--gin.CHECKPOINT_PATH={path}',
      f'--gin.VOCABULARY={path if settings.package else MINI}',
      # The end token divides prompt and answer, as in the paper. The harness
      # moves white space there to the answer.
      '--gin.PROMPT_FORMAT=None',
    ]
    own = _evaluate(given, settings.rows, folder, datasets)
    asked = _asked(settings, cache, path, datasets)
    with server.started(['--gin_file=runs/serve.gin', *given], folder) as url:
      _write_tasks(asked, url, folder)
      theirs = _harness(url, folder, datasets, os.path.basename(path))
  compared = {
    dataset: _compared(asked[dataset], own[dataset], theirs[dataset])
    for dataset in datasets
  }
  versions = figures.versions(['jax'])
  figures.finish(settings.out, **compared, versions=versions)


def _evaluate(
  given: Sequence[str],
  rows: int,
  folder: pathlib.Path,
  datasets: Sequence[str],
) -> dict[str, dict[tuple[str, int], Mapping[str, Any]]]:
  """Returns the records of `flan-jax eval` by dataset, row and template."""
  results = folder / 'results'
  _run(
    [
      *(sys.executable, '-m', 'flan_jax', 'eval'),
      '--gin_file=runs/eval.gin',
      *given,
      f'--gin.MODEL_DIR={results}',
      f'--gin.MAX_EVAL_ROWS={rows}',
    ]
  )
  found = {}
  for dataset in datasets:
    path = results / 'eval' / dataset / 'records.jsonl'
    records = map(json.loads, path.read_text('utf-8').splitlines())
    found[dataset] = {
      (record['id'], record['template']): record
      for record in records
      if record['split'] == 'test'
    }
  return found


def _asked(
  settings: Any, cache: str, path: str, datasets: Sequence[str]
) -> dict[str, list[Request]]:
  """Returns what the evaluation asked of each dataset."""
  registry.load()
  vocabulary = load_vocabulary(path if settings.package else MINI)
  config = CacheConfig(cache, settings.data_dir, _LENGTHS)
  store = CacheStore(config, vocabulary)
  found = {}
  for dataset in datasets:
    (part,) = eval_parts(store, names.resolve(dataset))
    found[dataset] = requests(
      part.test, store.framing, part.templates, settings.rows
    )
  return found


def _write_tasks(
  asked: Mapping[str, Sequence[Request]], url: str, folder: pathlib.Path
) -> None:
  """Writes a task of the harness for each dataset, with rows as JSON."""

  def text(tokens: Sequence[int]) -> str:
    # Special tokens by their names, which the server reads as such.
    body = {'tokens': list(map(int, tokens))}
    return httpx2.post(f'{url}/detokenize', json=body).json()['prompt']

  tasks = folder / 'tasks'
  tasks.mkdir(exist_ok=True)
  for dataset, found in asked.items():
    rows = tasks / f'{dataset}.json'
    with rows.open('w', encoding='utf-8') as file:
      for request in found:
        fields = {
          'prompt': text(request.example.prompt),
          'options': [text(target) for target in request.example.targets],
          'gold': request.row['correct'][0],
        }
        print(json.dumps(fields), file=file)
    name = f'flan_{dataset}'
    task = _TASK.format(name=name, rows=rows)
    (tasks / f'{name}.yaml').write_text(task, encoding='utf-8')


def _harness(
  url: str, folder: pathlib.Path, datasets: Sequence[str], model: str
) -> dict[str, tuple[float, list[list[float]]]]:
  """Returns accuracy and scores of the harness, by dataset."""
  out = folder / 'harness'
  about = {
    'base_url': f'{url}/v1/completions',
    'model': model,
    'num_concurrent': 4,
    'max_length': sum(_LENGTHS.values()),
  }
  _run(
    [
      os.environ.get('FLAN_JAX_LM_EVAL_PYTHON', sys.executable),
      *('-m', 'lm_eval', 'run', '--model', 'local-completions'),
      '--model_args=' + ','.join(f'{k}={v}' for k, v in about.items()),
      f'--include_path={folder / "tasks"}',
      '--tasks=' + ','.join(f'flan_{dataset}' for dataset in datasets),
      *('--batch_size=16', '--log_samples', f'--output_path={out}'),
    ]
  )
  newest = max(out.rglob('results_*.json'), key=os.path.getmtime)
  results = json.loads(newest.read_text('utf-8'))['results']
  stamp = newest.stem.removeprefix('results_')
  found = {}
  for dataset in datasets:
    path = newest.with_name(f'samples_flan_{dataset}_{stamp}.jsonl')
    lines = map(json.loads, path.read_text('utf-8').splitlines())
    samples = sorted(lines, key=lambda sample: sample['doc_id'])
    scores = [
      [float(score) for score, _ in sample['filtered_resps']]
      for sample in samples
    ]
    found[dataset] = results[f'flan_{dataset}']['acc,none'], scores
  return found


def _run(command: Sequence[str]) -> None:
  subprocess.run(command, stdout=sys.stderr, check=True)


def _compared(
  asked: Sequence[Request],
  records: Mapping[tuple[str, int], Mapping[str, Any]],
  theirs: tuple[float, list[list[float]]],
) -> dict[str, float]:
  own = [records[request.row['id'], request.template] for request in asked]
  accuracy, found = theirs
  same, differences = [], []
  for record, scores in zip(own, found, strict=True):
    totals = [option['total'] for option in record['options']]
    same.append(rank.best(scores) == record['predicted'])
    differences += [abs(a - b) for a, b in zip(scores, totals, strict=True)]
  return {
    'prompts': len(asked),
    'flan_jax_eval': sum(record['correct'] for record in own) / len(own),
    'lm_eval': accuracy,
    'same_option': sum(same) / len(same),
    'largest_difference_of_a_score': max(differences),
  }


if __name__ == '__main__':
  main()
