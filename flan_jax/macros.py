"""The macros of the shipped gin files.

A macro that is set, but neither listed here nor read by a loaded file, is
reported as a misspelling. `docs/settings.md` and `flan-jax help` show this
table.
"""

from flan_jax.errors import ConfigError, nearest
from flan_jax.terminal.blocks import Row, Table

# Name -> meaning.
MACROS = {
  'ALLOW_MISSING': 'leave out members whose data is not prepared',
  'BATCH_ROWS': 'rows of a batch, over all devices',
  'CACHE_DIR': 'directory of the token caches',
  'CHAT_FORMAT': "PROMPT_FORMAT of a study's chat arm",
  'CHECKPOINT_PATH': "what to evaluate: a path, a list of them, 'all', 'best'",
  'CHECKPOINT_PERIOD': 'steps between checkpoints',
  'COMPILATION_CACHE_DIR': 'directory of compiled programs, or None',
  'COMPUTE_DTYPE': "'float32' or 'bfloat16'; parameters are always float32",
  'CONTAMINATED': 'JSON file: subset -> ids of rows seen in pretraining',
  'DATA_DIR': "TFDS data directory, or 'mini' for the shipped corpus",
  'DROPOUT_RATE': 'share of activations dropped in training',
  'EVAL_BASE': 'evaluate the initial parameters too, and compare',
  'EVAL_EXAMPLES': 'rows of a subset in examples.jsonl; 0 for none',
  'EVAL_MIXTURE': 'mixture or task to evaluate after training, or None',
  'EVAL_PERIOD': 'steps between evaluations on validation rows; 0 for none',
  'EVAL_ROWS': 'validation rows of a subset scored every EVAL_PERIOD steps',
  'EXEMPLAR_SEPARATOR': 'text after an exemplar; None for the end token',
  'FROZEN': 'regular expressions of the names of parameters not trained',
  'HARDWARE': "hardware to plan for, such as 'v4:4x4x4'; training ignores it",
  'INITIAL_CHECKPOINT_PATH': 'checkpoint that gives the initial parameters',
  'KEEP_BEST': 'validation metric whose best checkpoint is kept, or None',
  'KEEP_CHECKPOINTS': 'number of newest checkpoints to keep',
  'LEARNING_RATE': 'learning rate, constant after the warm-up',
  'MAX_EVAL_ROWS': 'maximum number of evaluated rows of a subset, or None',
  'MAX_NEW_TOKENS': 'maximum tokens of an answer, end token included, or None',
  'MESH_DATA': 'devices on the data axis; -1 for all remaining ones',
  'MESH_FSDP': 'devices on the fsdp axis',
  'MESH_MODEL': 'devices on the model axis',
  'MICROBATCHES': 'number of parts in which a batch is computed',
  'MIXTURE_OR_TASK_NAME': 'what to train on, evaluate, answer or cache',
  'MODEL_DIR': 'directory of checkpoints, metrics and results',
  'OUTPUT': 'file for the answers; None for standard output',
  'PACK_LENGTH': 'tokens of a row',
  'PERMUTE_TARGETS': "train each prompt on another row's target, as a control",
  'PIPELINE_OPTIONS': 'options of a Beam runner that makes the cache, or None',
  'PROMPT_DEV_ROWS': 'training rows of a subset held apart to choose the step',
  'PROMPT_FORMAT': "text around '{input}'; None for the end token after it",
  'PROMPT_INIT': "initial soft prompt: 'vocabulary', 'classes' or 'uniform'",
  'PROMPT_LENGTH': 'vectors of a soft prompt',
  'PROMPT_TRAIN_ROWS': 'rows of a subset a soft prompt is trained on, or None',
  'PROMPTS': "file of prompts: one a line, or .jsonl objects with 'prompt'",
  'PROMPTS_FROM': 'soft prompts to evaluate: MODEL_DIRs of prompt-tune',
  'REPORT': 'end a run with a report of its results in MODEL_DIR/report',
  'SEED': 'seed of initial parameters, order of examples, exemplars, dropout',
  'STOP': 'texts that end an answer',
  'TARGET_BUDGET': 'maximum target tokens of a row, or None for a default',
  'TASK_FEATURE_LENGTHS': "{'inputs': …, 'targets': …}, tokens of one example",
  'TEMPERATURE': 'divides the logits; 0 takes the most probable token',
  'TOKENS_PER_EVAL_BATCH': 'tokens of an evaluation batch, over all devices',
  'TOP_K': 'sample from the k most probable tokens; 0 for all',
  'TOP_P': 'sample from the most probable tokens of this mass; 1 for all',
  'TRACKERS': "where metrics go: 'tensorboard', 'wandb'; always metrics.jsonl",
  'TRAIN_STEPS': 'steps of the whole run',
  'VALIDATION_MIXTURE': 'whose validation rows to score during training',
  'VOCABULARY': "'mini', a tokenizer's file or folder, or 'package:NAME'",
  'WARMUP_STEPS': 'steps in which the learning rate rises to its value',
  'WRITE_OPTIONS': 'also let the model write an answer where options are given',
  'Z_LOSS': 'coefficient of the z-loss; 0 for none',
}


def describe(names: list[str]) -> Table:
  """Returns a row for each macro; for all macros if no name is given.

  >>> print(describe(['SEED']))
  SEED  seed of initial parameters, order of examples, exemplars, dropout

  Raises:
    ConfigError: there is no such macro.
  """
  for name in names:
    if name not in MACROS:
      raise ConfigError(f'no macro {name!r}{nearest(name, MACROS)}')
  rows = [Row((name, MACROS[name])) for name in names or MACROS]
  return Table(('', ''), rows, ruled=False)


def table() -> str:
  """Returns the Markdown table of `docs/settings.md`."""
  rows = [f'| `{name}` | {meaning} |' for name, meaning in MACROS.items()]
  return '\n'.join(['| macro | meaning |', '|---|---|', *rows])
