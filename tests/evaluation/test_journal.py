"""Answers are found again, unless they belong to another evaluation."""

from flan_jax.evaluation.journal import Journal


def _filled(path, key, answers):
  journal = Journal(path, key)
  for name, answer in answers.items():
    journal.add(name, answer)
  journal.flush()


def test_answers_come_back(tmp_path):
  path = tmp_path / 'a/answers.jsonl'
  answers = {'ranked 0': [[-1.25, -1.0, 2, 1]], 'written 0': [5, 6]}
  _filled(path, {'params': 1, 'templates': [None, (1, 2)]}, answers)
  assert Journal(path, {'params': 1, 'templates': [None, (1, 2)]}).found == (
    answers
  )


def test_answers_of_another_evaluation_are_discarded(tmp_path):
  path = tmp_path / 'answers.jsonl'
  _filled(path, {'params': 1}, {'ranked 0': 1})
  other = Journal(path, {'params': 2})
  assert other.found == {}
  assert Journal(path, {'params': 1}).found == {}


def test_a_line_that_was_cut_is_discarded(tmp_path):
  path = tmp_path / 'answers.jsonl'
  _filled(path, {'params': 1}, {'ranked 0': 1, 'ranked 1': 2})
  path.write_bytes(path.read_bytes()[:-4])
  _filled(path, {'params': 1}, {'ranked 1': 3})
  assert Journal(path, {'params': 1}).found == {'ranked 0': 1, 'ranked 1': 3}


def test_lines_damaged_inside_are_asked_again(tmp_path, caplog):
  path = tmp_path / 'answers.jsonl'
  _filled(path, {'params': 1}, {'ranked 0': 1, 'ranked 1': 2, 'ranked 2': 3})
  whole = path.read_bytes()
  key, *_ = whole.splitlines()
  answers = {'ranked 0': 1, 'ranked 1': 2, 'ranked 2': 3}
  for place in range(len(key) + 1, len(whole) - 1):
    flipped = bytearray(whole)
    flipped[place] ^= 1 << place % 8
    path.write_bytes(flipped)
    found = Journal(path, {'params': 1}).found
    assert found.items() < answers.items()
  assert 'answers.jsonl are damaged' in caplog.text
  # The first line names the evaluation.
  path.write_bytes(b'\xff' + whole)
  assert Journal(path, {'params': 1}).found == {}


def test_without_a_path_nothing_is_written():
  nowhere = Journal()
  nowhere.add('ranked 0', 1)
  nowhere.flush()
  assert nowhere.found == {'ranked 0': 1}


def test_a_queue_is_completed_with_the_missing_answers_only():
  journal, asked, counts = Journal(), [], []
  journal.add('ranked 1', 'known')

  def find(numbers):
    asked.extend(numbers)
    # In another order than asked.
    for index in reversed(range(len(numbers))):
      yield index, f'answer {numbers[index]}'

  found = journal.complete('ranked', 3, find, counts.append)
  assert asked == [0, 2]
  assert found == ['answer 0', 'known', 'answer 2']
  assert sum(counts) == 3
