"""The macros of the shipped gin files.

A macro that is set, but neither listed here nor read by a loaded file, is
reported as a misspelling. `docs/settings.md` and `flan-jax help` show this
table.
"""

import dataclasses
import functools
import json
import pathlib

from flan_jax import configurables
from flan_jax.setting_types import words_for

_VALUES = pathlib.Path(__file__).with_name('macro_values.json')


@dataclasses.dataclass(frozen=True)
class Macro:
  """A macro of the shipped gin files.

  Attributes:
    parameter: A parameter that reads it. Its annotation is the type and range
      of the macro.
    meaning: What it is, with its unit.
  """

  parameter: str
  meaning: str

  @property
  def values(self) -> str:
    """The values that it takes, in words."""
    return words_for(configurables.kind(self.parameter))


MACROS = {
  'ALLOW_MISSING': Macro(
    'RunSetup.allow_missing',
    'leave out members that are not prepared or have no rows',
  ),
  'BASE_CHECKPOINT_PATH': Macro(
    'RunSetup.base_checkpoint',
    'where the base model of adapters is now, or None',
  ),
  'BATCH_ROWS': Macro(
    'PackingConfig.batch_rows', 'rows of a batch, over all devices'
  ),
  'CACHE_DIR': Macro('CacheConfig.cache_dir', 'directory of the token caches'),
  'CHAT_FORMAT': Macro(
    'CacheConfig.prompt_format', "PROMPT_FORMAT of a study's chat arm"
  ),
  'CHECKPOINT_PATH': Macro(
    'evaluate.checkpoint',
    "what to evaluate: a path, a list of them, 'all', 'best'",
  ),
  'CHECKPOINT_PERIOD': Macro(
    'LoopConfig.checkpoint_period', 'steps, or the time, between checkpoints'
  ),
  'COMPILATION_CACHE_DIR': Macro(
    'RunSetup.compilation_cache', 'directory of compiled programs, or None'
  ),
  'COMPUTE_DTYPE': Macro(
    'DecoderConfig.compute_dtype',
    'type of training and of writing answers; trained parameters are float32',
  ),
  'CONTAMINATED': Macro(
    'EvalConfig.contaminated',
    'JSON file: subset -> ids of rows seen in pretraining',
  ),
  'DATA_DIR': Macro(
    'CacheConfig.data_dir',
    "TFDS data directory, or 'mini' for the shipped corpus",
  ),
  'DECAY_STEPS': Macro(
    'OptimizerConfig.decay_steps',
    'steps after which a schedule with an end arrives, warm-up included',
  ),
  'DROPOUT_RATE': Macro(
    'DecoderConfig.dropout_rate', 'share of activations dropped in training'
  ),
  'EMA_DECAY': Macro(
    'OptimizerConfig.ema_decay',
    'decay of a moving average of the trained parameters, or None',
  ),
  'EVAL_BASE': Macro(
    'EvaluationSettings.base',
    'evaluate the initial parameters too, and compare',
  ),
  'EVAL_COMPUTE_DTYPE': Macro(
    'RunSetup.eval_compute_dtype',
    'type in which options are scored, whatever COMPUTE_DTYPE is',
  ),
  'EVAL_EXAMPLES': Macro(
    'EvalConfig.examples', 'rows of a subset in examples.jsonl; 0 for none'
  ),
  'EVAL_MIXTURE': Macro(
    'EvaluationSettings.mixture',
    'mixture or task to evaluate after training, or None',
  ),
  'EVAL_PERIOD': Macro(
    'LoopConfig.eval_period',
    'steps between evaluations on validation rows; 0 for none',
  ),
  'EVAL_ROWS': Macro(
    'EvaluationSettings.validation_rows',
    'validation rows of a subset scored every EVAL_PERIOD steps',
  ),
  'EXEMPLAR_SEPARATOR': Macro(
    'CacheConfig.exemplar_separator',
    'text after an exemplar; None for the end token',
  ),
  'FEWSHOT_EXEMPLARS': Macro(
    'RunSetup.exemplars',
    "'per_row': each evaluated row has its own; 'shared': all have the same",
  ),
  'FINAL_LEARNING_RATE': Macro(
    'OptimizerConfig.final_learning_rate',
    "rate at the end of the schedules 'linear' and 'cosine'",
  ),
  'FROZEN': Macro(
    'OptimizerConfig.frozen',
    'regular expressions of the names of parameters not trained',
  ),
  'HARDWARE': Macro(
    'plan.hardware',
    "hardware to plan for, such as 'v4:4x4x4'; training ignores it",
  ),
  'INITIAL_CHECKPOINT_PATH': Macro(
    'TrainSettings.initial_checkpoint',
    'checkpoint that gives the initial parameters',
  ),
  'KEEP_BEST': Macro(
    'LoopConfig.keep_best',
    'validation metric whose best checkpoint is kept, or None',
  ),
  'KEEP_CHECKPOINTS': Macro(
    'LoopConfig.keep_checkpoints', 'number of newest checkpoints to keep'
  ),
  'LEARNING_RATE': Macro(
    'OptimizerConfig.learning_rate', 'highest learning rate'
  ),
  'LEARNING_RATE_SCHEDULE': Macro(
    'OptimizerConfig.schedule',
    'how the learning rate goes on after the warm-up',
  ),
  'LOCAL_CHECKPOINT_DIR': Macro(
    'TrainSettings.local_checkpoint_dir',
    "directory on each host's own disk for copies between checkpoints",
  ),
  'LOCAL_CHECKPOINT_PERIOD': Macro(
    'LoopConfig.local_checkpoint_period',
    'steps between copies in LOCAL_CHECKPOINT_DIR',
  ),
  'LORA_ALPHA': Macro(
    'DecoderConfig.lora_alpha',
    'the product of an adapter is multiplied by this over LORA_RANK',
  ),
  'LORA_RANK': Macro(
    'DecoderConfig.lora_rank',
    'rank of the adapters that are trained on a frozen base; 0 for none',
  ),
  'LORA_TARGETS': Macro(
    'DecoderConfig.lora_targets',
    'regular expressions of the names of projections with an adapter',
  ),
  'MAX_EVAL_ROWS': Macro(
    'EvalConfig.max_rows',
    'maximum number of evaluated rows of a subset, or None',
  ),
  'MAX_NEW_TOKENS': Macro(
    'Ending.tokens', 'maximum tokens of an answer, end token included, or None'
  ),
  'MESH_DATA': Macro(
    'MeshConfig.data', 'devices on the data axis; -1 for all remaining ones'
  ),
  'MESH_FSDP': Macro('MeshConfig.fsdp', 'devices on the fsdp axis'),
  'MESH_MODEL': Macro('MeshConfig.model', 'devices on the model axis'),
  'MICROBATCHES': Macro(
    'LoopConfig.microbatches', 'number of parts in which a batch is computed'
  ),
  'MIXTURE_OR_TASK_NAME': Macro(
    'evaluate.mixture', 'what to train on, evaluate, answer or cache'
  ),
  'MODEL_DIR': Macro(
    'TrainSettings.model_dir', 'directory of checkpoints, metrics and results'
  ),
  'OPTIMIZER': Macro(
    'OptimizerConfig.optimizer',
    'what computes the update of a step',
  ),
  'OUTPUT': Macro(
    'infer.output', 'file for the answers; None for standard output'
  ),
  'PACK_LENGTH': Macro('PackingConfig.pack_length', 'tokens of a row'),
  'PARAM_DTYPE': Macro(
    'RunSetup.param_dtype',
    'type of the matrices that eval, infer and serve hold in memory',
  ),
  'PERMUTE_TARGETS': Macro(
    'TrainSettings.permute_targets',
    "train each prompt on another row's target, as a control",
  ),
  'PIPELINE_OPTIONS': Macro(
    'cache.pipeline_options',
    'options of a Beam runner that makes the cache, or None',
  ),
  'PROMPT_DEV_ROWS': Macro(
    'PromptSettings.dev_rows',
    'training rows of a subset held apart to choose the step',
  ),
  'PROMPT_FORMAT': Macro(
    'CacheConfig.prompt_format',
    "text around '{input}'; None for the end token after it",
  ),
  'PROMPT_INIT': Macro(
    'PromptSettings.init',
    "initial soft prompt: 'vocabulary', 'classes' or 'uniform'",
  ),
  'PROMPT_LENGTH': Macro('PromptSettings.length', 'vectors of a soft prompt'),
  'PROMPT_TRAIN_ROWS': Macro(
    'PromptSettings.train_rows',
    'rows of a subset a soft prompt is trained on, or None',
  ),
  'PROMPTS': Macro(
    'InferSource.prompts',
    "file of prompts: one a line, or .jsonl objects with 'prompt'",
  ),
  'PROMPTS_FROM': Macro(
    'evaluate.prompts_from',
    'soft prompts to evaluate: MODEL_DIRs of prompt-tune',
  ),
  'RECORD_PROMPTS': Macro(
    'EvalConfig.record_prompts', 'whether records.jsonl holds the prompts'
  ),
  'REPORT': Macro(
    'TrainSettings.report',
    'end a run with a report of its results in MODEL_DIR/report',
  ),
  'REQUIRE_HELD_OUT': Macro(
    'EvalConfig.require_held_out',
    'refuse a model that was trained on what is evaluated, or its cluster',
  ),
  'SEED': Macro(
    'RunSetup.seed',
    'seed of initial parameters, order of examples, exemplars, dropout',
  ),
  'SKIP_NONFINITE': Macro(
    'LoopConfig.skip_nonfinite',
    'steps that may be skipped because their loss is not finite',
  ),
  'STOP': Macro('EvalConfig.stop', 'texts that end an answer'),
  'TARGET_BUDGET': Macro(
    'PackingConfig.target_budget',
    'maximum target tokens of a row, or None for a default',
  ),
  'TASK_FEATURE_LENGTHS': Macro(
    'CacheConfig.lengths', "{'inputs': …, 'targets': …}, tokens of one example"
  ),
  'TEMPERATURE': Macro(
    'Sampling.temperature',
    'divides the logits; 0 takes the most probable token',
  ),
  'TOKENS_PER_EVAL_BATCH': Macro(
    'RunSetup.tokens_per_batch',
    'tokens of an evaluation batch, over all devices',
  ),
  'TOP_K': Macro(
    'Sampling.top_k', 'sample from the k most probable tokens; 0 for all'
  ),
  'TOP_P': Macro(
    'Sampling.top_p',
    'sample from the most probable tokens of this mass; 1 for all',
  ),
  'TRACKERS': Macro(
    'TrainSettings.trackers',
    "where metrics go: 'tensorboard', 'wandb'; always metrics.jsonl",
  ),
  'TRAIN_STEPS': Macro('LoopConfig.train_steps', 'steps of the whole run'),
  'USE_EMA': Macro(
    'RunSetup.use_ema',
    'evaluate, answer and serve with the moving average of parameters',
  ),
  'VALIDATION_MIXTURE': Macro(
    'EvaluationSettings.validation_mixture',
    'whose validation rows to score during training',
  ),
  'VOCABULARY': Macro(
    'RunSetup.vocabulary',
    "'mini', a tokenizer's file or folder, or 'package:NAME'",
  ),
  'WARMUP_STEPS': Macro(
    'OptimizerConfig.warmup_steps',
    'steps in which the learning rate rises to its value',
  ),
  'WEIGHT_DECAY': Macro(
    'OptimizerConfig.weight_decay',
    'share of a parameter that a step removes, times the rate for AdamW',
  ),
  'WRITE_OPTIONS': Macro(
    'EvalConfig.write_options',
    'also let the model write an answer where options are given',
  ),
  'Z_LOSS': Macro('LoopConfig.z_loss', 'coefficient of the z-loss; 0 for none'),
}


@functools.cache
def values() -> dict[str, str]:
  """Returns macro -> the values that it takes, in words.

  They are read from a file, because annotations are in modules that import JAX.
  `python -m flan_jax.macros` writes it; a test compares both.
  """
  return json.loads(_VALUES.read_text(encoding='utf-8'))


def table() -> str:
  """Returns the Markdown table of `docs/settings.md`."""
  rows = [f'| `{n}` | {m.values} | {m.meaning} |' for n, m in MACROS.items()]
  return '\n'.join(['| macro | values | meaning |', '|---|---|---|', *rows])


if __name__ == '__main__':
  _found = {name: macro.values for name, macro in MACROS.items()}
  _text = json.dumps(_found, indent=1, ensure_ascii=False)
  _VALUES.write_text(f'{_text}\n', encoding='utf-8')
