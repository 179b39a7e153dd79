"""How far the answers of two sides agree."""

from benchmarks.generate import results


def test_agreement_counts_the_tokens_before_the_first_difference():
  class Words:
    def decode(self, ids):
      return ' '.join(map(str, ids))

  found = results.agreement(Words(), [[1, 2, 3], [4]], [[1, 9, 3], [4]])
  assert found == {'same_texts': 0.5, 'same_tokens': 0.5}
