"""What the published FLAN templates call datasets and fields.

A template set may be a user's own copy of the templates that were published
with FLAN (google-research/FLAN, `flan/templates.py`): a dictionary
`PATTERNS = {key: [(input, target), ...]}`. `tasks/published/names.json`
translates its keys and field names to ours. The names come from that file, and
the contents of the fields from the preprocessing in `flan/tasks.py`, both as of
commit e9e4ec6 (2023). The templates themselves are not included.

Some fields differ in more than the name:

- The published `query` of ReCoRD and `context` of WinoGrande end at the gap,
  and each option carries the rest of the sentence. Ours show the whole
  sentence with its gap, and the options fill it.
- The published text of WSC does not mark the pronoun; ours does.
- `first_review` is one of Rotten Tomatoes' reviews; ours are shown together.
- Our passage of ReCoRD keeps its highlights.
- The published `question` of the math dataset is the whole problem, always in
  the same form.
"""

import functools
import importlib.resources
import json


@functools.cache
def _table() -> dict[str, dict]:
  """Returns published key -> datasets, and dataset -> field -> pattern."""
  file = importlib.resources.files('flan_jax.tasks') / 'published/names.json'
  return json.loads(file.read_text(encoding='utf-8'))


def keys() -> tuple[str, ...]:
  """Returns every published key."""
  renamed = _table()['datasets']
  served = {name for names in renamed.values() for name in names}
  return (
    *renamed,
    *(name for name in _table()['fields'] if name not in served),
  )


def datasets_of(key: str) -> tuple[str, ...]:
  """Returns our names for a published key, or for a name of ours.

  >>> datasets_of('para_crawl'), datasets_of('rte')
  (('para_crawl_enes',), ('rte',))
  """
  return tuple(_table()['datasets'].get(key, (key,)))


def fields_of(name: str) -> dict[str, str]:
  """Returns published field -> pattern in our fields.

  >>> fields_of('stsb')['answer_str'], fields_of('stsb')['options_']
  ('{answer}', '{options}')

  Args:
    name: Our dataset or part. One that is not published has only the options.
  """
  return {'options_': '{options}', **_table()['fields'].get(name, {})}
