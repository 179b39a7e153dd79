"""Writes what a prepared TFDS dataset is recognized by."""

import json
import os
import pathlib


def pretend_copy(root: str | os.PathLike, folder: str, **sizes: int) -> None:
  """Writes the dataset_info.json of a prepared TFDS dataset.

  Args:
    root: TFDS data directory.
    folder: Folder of the dataset.
    **sizes: Split -> rows.
  """
  path = pathlib.Path(root, folder)
  path.mkdir(parents=True)
  splits = [
    # In two shards, like large splits.
    {'name': name, 'shardLengths': [str(rows - rows // 2), str(rows // 2)]}
    for name, rows in sizes.items()
  ]
  (path / 'dataset_info.json').write_text(json.dumps({'splits': splits}))
