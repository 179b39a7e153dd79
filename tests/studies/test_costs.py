"""Costs are those of hand-computed examples."""

import pytest

from flan_jax.batches.loader import PackingConfig
from flan_jax.definitions import names, registry
from flan_jax.model import DecoderConfig
from flan_jax.studies import costs
from flan_jax.studies.costs import Cost
from flan_jax.studies.design import StudyDesign
from flan_jax.testing import rule

registry.load()

# One layer of four 8 x 8 and three 8 x 16 matrices, and a vocabulary of 100.
_MODEL = DecoderConfig(
  vocab_size=100,
  num_layers=1,
  d_model=8,
  d_ff=16,
  num_heads=2,
  num_kv_heads=2,
  head_dim=4,
)
_PACKING = PackingConfig(batch_rows=4, pack_length=12, target_budget=12)


def _forward(tokens: float, targets: float, pairs: float) -> float:
  projections = 2 * tokens * (4 * 8 * 8)
  feed_forward = 2 * tokens * (3 * 8 * 16)
  return projections + feed_forward + 2 * 2 * 8 * pairs + 2 * 8 * 100 * targets


def test_training_reads_full_batches_and_predicts_a_sixth():
  plan = names.resolve('rule_train')
  cost = costs.training_cost(plan, _MODEL, _PACKING, steps=5)
  # 20 rows of 12 tokens, of which 2 are predicted; 12 x 13 / 2 pairs a row.
  assert cost == Cost(
    rows=rule.RULE.rows['train'],
    steps=5,
    tokens=240,
    flops=pytest.approx(3 * _forward(240, 40, 20 * 78)),
  )


def test_rows_of_a_mixture_are_those_of_its_members():
  plan = names.resolve('flan_clusters_1')
  rows = [member.part.rows['train'] for member in plan.members]
  cost = costs.training_cost(plan, _MODEL, _PACKING, steps=1)
  assert cost.rows == sum(rows) > len(rows)


@pytest.mark.parametrize('limit, rows', [(None, 600), (7, 14), (300, 400)])
def test_every_row_is_asked_under_every_template_of_the_mixture(limit, rows):
  # 100 validation and 500 test rows under three templates.
  cost = costs.evaluation_cost(names.resolve('rule_eval'), _MODEL, limit)
  prompts = 3 * rows
  assert cost.prompts == prompts
  pairs = prompts * 256 * 257 / 2
  assert cost.flops == pytest.approx(
    _forward(prompts * 256, prompts * 256 / 6, pairs)
  )
  assert (cost.rows, cost.steps, cost.tokens) == (0, 0, 0)


def test_inverted_templates_are_not_asked():
  plan = names.resolve('rte')
  (member,) = plan.members
  ordinary = [t for t in member.part.templates if not t.inverted]
  assert len(ordinary) < len(member.part.templates)
  cost = costs.evaluation_cost(plan, _MODEL, 1)
  assert cost.prompts == 2 * len(ordinary)


def test_exemplars_make_prompts_longer():
  none, one = (
    costs.evaluation_cost(names.resolve(name), _MODEL, 1)
    for name in ('rte', 'rte.1shot')
  )
  assert none.prompts == one.prompts
  assert one.flops > 2 * (none.flops - 2 * 800 * none.prompts * 256 / 6)


def test_a_cell_costs_its_training_and_each_evaluation():
  design = StudyDesign(
    {'tuned': {'train': 'rule_train'}, 'base': {}},
    ('rule',),
    {'some': {'mixture': 'rule_eval'}, 'all': {'mixture': 'rule_eval'}},
  )
  base, tuned = (
    costs.cell_cost(cell, _MODEL, _PACKING, 5, (7, None))
    for cell in design.cells()
  )
  assert base.prompts == tuned.prompts == 3 * (14 + 600)
  assert (base.steps, tuned.steps) == (0, 5)
  trained = costs.training_cost(
    names.resolve('rule_train'), _MODEL, _PACKING, 5
  )
  assert tuned.flops == pytest.approx(base.flops + trained.flops)


def test_hours_are_operations_by_the_published_rate():
  # A v4 chip: 275 TFLOP/s in bfloat16, of which 60 % are assumed.
  cost = Cost(flops=275e12 * 0.6 * 3600 * 64)
  assert cost.hours('v4:4x4x4', 'bfloat16') == pytest.approx(1)
  assert cost.hours('v4:2x2x4', 'bfloat16') == pytest.approx(4)


@pytest.mark.parametrize('hardware', [None, 'cpu:1'])
def test_hours_are_unknown_without_a_published_rate(hardware):
  assert Cost(flops=1e15).hours(hardware, 'float32') is None


def test_the_matrix_has_a_line_for_each_cell():
  design = StudyDesign(
    {'tuned': {'train': 'rule_train'}, 'base': {}},
    ('rule',),
    {'zero-shot': {'mixture': 'rule_eval'}},
  )
  base, tuned = design.cells()
  table = costs.matrix_table(
    [
      (base, Cost(prompts=1234), None, True),
      (tuned, Cost(2000, 5, 240, 1234, 2.5e15), 1.25, False),
    ]
  )
  assert [list(row.cells) for row in table.rows] == [
    ['base/rule/0', '-', '0', '0', '0', '1', '1,234', '0', '-', 'yes'],
    [
      *('tuned/rule/0', 'rule_train', '2,000', '5', '240', '1', '1,234'),
      *('2.5', '1.25', 'no'),
    ],
  ]
