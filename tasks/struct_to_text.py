"""Struct-to-text: 4 datasets that turn words, records or triples into prose.

Each dataset has its structure in two fields, inline and as a list, so that
templates can show it within a sentence or one item per line.
"""

from etils import epy
from flan_jax.tasks.fields import replace, tidy

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

_SPLITS = {
  'train': 'train[:30000]',
  'validation': 'train[-200:]',
  'test': 'validation',
}
_METRICS = ('rouge1', 'rouge2', 'rougeLsum')

# Attributes of restaurants: their raw names, and the names in words.
_ATTRIBUTES = (
  (r'\beatType\b', 'type'),
  (r'\bpriceRange\b', 'price range'),
  (r'\bfamilyFriendly\b', 'family friendly'),
)


def _texts(row):
  """Returns the target, then the references: strings [T], T may be 0.

  Training rows have no references, evaluation rows repeat the target among
  them, and rows with a hidden text have neither.
  """
  texts = tf.concat([[row['target']], row['references']], axis=0)
  texts = tidy(texts)
  return tf.unique(tf.boolean_mask(texts, texts != ''))[0]


def _has_text(row):
  """Drops rows with a missing or hidden text."""
  return tf.size(_texts(row)) > 0


def _inline(values):
  return tf.strings.reduce_join(values, separator='; ')


def _lines(values):
  return tf.strings.reduce_join(values, separator='\n')


def _concepts(row):
  return tf.strings.reduce_join(tidy(row['concepts']), separator=', ')


def _concept_lines(row):
  return _lines(tidy(row['concepts']))


def _records(row):
  """Returns the records of a table without markup, strings [R].

  "[TABLECONTEXT] [TITLE] 1994 Cup" becomes "TITLE 1994 Cup".
  """
  records = replace(
    row['tripleset'],
    (r'(?i)\[tablecontext\]', ''),
    (r'(?i)\[title\]', 'TITLE'),
    (r'_', ' '),
    (r' "([^"]*)"$', r' \1'),
    (r' "([^"]*)"\((\w+)\)$', r' \1 (\2)'),
    *_ATTRIBUTES,
  )
  return tidy(records)


def _record_row(row):
  return _inline(_records(row))


def _record_lines(row):
  return _lines(_records(row))


def _attribute_lines(row):
  """Turns "name[Aldo], eatType[pub]" into lines "name: Aldo", "type: pub"."""
  text = replace(tidy(row['meaning_representation']), *_ATTRIBUTES)
  text = tf.strings.regex_replace(text, r'\[([^\]]*)\](?:,\s*)?', ': \\1\n')
  return tf.strings.strip(text)


def _attributes(row):
  return tf.strings.regex_replace(_attribute_lines(row), r'\n', '; ')


def _relation_words(relations):
  """Returns the names of relations in words; abbreviations stay in capitals.

  "cityServed" becomes "city served", "OCLC_number" "OCLC number".
  """
  spaced = replace(
    relations,
    (r'([a-z0-9])([A-Z])', r'\1 \2'),
    (r'([A-Z])([A-Z][a-z])', r'\1 \2'),
  )
  words = tf.strings.split(spaced)
  flat = words.flat_values
  abbreviated = tf.strings.regex_full_match(flat, r'\(?[A-Z][A-Z0-9]+\)?')
  flat = tf.where(abbreviated, flat, tf.strings.lower(flat))
  return tf.strings.reduce_join(
    words.with_flat_values(flat), axis=-1, separator=' '
  )


def _unquoted(text):
  """Turns '"Retired"' into Retired, '"52.0"(minutes)' into 52.0 (minutes)."""
  return replace(
    text, (r'^"([^"]*)"$', r'\1'), (r'^"([^"]*)"(\(.*\))$', r'\1 \2')
  )


def _triples(row):
  """Returns triples as "subject | relation | object" in words, strings [T]."""
  text = tf.strings.regex_replace(row['input'], r'_', ' ')
  parts = [
    tidy(tf.strings.regex_replace(text, r'^(.*?) \| (.*?) \| (.*)$', group))
    for group in (r'\1', r'\2', r'\3')
  ]
  subject, value = _unquoted(parts[0]), _unquoted(parts[2])
  relation = _relation_words(parts[1])
  return tf.strings.join([subject, relation, value], separator=' | ')


