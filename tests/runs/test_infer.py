"""Prompts and rows are answered as the model answers them, in their order."""

import json

import gin
import jax
import pytest

from flan_jax import cli as command_line
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.model import DecoderConfig, init_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.testing.multiprocess import run_processes
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.vocabulary.load import load_vocabulary
from tests.command_line import LENGTHS, RULE, SMALL
from tests.evaluation.in_order import generate

_MODEL = DecoderConfig(
  vocab_size=4096,
  num_layers=2,
  d_model=64,
  d_ff=256,
  num_heads=4,
  num_kv_heads=4,
  head_dim=16,
  position='relative_bias',
  activation='gelu',
)
_PROMPTS = (
  {'prompt': 'What is a horse?\nIt is', 'id': 3},
  {'text': 'of one’s own', 'prompt': 'The whale ' * 20},
  {'prompt': 'Say yes.', 'id': None},
)
_MAX_TOKENS = 12


@pytest.fixture(scope='module')
def answered(tmp_path_factory):
  """A checkpoint with random parameters, and its answers to `_PROMPTS`."""
  folder = tmp_path_factory.mktemp('checkpoint')
  mesh, vocabulary = make_mesh(MeshConfig(), jax.devices()[:1]), _vocabulary()
  params = init_params(_MODEL, 0, mesh)
  record = {'vocabulary': vocabulary.record()}
  Checkpointer.save_params(folder, params, record)
  framing = Framing.of(CacheConfig('cache'), vocabulary)
  generator = Generator(
    _MODEL, mesh, vocabulary.end_ids, 2048, vocab_size=vocabulary.size
  )
  encode = vocabulary.encode
  tokens = generate(
    generator,
    params,
    [framing.prompt(encode(fields['prompt'])) for fields in _PROMPTS],
    [_MAX_TOKENS] * len(_PROMPTS),
  )
  return folder, [vocabulary.decode(ids) for ids in tokens]


def _vocabulary():
  return load_vocabulary('mini')


def _write_prompts(folder):
  lines = ''.join(json.dumps(fields) + '\n' for fields in _PROMPTS)
  (folder / 'prompts.jsonl').write_text(lines)


def _flags(checkpoint, *more):
  return [
    'infer',
    *SMALL,
    '--gin_file=runs/infer.gin',
    LENGTHS,
    f'--gin.CHECKPOINT_PATH={checkpoint}',
    f'--gin.MAX_NEW_TOKENS={_MAX_TOKENS}',
    *more,
  ]


def _read(text):
  return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_prompts_are_continued_in_their_order(cli, answered):
  checkpoint, texts = answered
  _write_prompts(cli.folder)
  # The third character of the first answer ends answers.
  stop = texts[0][2]
  cli.check(
    *_flags(
      checkpoint,
      '--gin.PROMPTS=prompts.jsonl',
      '--gin.OUTPUT=answers.jsonl',
      f'--gin.STOP={[stop, "never written"]!r}',
    )
  )
  found = _read((cli.folder / 'answers.jsonl').read_text())
  assert [f['generated'] for f in found] == [t.split(stop)[0] for t in texts]
  assert found[0]['ended']
  for fields, answer in zip(_PROMPTS, found, strict=True):
    assert fields.items() <= answer.items()


@pytest.mark.slow
def test_two_processes_answer_as_one(tmp_path, answered):
  checkpoint, texts = answered
  _write_prompts(tmp_path)
  printed = run_processes(
    2,
    _flags(
      checkpoint, '--gin.PROMPTS=prompts.jsonl', '--gin.OUTPUT=answers.jsonl'
    ),
    tmp_path,
  )
  found = _read((tmp_path / 'answers.jsonl').read_text())
  assert [f['generated'] for f in found] == texts
  assert not list(tmp_path.glob('.*'))
  assert 'answering' not in printed[1]


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_rows_are_answered_as_in_an_evaluation(cli, answered, rule_data):
  checkpoint, _ = answered
  flags = [
    RULE,
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.MIXTURE_OR_TASK_NAME=rule_eval',
    '--gin.MAX_EVAL_ROWS=3',
  ]
  cli.check(*_flags(checkpoint, '--gin.OUTPUT=answers.jsonl', *flags))
  answers = _read((cli.folder / 'answers.jsonl').read_text())
  cli.check(
    *('eval', *SMALL, '--gin_file=runs/eval.gin', LENGTHS, *flags),
    f'--gin.CHECKPOINT_PATH={checkpoint}',
    '--gin.MODEL_DIR=model',
  )
  path = cli.folder / 'model/eval/rule_eval/records.jsonl'
  records = [r for r in _read(path.read_text()) if r['split'] == 'test']
  assert len(answers) == len(records) == 9
  for answer, record in zip(answers, records, strict=True):
    # Rows share batches with others there, which may change the last digit.
    for mine, theirs in zip(
      answer.pop('options'), record.pop('options'), strict=True
    ):
      assert mine == pytest.approx(theirs, abs=1e-4)
    assert record.items() <= answer.items()
    assert 'Options:\n- ' in answer['prompt']
    assert isinstance(answer['generated'], str) and 'ended' in answer


@pytest.mark.parametrize(
  'flags, message',
  [
    ([], 'set either PROMPTS, a file, or MIXTURE_OR_TASK_NAME'),
    (['--gin.MIXTURE_OR_TASK_NAME=rte'], 'set either PROMPTS'),
    (['--gin.PROMPTS=absent.txt'], 'absent.txt cannot be read: No such file'),
    (['--gin.TEMPERATURE=-0.5'], 'TEMPERATURE is -0.5: it must be 0 for'),
    (['--gin.TOP_P=0'], 'TOP_P is 0: it must be a number above 0'),
    (['--gin.STOP='], "STOP is '': it must be a text that is not empty"),
    (
      ['--gin.MAX_NEW_TOKENS=0'],
      'MAX_NEW_TOKENS is 0: it must be an integer of at least 1',
    ),
    (['--gin.OUTPUT=nowhere/a'], 'OUTPUT nowhere/a cannot be written'),
    (['--gin.CHECKPOINT_PATH=None'], 'set CHECKPOINT_PATH to one checkpoint'),
    (['--gin.CHECKPOINT_PATH=all'], 'set CHECKPOINT_PATH to one'),
    (['--gin.CHECKPOINT_PATH=absent'], 'here is no checkpoint in'),
    (
      ["--gin.TASK_FEATURE_LENGTHS={'inputs': 9, 'targets': 9}"],
      'prompts.jsonl:2: ',
    ),
    (['--gin.TEMPERTURE=1'], 'nearest: TEMPERATURE'),
  ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, capsys, flags, message):
  monkeypatch.chdir(tmp_path)
  _write_prompts(tmp_path)
  given = ['--gin.PROMPTS=prompts.jsonl']
  if message.startswith('set either') and not flags:
    given = []
  gin.clear_config()
  code = command_line.main(
    _flags(
      'absent',
      *given,
      '--gin.OUTPUT=answers.jsonl',
      '--gin.COMPILATION_CACHE_DIR=None',
      *flags,
    )
  )
  gin.clear_config()
  error = capsys.readouterr().err
  assert code == 2
  assert error.startswith('flan-jax infer: error: ')
  assert message in error
  assert [path.name for path in tmp_path.iterdir()] == ['prompts.jsonl']
