"""Settings that cannot work: one line, exit code 2, nothing written.

Each case is what a user may type, and what the error must say.
"""

import pytest

from tests.command_line import SMALL

_RUN = {
  'train': 'train',
  'prompt-tune': 'prompt_tune',
  'eval': 'eval',
  'infer': 'infer',
  'serve': 'serve',
  'cache': 'cache',
}


def _given(command):
  if command not in _RUN:
    return ['--gin_file=models/tiny.gin', '--devices=1']
  return [
    *SMALL,
    f'--gin_file=runs/{_RUN[command]}.gin',
    '--gin.MODEL_DIR=model',
    '--gin.CACHE_DIR=cache',
    '--gin.MIXTURE_OR_TASK_NAME=rte',
  ]


# The working directory holds these files.
_FILES = {
  'circle.gin': "include 'other.gin'\n",
  'other.gin': "include 'circle.gin'\n",
  'itself.gin': "include 'itself.gin'\n",
  'absent_include.gin': "include 'nowhere.gin'\n",
  'absent_import.gin': 'import nowhere.tasks\n',
  'broken_import.gin': 'import broken\n',
  'broken.py': 'x = 1\nraise ValueError("two\\nlines")\n',
  'chain.gin': 'SEED = %A0\n'
  + ''.join(f'A{i} = %A{i + 1}\n' for i in range(3000))
  + 'A3000 = 1\n',
  'leaves.py': 'import sys\nsys.exit(3)\n',
  'deep.gin': 'SEED = ' + '[' * 100_000,
  'long.gin': 'SEED = ' + '9' * 10_000,
  'half.gin': 'SEED = (1,\n',
  'equals.gin': 'SEED == 1\n',
  'nothing.gin': 'SEED =\n',
  'code.gin': 'SEED = __import__("os").getcwd()\n',
  'python.gin': 'def f():\n  return 1\n',
  'quote.gin': "MODEL_DIR = 'a\n",
  'key.gin': 'SEED = {[]: 1}\n',
  'json.gin': '{"SEED": 1}\n',
  'unknown.gin': 'Optimizer.learning_rate = 1\n',
  'unknown_field.gin': 'LoopConfig.train_step = 1\n',
  'unknown_macro.gin': 'LoopConfig.train_steps = %STEPS\n',
  'bytes.gin': b'\xff\xfe\x00',
  'zeros.gin': b'SEED = 1\0\n',
  'wrong_type.gin': "TRAIN_STEPS = 'ten'\n",
}

_GIN_FILES = (
  ('circle.gin', 'include each other in a circle'),
  ('itself.gin', 'include each other in a circle'),
  ('absent_include.gin', "no gin file 'nowhere.gin'"),
  ('absent_import.gin', 'absent_import.gin, line 1 names nowhere.tasks'),
  ('broken_import.gin', 'ValueError: two lines (*broken.py, line 2)'),
  ('chain.gin', 'refers to a value by more than 100 steps'),
  ('deep.gin', 'deep.gin'),
  ('long.gin', 'long.gin'),
  ('half.gin', 'half.gin'),
  ('equals.gin', 'equals.gin, line 1'),
  ('nothing.gin', 'nothing.gin, line 1'),
  ('code.gin', 'code.gin, line 1'),
  ('python.gin', 'python.gin, line 1'),
  ('quote.gin', 'quote.gin'),
  ('key.gin', 'unhashable'),
  ('json.gin', 'json.gin, line 1'),
  ('unknown.gin', "'Optimizer'*nearest: OptimizerConfig"),
  ('unknown_field.gin', "'train_step'"),
  ('unknown_macro.gin', 'STEPS is read, but not set'),
  ('bytes.gin', 'bytes.gin is not a gin file'),
  ('zeros.gin', 'zeros.gin'),
  ('wrong_type.gin', "TRAIN_STEPS is 'ten': it must be an integer"),
  ('absent.gin', "no gin file 'absent.gin'*--gin_search_paths"),
  ('.', "no gin file '.'"),
  ('a\0b.gin', 'no gin file'),
  ('a' * 5000, 'no gin file'),
)


