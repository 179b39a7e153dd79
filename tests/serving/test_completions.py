"""Completions are those of the project's generator, in OpenAI's form."""

import concurrent.futures
import json
import math

import numpy as np
import pytest

from flan_jax.batches.packing import Example
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.scoring.rank import Scorer
from tests.evaluation.in_order import generate, score
from tests.serving import tiny_server

_PATH = '/v1/completions'
_PROMPTS = ('Is a horse an animal?', 'Say yes.', 'The whale swims. ' * 9)


def _post(client, **fields):
  response = client.post(_PATH, json=fields)
  assert response.status_code == 200, response.text
  return response.json()


def _ask(client, **fields):
  """Returns the only choice of a greedy answer, unless told otherwise."""
  found = _post(client, **{'temperature': 0, 'max_tokens': 12, **fields})
  (choice,) = found['choices']
  return choice


def _expected(model, limit, sampling=None):
  """Returns what the generator writes after each of the prompts."""
  served = tiny_server.served()
  vocabulary = served.vocabulary
  generator = Generator(
    served.config,
    served.mesh,
    vocabulary.end_ids,
    served.tokens_per_batch,
    sampling,
    vocabulary.size,
  )
  tokens = [served.framing.prompt(vocabulary.encode(p)) for p in _PROMPTS]
  answers = generate(
    generator, served.checkpoints[model], tokens, [limit] * len(tokens)
  )
  return [vocabulary.decode(ids) for ids in answers]


@pytest.mark.slow
def test_each_model_answers_as_the_generator_does(client):
  for model in ('first', 'second'):
    found = _post(
      client,
      model=model,
      prompt=list(_PROMPTS),
      max_tokens=12,
      temperature=0,
    )
    assert found['model'] == model
    assert found['object'] == 'text_completion'
    texts = [choice['text'] for choice in found['choices']]
    assert texts == _expected(model, 12)
    assert [choice['index'] for choice in found['choices']] == [0, 1, 2]
    usage = found['usage']
    assert usage['completion_tokens'] == 36
    assert usage['total_tokens'] == 36 + usage['prompt_tokens']
  assert _expected('first', 12) != _expected('second', 12)


@pytest.mark.slow
def test_draws_are_those_of_the_generator(client):
  found = _post(
    client,
    prompt=list(_PROMPTS),
    max_tokens=12,
    temperature=0.8,
    top_p=0.9,
    seed=3,
  )
  texts = [choice['text'] for choice in found['choices']]
  assert texts == _expected('first', 12, Sampling(0.8, 0, 0.9, 3))


@pytest.mark.slow
def test_without_a_seed_answers_differ(client):
  texts = {_ask(client, prompt='x', temperature=1)['text'] for _ in range(4)}
  assert len(texts) > 1


@pytest.mark.slow
def test_answers_do_not_depend_on_who_else_asks(client):
  asked = [
    {
      'prompt': _PROMPTS[n % 3],
      'max_tokens': 3 + n % 11,
      'model': ('first', 'second')[n % 2],
      'temperature': n % 4 / 4,
      'top_p': 1 - n % 3 / 10,
      'seed': n,
      'logprobs': (None, 2)[n % 2],
    }
    for n in range(24)
  ]
  alone = [_post(client, **fields)['choices'] for fields in asked]
  with concurrent.futures.ThreadPoolExecutor(24) as pool:
    together = list(pool.map(lambda f: _post(client, **f)['choices'], asked))
  for one, other in zip(alone, together, strict=True):
    assert one[0]['text'] == other[0]['text']
    assert one[0]['finish_reason'] == other[0]['finish_reason']


def test_a_stop_text_ends_an_answer(client):
  whole = _ask(client, prompt=_PROMPTS[0])
  stop = whole['text'][8:10]
  cut = _ask(client, prompt=_PROMPTS[0], stop=['never', stop], logprobs=0)
  assert cut['text'] == whole['text'].split(stop)[0]
  assert (cut['finish_reason'], whole['finish_reason']) == ('stop', 'length')


def _events(client, **fields):
  """Returns the objects of a stream, which must end as OpenAI's do."""
  response = client.post(_PATH, json={'stream': True, **fields})
  assert response.headers['content-type'].startswith('text/event-stream')
  *events, done, rest = response.text.split('\n\n')
  assert (done, rest) == ('data: [DONE]', '')
  return [json.loads(event.removeprefix('data: ')) for event in events]