def _triple_row(row):
  return _inline(_triples(row))


def _triple_lines(row):
  return _lines(_triples(row))


COMMON_GEN = register(
  Dataset(
    name='common_gen',
    title='Struct to text: CommonGen',
    version='1.0.0',
    cluster='struct_to_text',
    source='gem/common_gen:1.1.0',
    homepage='https://inklab.usc.edu/CommonGen/',
    licence='MIT',
    splits=_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 993},
    fields={'concepts': _concepts, 'concept_lines': _concept_lines},
    optional=('concepts', 'concept_lines'),
    answers=_texts,
    keep=_has_text,
    metrics=_METRICS,
    truncatable=('concepts', 'concept_lines'),
    group_key=('concepts',),
    plain=(Template('{concepts}'),),
    templates=(
      Template(
        'Write one sentence about an everyday scene in which all of these '
        'words occur: {concepts}'
      ),
      Template(
        '{concepts}\n\nThese ideas belong together in a single picture. What '
        'is going on in it?'
      ),
      Template('Words:\n{concept_lines}\n\nSentence:'),
      Template(
        'My pupils get a few words and must build a sensible sentence from '
        'them. Today they have "{concepts}". What might a good pupil hand in?'
      ),
      Template(
        'Describe a situation that is likely in real life. Use every item on '
        'the list; its form may change, as from "run" to "running".\n\n'
        '{concept_lines}'
      ),
      Template(
        'Can you use {concepts} together in something that people might say?'
      ),
      Template(
        'Given concepts: {concepts}\nTurn them into a plausible event, told '
        'briefly and grammatically.'
      ),
      Template(
        '{concept_lines}\n\nCombine the above, leaving none out, in a short '
        'and natural line.'
      ),
      Template(
        'Somebody wrote: {answer}\nWhich key words, in their dictionary form, '
        'had to be included?',
        target='{concepts}',
        inverted=True,
      ),
      Template(
        '{answer}\n\nReduce this to its most important nouns and verbs, one '
        'below the other.',
        target='{concept_lines}',
        inverted=True,
      ),
    ),
  )
)

DART = register(
  Dataset(
    name='dart',
    title='Struct to text: DART',
    version='1.0.0',
    cluster='struct_to_text',
    source='gem/dart:1.1.0',
    homepage='https://github.com/Yale-LILY/dart',
    licence='MIT',
    splits=_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 2768},
    fields={'records': _record_row, 'record_lines': _record_lines},
    optional=('records', 'record_lines'),
    answers=_texts,
    keep=_has_text,
    metrics=_METRICS,
    truncatable=('records', 'record_lines'),
    group_key=('records',),
    derived_from=('e2e_nlg', 'web_nlg_en'),
    plain=(Template('{records}'),),
    templates=(
      Template(
        'Write a short text that says in plain English what these records '
        'contain.\n\n{record_lines}'
      ),
      Template(
        'Each entry names a thing, one of its properties and the value. Put '
        'every entry into words.\n{record_lines}'
      ),
      Template('Table: {records}\nIn words:'),
      Template(
        'I exported this from a spreadsheet:\n{records}\nCould you tell me in '
        'a sentence or two what it means?'
      ),
      Template(
        '{record_lines}\n\nA radio presenter has to read out the above. What '
        'should she say?'
      ),
      Template(
        'Write a fluent description that includes all of the notes "{records}" '
        'and can be understood without them.'
      ),
      Template(
        'Data: {records}\n\nReport it as a journalist would, adding nothing '
        'of your own.'
      ),
      Template(
        '{records}\nHow would you explain that to a reader who cannot open '
        'the file?'
      ),
      Template(
        'List what this text states as thing, relation and value, with '
        'semicolons between the statements: {answer}',
        target='{records}',
        inverted=True,
      ),
      Template(
        '{answer}\n\nFrom which table entries was this written? Give them '
        'line by line.',
        target='{record_lines}',
        inverted=True,
      ),
    ),
  )
)