@pytest.fixture
def refused(cli):
  """Runs a command that must fail with a message, and write nothing."""
  for name, text in _FILES.items():
    text = text if isinstance(text, bytes) else text.encode()
    (cli.folder / name).write_bytes(text)
  before = {path.name for path in cli.folder.iterdir()} | {'__pycache__'}

  def run(command, flags, message):
    case = f'{command} {" ".join(flags)}'[:300]
    code, _, error = cli(command, *_given(command), *flags)
    assert code == 2, case
    assert error.startswith(f'flan-jax {command}: error: '), (case, error)
    assert error.count('\n') == 1 and len(error) < 1200, (case, error)
    place = 0
    for part in message.split('*'):
      place = error.find(part, place)
      assert place >= 0, (case, message, error)
    assert {path.name for path in cli.folder.iterdir()} <= before, case

  return run


def test_gin_files(refused):
  for name, message in _GIN_FILES:
    refused('train', [f'--gin_file={name}', '--dry_run'], message)


_BINDINGS = (
  # Types and ranges; `test_settings_walk` has every macro.
  ('train', 'KEEP_CHECKPOINTS=0', 'KEEP_CHECKPOINTS is 0: *of at least 1'),
  ('train', 'KEEP_CHECKPOINTS=-1', 'KEEP_CHECKPOINTS is -1: *of at least 1'),
  ('train', 'TRAIN_STEPS=1e3', 'TRAIN_STEPS is 1000.0: it must be an integer'),
  ('train', 'TRAIN_STEPS=ten', "TRAIN_STEPS is 'ten'"),
  ('train', 'TRAIN_STEPS=True', 'TRAIN_STEPS is True'),
  ('train', 'TRAIN_STEPS=99999999999', 'an integer below 2**31'),
  ('train', 'CHECKPOINT_PERIOD=0', 'CHECKPOINT_PERIOD is 0'),
  ('train', 'EVAL_PERIOD=-1', 'EVAL_PERIOD is -1: *of at least 0'),
  ('train', 'EVAL_ROWS=0', 'EVAL_ROWS is 0: *or None'),
  (
    'train',
    'LEARNING_RATE=0',
    'LEARNING_RATE is 0: *a number above 0',
  ),
  ('train', 'LEARNING_RATE=1e400', 'LEARNING_RATE is inf'),
  ('train', 'LEARNING_RATE=-1e400', 'LEARNING_RATE is -inf'),
  ('train', 'LEARNING_RATE=nan', "LEARNING_RATE is 'nan'"),
  ('train', 'DROPOUT_RATE=1', 'DROPOUT_RATE is 1: *below 1'),
  ('train', 'COMPUTE_DTYPE=float16', "'float32' or 'bfloat16'"),
  ('train', 'REPORT=maybe', "REPORT is 'maybe': it must be True or False"),
  ('train', 'EVAL_BASE=1', 'EVAL_BASE is 1: it must be True or False'),
  ('train', 'PERMUTE_TARGETS=true', "PERMUTE_TARGETS is 'true'"),
  ('train', 'SEED=-1', 'SEED is -1: *from 0 to 2**32 - 1'),
  ('train', 'SEED=1.5', 'SEED is 1.5'),
  ('train', 'MODEL_DIR=', "MODEL_DIR is '': it must be a path"),
  ('train', 'MODEL_DIR= ', "MODEL_DIR is ' '"),
  ('train', 'MODEL_DIR=a\nb', "MODEL_DIR is 'a\\nb'"),
  ('train', 'MODEL_DIR=None', 'MODEL_DIR is None'),
  ('train', f'MODEL_DIR={"a" * 300}', 'a path that a file system can hold'),
  ('serve', 'CHECKPOINT_PATH=/dev/null', '/dev/null'),
  ('train', 'CACHE_DIR=', "CACHE_DIR is ''"),
  ('train', 'VOCABULARY=', "VOCABULARY is ''"),
  ('train', 'VOCABULARY=3', 'VOCABULARY is 3'),
  ('train', 'DATA_DIR=', "DATA_DIR is '': it must be a path, or None"),
  ('train', 'FROZEN=embedding', "FROZEN is 'embedding': *a list of regular"),
  ('train', "FROZEN=['layers/(']", 'a list of regular expressions'),
  ('train', 'STOP=[3]', 'STOP is [3]: *texts'),
  ('train', "STOP=['']", "STOP is ['']"),
  ('train', 'TRACKERS=3', 'TRACKERS is 3'),
  ('train', 'TRACKERS=wandbee', "TRACKERS has 'wandbee'"),
  ('train', 'TOKENS_PER_EVAL_BATCH=x', "TOKENS_PER_EVAL_BATCH is 'x'"),
  ('train', 'TOKENS_PER_EVAL_BATCH=0', 'TOKENS_PER_EVAL_BATCH is 0'),
  ('train', 'MAX_EVAL_ROWS=-1', 'MAX_EVAL_ROWS is -1'),
  ('train', 'EVAL_EXAMPLES=-1', 'EVAL_EXAMPLES is -1'),
  ('train', 'PROMPT_FORMAT=Q:', 'PROMPT_FORMAT is *contains {input} exactly'),
  ('train', 'PROMPT_FORMAT={input}{input}', 'exactly once'),
  ('train', 'PROMPT_FORMAT=3', 'PROMPT_FORMAT is 3'),
  ('train', 'TASK_FEATURE_LENGTHS=512', 'TASK_FEATURE_LENGTHS is 512'),
  (
    'train',
    "TASK_FEATURE_LENGTHS={'inputs': 9}",
    "{'inputs': …, 'targets': …}",
  ),
  (
    'train',
    "TASK_FEATURE_LENGTHS={'inputs': -9, 'targets': 9}",
    'with integers of at least 1',
  ),
  (
    'train',
    "TASK_FEATURE_LENGTHS={'inputs': 1, 'targets': 9}",
    "TASK_FEATURE_LENGTHS has 1 tokens for 'inputs'",
  ),
  ('train', 'MESH_DATA=0', 'MESH_DATA is 0: *or -1 for all'),
  ('train', 'MESH_FSDP=-1', 'At most one axis'),
  ('train', 'BATCH_ROWS=4.0', 'BATCH_ROWS is 4.0'),
  ('train', 'MICROBATCHES=3', 'BATCH_ROWS=4 is not a multiple'),
  ('train', 'KEEP_BEST=', "KEEP_BEST is ''"),
  # One name is meant.
  ('train', "MIXTURE_OR_TASK_NAME=['rte', 'cb']", 'the name of one mixture'),
  ('train', 'MIXTURE_OR_TASK_NAME=None', 'MIXTURE_OR_TASK_NAME is None'),
  ('train', 'MIXTURE_OR_TASK_NAME=', "MIXTURE_OR_TASK_NAME is ''"),
  ('train', 'MIXTURE_OR_TASK_NAME=rtee', "unknown task 'rtee'*rte"),
  ('train', "EVAL_MIXTURE=['rte']", "EVAL_MIXTURE is ['rte']: *of one mixture"),
  ('train', 'EVAL_MIXTURE=[]', 'EVAL_MIXTURE is []'),
  ('train', 'EVAL_MIXTURE=rte.t99', 'rte.t99'),
  ('train', "VALIDATION_MIXTURE=('rte',)", "VALIDATION_MIXTURE is ('rte',)"),
  ('prompt-tune', 'MIXTURE_OR_TASK_NAME=[]', 'MIXTURE_OR_TASK_NAME is []'),
  ('prompt-tune', 'PROMPT_INIT=words', "PROMPT_INIT is 'words'"),
  ('prompt-tune', 'PROMPT_LENGTH=0', 'PROMPT_LENGTH is 0'),
  ('prompt-tune', 'PROMPT_TRAIN_ROWS=-3', 'PROMPT_TRAIN_ROWS is -3'),
  ('eval', 'MIXTURE_OR_TASK_NAME=None', 'or a list of names of mixtures'),
  ('eval', 'MIXTURE_OR_TASK_NAME=[]', 'MIXTURE_OR_TASK_NAME is []'),
  ('eval', "MIXTURE_OR_TASK_NAME=['']", "MIXTURE_OR_TASK_NAME is ['']"),
  ('eval', 'MIXTURE_OR_TASK_NAME=[None]', 'MIXTURE_OR_TASK_NAME is [None]'),
  ('eval', 'CHECKPOINT_PATH=[]', 'CHECKPOINT_PATH is []'),
  ('eval', 'CHECKPOINT_PATH=3', 'CHECKPOINT_PATH is 3'),
  ('eval', 'PROMPTS_FROM=runs', "PROMPTS_FROM is 'runs': *a list"),
  ('eval', 'MAX_EVAL_ROWS=all', "MAX_EVAL_ROWS is 'all'"),
  ('eval', 'CONTAMINATED=', "CONTAMINATED is ''"),
  ('infer', 'TEMPERATURE=1e-300', 'TEMPERATURE is 1e-300: it must be 0 for'),
  ('infer', 'TEMPERATURE=-1', 'TEMPERATURE is -1'),
  ('infer', 'TEMPERATURE=nan', "TEMPERATURE is 'nan'"),
  ('infer', 'TOP_K=-1', 'TOP_K is -1'),
  ('infer', 'TOP_P=0', 'TOP_P is 0: *above 0 and at most 1'),
  ('infer', 'TOP_P=2', 'TOP_P is 2'),
  ('infer', 'MAX_NEW_TOKENS=0', 'MAX_NEW_TOKENS is 0'),
  ('infer', 'MAX_EVAL_ROWS=-1', 'MAX_EVAL_ROWS is -1'),
  ('infer', 'OUTPUT=', "OUTPUT is ''"),
  ('infer', "PROMPTS=['a.txt']", "PROMPTS is ['a.txt']: it must be a path"),
  ('infer', 'PROMPTS=a.txt', 'set either PROMPTS'),
  ('infer', "CHECKPOINT_PATH=['a', 'b']", "CHECKPOINT_PATH is ['a', 'b']"),
  ('serve', 'Limits.seconds=-1', 'Limits.seconds is -1: *above 0'),
  ('serve', 'Limits.requests=x', "Limits.requests is 'x'"),
  ('serve', 'MIXTURE_OR_TASK_NAME=[3]', 'MIXTURE_OR_TASK_NAME is [3]'),
  ('cache', 'MIXTURE_OR_TASK_NAME=None', 'nothing to cache: name a mixture'),
  ('cache', 'MIXTURE_OR_TASK_NAME=[]', 'MIXTURE_OR_TASK_NAME is []'),
  ('cache', 'EVAL_MIXTURE=3', 'EVAL_MIXTURE is 3'),
  ('cache', 'PIPELINE_OPTIONS=3', 'PIPELINE_OPTIONS is 3'),
  ('plan', 'HARDWARE=3', 'HARDWARE is 3'),
  ('plan', 'PACK_LENGTH=-1', 'PACK_LENGTH is -1'),
  ('plan', 'DecoderConfig.num_layers=0', 'DecoderConfig.num_layers is 0'),
  ('plan', 'DecoderConfig.position=alibi', "'relative_bias' or 'rope'"),
  ('plan', 'DecoderConfig.num_kv_heads=3', 'is not a multiple of'),
  # Parameters, references and names.
  ('train', 'LoopConfig.train_steps=x', "LoopConfig.train_steps is 'x'"),
  ('train', 'OptimizerConfig.decay_rate=0', 'OptimizerConfig.decay_rate is 0'),
  ('train', 'train.settings=3', 'train.settings is 3'),
  ('train', 'train.settings=@RunSetup()', 'it must be @TrainSettings()'),
  ('train', 'RunSetup.mesh=@MeshConfig', 'RunSetup.mesh is @MeshConfig'),
  ('train', 'RunSetup.mesh=@Mesh()', "'@Mesh()'"),
  ('train', 'RunSetup.model=@RunSetup()', '@RunSetup() refers to itself'),
  ('train', 'SEED=%SEED', 'SEED refers to itself'),
  ('train', 'SEED=%NOTHING', 'NOTHING is read, but not set'),
  ('train', 'SEED={[]: 1}', "SEED is '{[]: 1}'"),
  ('train', 'SEED=@', '--gin.SEED, line 1 is not as gin expects'),
  ('train', 'SEED=%', '--gin.SEED, line 1 is not as gin expects'),
  ('train', 'TRIAN_STEPS=3', 'TRIAN_STEPS*nearest: TRAIN_STEPS'),
  ('train', 'seed=3', 'seed'),
  ('train', 'macro.value=3', "'macro.value' names no macro"),
  ('train', 'gin.macro.value=3', "'macro.value' names no macro"),
  ('train', 'LoopConfig.steps=3', "'steps'"),
  ('train', 'Lop.train_steps=3', "'Lop'"),
  ('train', '3=3', '--gin.3'),
  ('train', 'A B=3', '--gin.A B'),
  ('train', '=3', '--gin.'),
)


