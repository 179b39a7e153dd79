"""What a training run draws, for people to read."""

from collections.abc import Sequence
import json

from flan_jax.batches.drawn import drawn
from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.loader import BatchPlan
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.rendering.exemplars import too_few, too_few_text
from flan_jax.runs.train_settings import TrainSettings
from flan_jax.runtime import processes, recorded_files
from flan_jax.vocabulary.base import Vocabulary

_FILE = 'data.json'


def log(
  plan: BatchPlan,
  splits: Sequence[CachedSplit],
  settings: TrainSettings,
  step: int,
) -> None:
  """Logs the data of a run that has taken `step` steps."""
  packing = settings.packing
  adapted = [split.name for split in splits if split.manifest['adapted']]
  if adapted:
    processes.log(f'splits adapted to a smaller copy: {", ".join(adapted)}')
  for split in splits:
    if isinstance(split, FewShotSplit):
      shown = split.exemplar_counts.mean()
      if too_few(split.shots, shown):
        found = split.exemplars_found
        processes.log(too_few_text(split.name, split.shots, shown, found))
  if settings.permute_targets:
    processes.log('targets are permuted inside each dataset')
  rows = sum(split.num_rows for split in splits)
  processes.log(
    f'training on {len(splits)} subsets, {rows} rows; batches of '
    f'{packing.batch_rows} x {packing.pack_length} tokens, '
    f'{plan.capacity.targets} target tokens per row, fill '
    f'{plan.fill(step):.3f}'
  )


def write(
  plan: BatchPlan, settings: TrainSettings, vocabulary: Vocabulary
) -> None:
  """Writes MODEL_DIR/data.json."""
  found = drawn(plan, settings.loop.train_steps, vocabulary)
  text = f'{json.dumps(found, indent=1)}\n'
  recorded_files.write(settings.model_dir, {_FILE: text})
