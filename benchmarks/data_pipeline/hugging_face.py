"""Hugging Face's input: an Arrow dataset that TRL packs before reading."""

from collections.abc import Iterator
import itertools
import time

import datasets
import numpy as np
import pyarrow as pa
import torch
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from benchmarks.data_pipeline.own import ARRAYS, IGNORED, Batch, OwnSide, Task

# Examples that are packed together; TRL's default of 1,000 fills rows less.
_PACKED_TOGETHER = 10_000


def make_dataset(own: OwnSide, task: Task) -> tuple[datasets.Dataset, float]:
  """Returns the examples of one window, packed, and the seconds of packing."""
  datasets.disable_progress_bars()
  tokens = datasets.List(datasets.Value('int32'))
  examples = datasets.Dataset.from_generator(
    own.examples,
    cache_dir=str(task.folder / 'hugging_face'),
    features=datasets.Features({'input_ids': tokens, 'labels': tokens}),
  )
  begin = time.perf_counter()
  packed = pack_dataset(
    examples,
    task.packing.pack_length,
    strategy='bfd',
    map_kwargs={'batch_size': _PACKED_TOGETHER},
  )
  return packed, time.perf_counter() - begin


def trainer(packed: datasets.Dataset, task: Task) -> Iterator[Batch]:
  """Yields batches of TRL's collator, as its trainer reads them."""
  loader = torch.utils.data.DataLoader(
    packed,
    batch_size=task.packing.batch_rows,
    shuffle=True,
    drop_last=True,
    collate_fn=DataCollatorForLanguageModeling(
      pad_token_id=0,
      return_position_ids=True,
      pad_to_multiple_of=task.packing.pack_length,
    ),
    generator=torch.Generator().manual_seed(task.seed),
  )
  while True:
    for batch in loader:
      positions = batch['position_ids']
      segments = (positions == 0).cumsum(1) * batch['attention_mask']
      mask = batch['labels'] != IGNORED
      found = (batch['input_ids'], segments, positions, batch['labels'], mask)
      arrays = (array.to(torch.int32).numpy() for array in found)
      yield dict(zip(ARRAYS, arrays, strict=True))


def arrow(packed: datasets.Dataset, task: Task) -> Iterator[Batch]:
  """Yields batches made from the Arrow buffers, without a collator."""
  packed = packed.with_format('arrow')
  for seed in itertools.count(task.seed):
    # Reading through the indices of a shuffled dataset is slower.
    rows = packed.shuffle(seed=seed).flatten_indices(keep_in_memory=True)
    for table in rows.iter(task.packing.batch_rows, drop_last_batch=True):
      yield _collate(table, task.shape)


def _collate(table: pa.Table, shape: tuple[int, int]) -> Batch:
  batch = {name: np.zeros(shape, np.int32) for name in ARRAYS}
  batch['labels'][:] = IGNORED
  columns = (
    table[name].combine_chunks()
    for name in ('input_ids', 'labels', 'seq_lengths')
  )
  for row, scalars in enumerate(zip(*columns, strict=True)):
    ids, labels, sizes = (scalar.values.to_numpy() for scalar in scalars)
    places = slice(0, len(ids))
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    batch['tokens'][row, places] = ids
    batch['labels'][row, places] = labels
    numbers = np.arange(1, len(sizes) + 1)
    batch['segments'][row, places] = np.repeat(numbers, sizes)
    batch['positions'][row, places] = np.arange(len(ids)) - starts
  batch['loss_mask'][:] = batch['labels'] != IGNORED
  return batch