def test_bindings(refused):
  for command, given, message in _BINDINGS:
    flags = [f'--gin.{given}', '--dry_run']
    refused(command, flags, message)


_FLAGS = (
  ('train', ['--gin.SEED'], '--gin.SEED needs a value'),
  ('train', ['--gin_file'], 'expected one argument'),
  ('train', ['--gin_file='], '--gin_file is empty'),
  ('train', ['--lerning_rate=3'], "unknown flag '--lerning_rate=3'"),
  ('train', ['stray'], "unknown flag 'stray'"),
  ('train', ['--dry_run=yes'], '--dry_run'),
  ('train', ['--profile=3'], '--profile=3 must be FIRST:LAST'),
  ('train', ['--profile=4:3'], '--profile=4:3'),
  ('train', ['--profile=0:3'], '--profile=0:3'),
  ('train', ['--profile=-1:3'], '--profile=-1:3'),
  ('train', [f'--profile=1:{"9" * 5000}'], '--profile='),
  ('train', ['--profile='], '--profile is empty'),
  ('train', ['--task_module=nowhere'], 'no module nowhere installed or in'),
  ('train', ['--task_module=my/tasks.py'], 'such as my_lab.tasks'),
  ('train', ['--task_module=broken'], 'ValueError: two lines'),
  ('train', ['--task_module=leaves'], 'SystemExit: 3 (*leaves.py, line 2'),
  ('train', ['--gin_bindings=import nowhere'], 'names nowhere: there is no'),
  ('train', ["--gin_bindings=include 'bytes.gin'"], 'bytes.gin is not'),
  ('train', ['--gin_bindings=junk'], 'is not as gin expects it'),
  ('train', ['--task_module='], '--task_module is empty'),
  ('train', ['--template_set=absent.json'], 'absent.json'),
  ('train', ['--process_index=1'], 'go together'),
  ('train', ['--process_count=0'], "'0' is not an integer of at least 1"),
  ('train', ['--process_index=-1'], "'-1' is not an integer of at least 0"),
  ('serve', ['--port=99999'], "'99999' is not a port from 0 to 65535"),
  ('serve', ['--port=http'], "'http' is not a port"),
  ('serve', ['--checkpoint='], '--checkpoint is empty'),
  ('plan', ['--devices=0'], "'0' is not an integer of at least 1"),
  ('plan', ['--devices=two'], "'two' is not"),
  ('plan', ['--only=all'], 'invalid choice'),
  ('plan', ['--format=xml'], 'invalid choice'),
  ('plan', ['--topology=v4:axbxc'], 'v4:axbxc'),
  ('plan', ['--topology='], '--topology is empty'),
)
# Commands that gin does not configure.
_OWN = (
  ('explore', ['--out=o', '--rows=0'], "'0' is not an integer of at least 1"),
  ('explore', ['--out=o', '--shots=17'], 'an integer from 0 to 16'),
  ('explore', ['--out=o', 'rtee'], 'rte'),
  ('explore', ['--out='], '--out is empty'),
  ('explore', [], '--out'),
  ('render', ['rte'], '--out'),
  ('render', ['rte', '--out=o.jsonl', '--rows=0'], "'0' is not"),
  ('render', ['rte', '--out=o.jsonl', '--seed=-1'], 'an integer from 0'),
  ('render', ['rte', '--out=o.jsonl', '--format=csv'], 'invalid choice'),
  ('render', ['rte', '--out=o.csv'], 'must end in .jsonl or .parquet'),
  ('explore', ['--out=broken.py', 'rte'], '--out=broken.py cannot be written'),
  ('explore', ['--out=broken.py/o', 'rte'], '--out=broken.py/o cannot be'),
  ('explore', ['--out=o\0', 'rte'], 'has a NUL character'),
  ('explore', ['--out=s3://o', 'rte'], 'only local paths and gs://'),
  ('explore', ['--out=o', ''], 'name is empty'),
  ('explore', ['--out=o', 'rte.t99'], 'templates t0 to t9'),
  ('explore', ['--out=o', 'rte\n'], "'rte\\n' is not a task name"),
  ('explore', ['--out=o', '\x1b[2J'], "'\\x1b[2J' is not a task name"),
  ('explore', ['--out=o', 'x' * 5000], 'unknown task'),
  ('explore', ['--out=o', '--shots=-1'], 'an integer from 0 to 16'),
  ('explore', ['--out=o', '--rows=1e3'], "'1e3' is not an integer"),
  ('explore', ['--out=o', '--template_set=json.gin'], 'json.gin'),
  ('explore', ['--out=o', '--task_module=nowhere'], 'no module nowhere'),
  ('explore', ['--out=o', 'rte', '--cache_dir='], '--cache_dir is empty'),
  ('report', ['--out=o'], 'RESULTS'),
  ('report', ['nowhere'], '--out is missing'),
  ('report', ['nowhere', '--out=o'], 'nowhere'),
  ('report', ['nowhere', '--out=o', '--format=xml'], 'invalid choice'),
  ('inspect', ['--rows=many'], "'many' is not an integer"),
  ('inspect', ['rtee'], 'nearest: '),
  ('inspect', ['--check=rte', 'rte'], '--check takes the mixture'),
  ('inspect', ['--split=dev'], 'invalid choice'),
  ('inspect', ['--rows=0'], "'0' is not an integer of at least 1"),
  ('inspect', ['--format=xml'], 'invalid choice'),
  ('inspect', ['rte', 'cb'], 'unrecognized arguments: cb'),
  ('inspect', ['rte\n'], "'rte\\n' is not a task name"),
  ('inspect', ['rte..t1'], "'rte..t1' is not a task name"),
  ('inspect', ['rte.t99'], 'templates t0 to t9'),
  ('inspect', ['rte.99shot'], 'exemplars is 1 to 16'),
  (
    'inspect',
    ['rte', '--data_dir=nowhere'],
    'not in nowhere*flan-jax prepare',
  ),
  ('inspect', ['rte', '--data_dir=broken.py'], 'is not in broken.py'),
  ('inspect', ['rte', '--data_dir=a\0'], 'has a NUL character'),
  ('inspect', ['rte', '--data_dir=gs://'], 'names no bucket'),
  ('inspect', ['rte', '--template_set=absent.json'], 'absent.json'),
  ('inspect', ['rte', '--task_module=nowhere'], 'no module nowhere'),
  ('inspect', ['--check=rtee'], 'nearest: '),
  ('inspect', ['--cache', 'rte'], "unknown flag 'rte'"),
  ('inspect', ['--cache', '--rows=2'], "unknown flag '--rows=2'"),
  (
    'inspect',
    ['--cache', '--gin.CACHE_DIR=broken.py'],
    'a file: name a folder',
  ),
  ('inspect', ['--cache', '--gin.CACHE_DIR=a\0'], 'CACHE_DIR is'),
  ('inspect', ['--cache', '--gin.NOPE=3'], 'macro NOPE'),
  ('inspect', ['--cache', '--gin_file=absent.gin'], 'absent.gin'),
  ('inspect', ['--cache', '--gin.VOCABULARY=nowhere'], 'no vocabulary at'),
  ('inspect', ['--cache', '--gin.MIXTURE_OR_TASK_NAME=rtee'], 'nearest: '),
  ('inspect', ['--cache', '--gin.CACHE_DIR='], "CACHE_DIR is ''"),
  ('contamination', ['rte', '--out=o'], '--corpus'),
  ('contamination', ['rte', '--corpus=c', '--out=o', '--n=0'], "'0' is not"),
  (
    'contamination',
    ['rte', '--corpus=c', '--out=o', '--processes=10**9'],
    'an integer from 1 to 1024',
  ),
  ('contamination', ['rte', '--corpus=absent', '--out=o'], 'absent'),
  ('prepare', [], 'name'),
  ('prepare', ['rtee', '--dry_run'], 'nearest: '),
  ('prepare', ['rte', '--data_dir='], '--data_dir is empty'),
  ('study', [], 'name'),
  ('study', ['nowhere', '--dry_run'], 'experiments/nowhere.gin'),
  ('study', ['main', '--size=huge'], 'invalid choice'),
  ('study', ['main', '--study_dir='], '--study_dir is empty'),
  ('study', ['main', '--dry_run', '--gin.SEED=%SEED'], 'SEED refers to itself'),
  ('study', ['main', '--dry_run', '--gin.study.seeds=[-1]'], 'seeds is [-1]'),
  ('study', ['main', '--dry_run', '--gin.study.arms=3'], 'study.arms is 3'),
  ('import', ['--from=absent'], '--'),
  ('export', ['--checkpoint='], '--'),
  ('help', ['SEDE'], "no macro 'SEDE'; nearest: SEED"),
  ('trian', [], "no command 'trian'"),
)


def test_flags(refused):
  for command, flags, message in _FLAGS:
    refused(command, [*flags, '--dry_run'], message)


def test_flags_of_commands_without_gin(refused, monkeypatch):
  monkeypatch.setattr('tests.bad_input.test_settings._given', lambda name: [])
  for command, flags, message in _OWN:
    refused(command, flags, message)
