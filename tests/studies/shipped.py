"""The shipped studies, and a small one for tests."""

from flan_jax.config import shipped_gin_dir

# `scale.smoke.gin` is no study, but what `scale` changes at one size.
STUDIES = sorted(
  path.stem
  for path in (shipped_gin_dir() / 'experiments').glob('*.gin')
  if '.' not in path.stem
)

# A study of the generated dataset; its TRAIN_STEPS are to be added.
TINY = """
study.panel = 'main'
study.holdouts = ('testing',)
study.arms = {'base': {}, 'tuned': {'train': 'rule_train'}}
study.evaluations = {'zero-shot': {'mixture': 'rule_eval'}}

TASK_FEATURE_LENGTHS = {'inputs': 128, 'targets': 16}
PACK_LENGTH = 256
TARGET_BUDGET = 256
MAX_EVAL_ROWS = 4
EVAL_EXAMPLES = 0
"""
