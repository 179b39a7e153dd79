"""What scorers and generators find, in the order of the queue."""


def generate(generator, params, prompts, limits, **options) -> list[list[int]]:
  """Returns the answer to each prompt."""
  found = dict(generator.answers(params, prompts, limits, **options))
  return [found[index] for index in range(len(prompts))]


def score(scorer, params, examples) -> list:
  """Returns the log-likelihoods of each example's options."""
  found = dict(scorer.scored(params, examples))
  return [found[index] for index in range(len(examples))]
