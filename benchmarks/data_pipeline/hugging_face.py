"""Hugging Face's input: an Arrow dataset that TRL packs before reading."""

from collections.abc import Iterator
import time

import datasets
import numpy as np
import pyarrow as pa
import torch
from trl import pack_dataset
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from benchmarks.data_pipeline.own import IGNORED, Batch, OwnSide, Task

# Examples that are packed together; TRL's default of 1,000 fills rows less.
_PACKED_TOGETHER = 10_000


class HuggingFaceSide:
  """Reads one window of the mixture's examples, packed once."""

  def __init__(self, own: OwnSide, task: Task, name: str):
    """Initializes the side; its files go to a folder of that name."""
    self._own = own
    self._folder = task.folder / name
    self._task = task

  def make_dataset(self) -> float:
    """Writes the tokenized examples and packs them.

    Returns:
      Seconds that packing took.
    """
    datasets.disable_progress_bars()
    tokens = datasets.List(datasets.Value('int32'))
    examples = datasets.Dataset.from_generator(
      self._own.examples,
      cache_dir=str(self._folder),
      features=datasets.Features({'input_ids': tokens, 'labels': tokens}),
    )
    begin = time.perf_counter()
    self._packed = pack_dataset(
      examples,
      self._task.packing.pack_length,
      strategy='bfd',
      map_kwargs={'batch_size': _PACKED_TOGETHER},
    )
    return time.perf_counter() - begin

  def trained(self) -> Iterator[Batch]:
    """Yields batches of TRL's collator, as its trainer reads them."""
    loader = torch.utils.data.DataLoader(
      self._packed,
      batch_size=self._task.packing.batch_rows,
      shuffle=True,
      drop_last=True,
      collate_fn=DataCollatorForLanguageModeling(
        pad_token_id=0,
        return_position_ids=True,
        pad_to_multiple_of=self._task.packing.pack_length,
      ),
      generator=torch.Generator().manual_seed(self._task.seed),
    )
    while True:
      for batch in loader:
        yield _from_tensors(batch)

  def arrow(self) -> Iterator[Batch]:
    """Yields batches made from the Arrow buffers, without a collator."""
    number = 0
    packed = self._packed.with_format('arrow')
    while True:
      # Reading through the indices of a shuffled dataset is slower.
      rows = packed.shuffle(seed=self._task.seed + number).flatten_indices(
        keep_in_memory=True
      )
      for table in rows.iter(
        self._task.packing.batch_rows, drop_last_batch=True
      ):
        yield self._collate(table)
      number += 1

  def _collate(self, table: pa.Table) -> Batch:
    shape = self._task.shape
    batch = {
      name: np.zeros(shape, np.int32)
      for name in ('tokens', 'segments', 'positions')
    }
    batch['labels'] = np.full(shape, IGNORED, np.int32)
    tokens, labels, lengths = (
      table[name].combine_chunks()
      for name in ('input_ids', 'labels', 'seq_lengths')
    )
    for row in range(shape[0]):
      ids = tokens[row].values.to_numpy()
      places = slice(0, len(ids))
      sizes = lengths[row].values.to_numpy()
      starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
      numbers = np.arange(1, len(sizes) + 1)
      batch['tokens'][row, places] = ids
      batch['labels'][row, places] = labels[row].values.to_numpy()
      batch['segments'][row, places] = np.repeat(numbers, sizes)
      batch['positions'][row, places] = np.arange(len(ids)) - starts
    batch['loss_mask'] = (batch['labels'] != IGNORED).astype(np.int32)
    return batch


def _from_tensors(batch: dict[str, torch.Tensor]) -> Batch:
  """Converts the collator's batch; segments start where positions are 0."""
  positions = batch['position_ids']
  segments = (positions == 0).cumsum(1) * batch['attention_mask']
  found = {
    'tokens': batch['input_ids'],
    'segments': segments,
    'positions': positions,
    'labels': batch['labels'],
    'loss_mask': batch['labels'] != IGNORED,
  }
  return {name: value.to(torch.int32).numpy() for name, value in found.items()}


def sequence(tokens: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Returns a whole sequence, whose labels are not shifted."""
  del labels
  return tokens