def test_a_stream_gives_the_same_answers_in_pieces(client):
  whole = _post(
    client, prompt=list(_PROMPTS), max_tokens=30, temperature=0, logprobs=1
  )
  events = _events(
    client,
    prompt=list(_PROMPTS),
    max_tokens=30,
    temperature=0,
    logprobs=1,
    stream_options={'include_usage': True},
  )
  assert events[-1]['usage'] == whole['usage']
  assert len({event['id'] for event in events}) == 1
  for choice in whole['choices']:
    pieces = [
      piece
      for event in events
      for piece in event['choices']
      if piece['index'] == choice['index']
    ]
    assert len(pieces) > 2
    assert ''.join(piece['text'] for piece in pieces) == choice['text']
    *earlier, last = (piece['finish_reason'] for piece in pieces)
    assert (set(earlier), last) == ({None}, 'length')
    sent = [p['logprobs'] for p in pieces if p['logprobs']]
    own = [x for found in sent for x in found['token_logprobs']]
    np.testing.assert_allclose(own, choice['logprobs']['token_logprobs'])


def test_a_stream_holds_back_what_may_become_a_stop(client):
  text = _ask(client, prompt=_PROMPTS[0], max_tokens=30)['text']
  stop = text[20:40]
  events = _events(
    client, prompt=_PROMPTS[0], max_tokens=30, temperature=0, stop=stop
  )
  given = ''.join(event['choices'][0]['text'] for event in events)
  assert given == text.split(stop)[0]
  assert events[-1]['choices'][0]['finish_reason'] == 'stop'


def test_log_probabilities_are_those_of_the_scorer(client):
  served = tiny_server.served()
  choice = _ask(client, prompt=_PROMPTS[1], max_tokens=6, logprobs=5)
  tokens = served.vocabulary.encode
  prompt = served.framing.prompt(tokens(_PROMPTS[1]))
  generator = Generator(served.config, served.mesh, [-1], 2048)
  params = served.checkpoints['first']
  (answer,) = generate(generator, params, [prompt], [6])
  ((expected,),) = score(
    Scorer(served.config, served.mesh), params, [Example(prompt, (answer,))]
  )
  found = choice['logprobs']
  np.testing.assert_allclose(found['token_logprobs'], expected, rtol=1e-4)
  for own, top in zip(
    found['token_logprobs'], found['top_logprobs'], strict=True
  ):
    # A greedy token is the likeliest one.
    assert own == max(top.values())
    assert list(top.values()) == sorted(top.values(), reverse=True)
    assert sum(map(math.exp, top.values())) < 1


def _echoed(client, prompt, **fields):
  return _ask(client, prompt=prompt, echo=True, logprobs=1, **fields)


def test_an_echo_scores_the_prompt_itself(client):
  served = tiny_server.served()
  text = 'A horse is an animal. Yes'
  tokens = served.vocabulary.encode(text)
  choice = _echoed(client, text, max_tokens=0)
  assert (choice['text'], choice['finish_reason']) == (text, 'length')
  found = choice['logprobs']
  assert found['tokens'][0] and ''.join(found['tokens']) == text
  assert found['text_offset'][3] == len(''.join(found['tokens'][:3]))
  assert found['token_logprobs'][0] is found['top_logprobs'][0] is None
  ((expected,),) = score(
    Scorer(served.config, served.mesh),
    served.checkpoints['first'],
    [Example(tokens[:1], (tokens[1:],))],
  )
  np.testing.assert_allclose(found['token_logprobs'][1:], expected, rtol=1e-4)
  # The same tokens, sent as such.
  assert _echoed(client, tokens, max_tokens=0)['logprobs'] == found


def test_an_echo_tells_the_next_token_without_writing_it(client):
  tokens = tiny_server.served().vocabulary.encode('A horse is an animal. Yes')
  one = _echoed(client, tokens, max_tokens=1)
  written = _echoed(client, tokens, max_tokens=2)
  assert written['text'].startswith(one['text'])
  count = len(tokens) + 1
  for key in ('token_logprobs', 'tokens'):
    mine, longer = one['logprobs'][key], written['logprobs'][key]
    assert (len(mine), len(longer)) == (count, count + 1)
    if key == 'tokens':
      assert mine == longer[:count]
    else:
      np.testing.assert_allclose(mine[1:], longer[1:count], rtol=1e-4)


def test_a_special_token_in_an_echo_is_a_token(client):
  vocabulary = tiny_server.served().vocabulary
  text = 'A horse?</s>Yes'
  tokens = client.post(
    '/tokenize', json={'prompt': text, 'add_special_tokens': False}
  ).json()['tokens']
  assert tokens == [
    *vocabulary.encode('A horse?'),
    vocabulary.eos_id,
    *vocabulary.encode('Yes'),
  ]
  by_text, by_token = (
    _echoed(client, prompt, max_tokens=0)['logprobs']['token_logprobs']
    for prompt in (text, tokens)
  )
  assert by_text == by_token
  found = client.post('/detokenize', json={'tokens': tokens}).json()
  assert found['prompt'] == text


@pytest.mark.parametrize('neutral', [{'n': 1, 'best_of': None, 'user': 'me'}])
def test_parameters_that_change_nothing_are_accepted(client, neutral):
  assert _ask(client, prompt='x', **neutral)['text']
