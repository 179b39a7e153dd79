"""A name is resolved once, to everything that it stands for."""

import pytest

from flan_jax.definitions import names, registry
from flan_jax.definitions.mixture_plan import mixing_rate

registry.load()


def test_a_training_mixture_needs_training_and_validation_rows():
  plan = names.resolve('flan_holdout_nli')
  assert plan.purpose == 'train' and plan.held_out == 'nli'
  assert plan.excluded == ('paraphrase',)
  assert plan.splits_needed() == ('train', 'validation')
  assert plan.splits_needed(training=False) == ('validation', 'test')


def test_members_carry_datasets_and_parts():
  plan = names.resolve('flan_eval_nli')
  assert plan.splits_needed() == ('validation', 'test')
  member = next(m for m in plan.members if m.part.name == 'anli_r2')
  assert member.dataset is registry.find_part('anli_r2')[0]
  assert member.part == registry.find_part('anli_r2')[1]
  assert member.exemplar_part == member.part
  assert member.templates is None and member.shots == 0


def test_suffixes_of_a_mixture_are_those_of_its_members():
  plan = names.resolve('flan_eval_nli.5shot.named')
  assert {m.shots for m in plan.members} == {5}
  assert {m.format for m in plan.members} == {'named'}
  rte = next(m for m in plan.members if m.part.name == 'rte')
  assert rte.part.templates[0].input.startswith('[')
  assert rte.exemplar_part.format == 'named'


def test_a_task_is_a_mixture_of_one_for_training_and_evaluation():
  plan = names.resolve('anli:anli_r1.t3.2shot')
  (member,) = plan.members
  assert member.part.name == 'anli_r1' and member.part.dataset.name == 'anli'
  assert (member.templates, member.shots) == ((3,), 2)
  assert plan.purpose is None
  assert plan.splits_needed() == ('train', 'validation', 'test')


def test_a_dataset_of_several_parts_stands_for_those_that_train():
  plan = names.resolve('mnli.plain')
  (dataset,) = (d for d in registry.datasets() if d.name == 'mnli')
  trained = [p.name for p in dataset.resolve_parts() if p.trains]
  assert [m.part.name for m in plan.members] == trained
  assert {m.format for m in plan.members} == {'plain'}


def test_a_part_that_is_only_evaluated_takes_exemplars_from_another():
  (member,) = names.resolve('mnli_matched.3shot').members
  assert member.exemplar_part.name == 'mnli'
  wsc273 = [
    m
    for m in names.resolve('flan_eval_coreference.3shot').members
    if m.part.name == 'wsc273'
  ]
  assert wsc273[0].exemplar_part is None


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('flan_holdout_nli.rank', 'a mixture has the suffixes'),
    ('flan_holdout_nli.train_rows', 'flan_holdout_nli trains'),
    ('flan_eval_nli.train_rows', 'mnli_matched has no training rows'),
    ('flan_eval_nli.t9', 'of anli_r1 it has t0'),
    ('flan_controls_nli_templates.t0', 'it has t'),
    ('rte.t99', 'has templates t0 to t'),
    ('rtee', 'nearest: rte'),
    ('rte.0shot', 'number of exemplars is 1 to 16'),
    ('rte.17shot', 'number of exemplars is 1 to 16'),
    ('wsc273.3shot', 'no training rows'),
    ('rte.t9.rank', 'inverted'),
    ('anli_r7', 'anli_r1'),
    ('flan_heldout_nli', 'flan_holdout_nli'),
    ('rte t1', 'the grammar is'),
  ],
)
def test_a_wrong_name_is_refused_with_a_way_out(name, message):
  with pytest.raises(registry.UnknownNameError, match=message):
    names.resolve(name)


def test_a_mixture_may_have_one_template_of_every_member():
  plan = names.resolve('flan_eval_nli.t2.3shot')
  assert {(m.templates, m.shots) for m in plan.members} == {((2,), 3)}


def test_training_rows_are_only_evaluated():
  plan = names.resolve('flan_eval_sentiment.t0.train_rows')
  assert plan.splits_needed() == ('validation', 'test')
  for member in plan.members:
    declared = registry.find_part(member.part.name)[1]
    assert member.part.splits == {'test': declared.splits['train']}
    assert not member.part.trains and member.part != declared
  (first, *_) = names.task_names(plan.members[0])
  assert first == f'{plan.members[0].part.name}.t0.train_rows'
  # A task means the same, and takes exemplars from the same rows.
  (task,) = names.resolve(f'{first}.2shot').members
  assert task.part == plan.members[0].part
  assert task.exemplar_part == registry.find_part(task.part.name)[1]


def test_equal_parts_hash_alike_in_each_format():
  plain = [names.resolve('rte.plain').members[0].part for _ in range(2)]
  assert plain[0] == plain[1] and len(set(plain)) == 1
  assert plain[0] != names.resolve('rte').members[0].part


def test_rows_beyond_the_cap_add_no_weight():
  assert [mixing_rate(n) for n in (10, 3000, 30_000)] == [10, 3000, 3000]


def test_fitshot_takes_as_many_exemplars_as_fit():
  assert names.resolve('rte.t2.fitshot').members[0].shots == names.MAX_SHOTS