E2E_NLG = register(
  Dataset(
    name='e2e_nlg',
    title='Struct to text: E2E NLG',
    version='1.0.0',
    cluster='struct_to_text',
    source='gem/e2e_nlg:1.1.0',
    homepage='https://github.com/tuetschek/e2e-dataset',
    licence='CC BY-SA 4.0',
    splits=_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 4299},
    fields={'attributes': _attributes, 'attribute_lines': _attribute_lines},
    optional=('attributes', 'attribute_lines'),
    answers=_texts,
    keep=_has_text,
    metrics=_METRICS,
    truncatable=('attributes', 'attribute_lines'),
    group_key=('attributes',),
    plain=(Template('{attributes}'),),
    note=(
      'Every row has one reference. Rows that describe the same place are not '
      'pooled, so scores are lower than with all references of a place.'
    ),
    templates=(
      Template(
        'Tell a visitor about this venue, mentioning each detail.\n\n'
        '{attribute_lines}'
      ),
      Template(
        'A guide book lists a place to eat as follows: {attributes}\nWrite '
        'the listing out in full sentences.'
      ),
      Template('Details: {attributes}\nBlurb:'),
      Template(
        '{attribute_lines}\n\nIf a friend asked you what it is like there, '
        'what would you answer, knowing only the above?'
      ),
      Template(
        'You answer the phone in a tourist office, and your screen shows '
        'this:\n{attribute_lines}\nWhat do you say to the caller?'
      ),
      Template(
        'Please word the profile below for our restaurant website, in one or '
        'two sentences.\n{attributes}'
      ),
      Template(
        'Turn "{attributes}" into a natural description of somewhere to eat '
        'or drink.'
      ),
      Template(
        'Restaurant facts:\n\n{attribute_lines}\n\nExpress all of them in '
        'complete sentences, and do not invent any others.'
      ),
      Template(
        '{attributes}\n\nHow would you say that to people who want to go out '
        'tonight?'
      ),
      Template(
        'Fill in a form from this review. Write each property with its value, '
        'as in "parking: free", and a semicolon after all but the last.\n\n'
        '{answer}',
        target='{attributes}',
        inverted=True,
      ),
    ),
  )
)

WEB_NLG_EN = register(
  Dataset(
    name='web_nlg_en',
    title='Struct to text: WebNLG',
    version='1.0.0',
    cluster='struct_to_text',
    source='gem/web_nlg_en:1.1.0',
    homepage='https://synalp.gitlabpages.inria.fr/webnlg-challenge/',
    licence='CC BY-NC-SA 4.0',
    splits=_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 1667},
    fields={'triples': _triple_row, 'triple_lines': _triple_lines},
    optional=('triples', 'triple_lines'),
    answers=_texts,
    keep=_has_text,
    metrics=_METRICS,
    truncatable=('triples', 'triple_lines'),
    group_key=('triples',),
    plain=(Template('{triples}'),),
    templates=(
      Template(
        'Express the following knowledge in good English prose.\n\n'
        '{triple_lines}'
      ),
      Template('Knowledge graph: {triples}\nText:'),
      Template(
        '{triple_lines}\n\nOn each line, the first item is related to the '
        'last by the middle one. Say all this in connected sentences.'
      ),
      Template(
        'A robot must turn what it has found on the web into the beginning of '
        'an article. Its findings: {triples}\nWhat does it write?'
      ),
      Template(
        'Write up these statements so that people understand them at first '
        'reading: {triples}'
      ),
      Template(
        'The facts below are connected.\n{triple_lines}\nPlease explain who or '
        'what they are about, without leaving any of them out.'
      ),
      Template('Could you put "{triples}" into words?'),
      Template(
        '{triples}\n\nSomeone who has never worked with such notation wants '
        'to know what it tells us. Reply in ordinary language.'
      ),
      Template(
        'Write down the content of a paragraph as triples of the form '
        'subject | relation | object, one on each line.\n\n{answer}',
        target='{triple_lines}',
        inverted=True,
      ),
      Template(
        'For a database, I need everything that this passage says, in the form '
        '"thing | property | value" and separated by semicolons: {answer}',
        target='{triples}',
        inverted=True,
      ),
    ),
  )
)
