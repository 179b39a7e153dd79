"""Natural language inference: 7 datasets, 10 evaluated parts.

The three-way datasets ask whether the statement is true, given the text
(yes / it is impossible to tell / no); the two-way ones whether it follows.
"""

from flan_jax.data.dataset import Dataset, Part, Template
from flan_jax.data.registry import register

# Words of the three-way choice; `no` means that the text contradicts it.
_YES, _UNSURE, _NO = 'yes', 'it is impossible to tell', 'no'

RTE = register(
  Dataset(
    name='rte',
    version='1.0.0',
    cluster='nli',
    source='super_glue/rte:1.0.2',
    splits={
      'train': 'train[:-200]',
      'dev': 'train[-200:]',
      'test': 'validation',
    },
    rows={'train': 2290, 'dev': 200, 'test': 277},
    fields={'premise': 'premise', 'hypothesis': 'hypothesis'},
    label='label',
    choices={'entailment': 'yes', 'not_entailment': 'no'},
    metrics=('accuracy',),
    material='premise',
    group_key=('premise',),
    templates=(
      Template(
        '{premise}\n\nGoing by the text above, does it follow that '
        '"{hypothesis}"?\n{options}'
      ),
    )
    * 10,
  )
)
