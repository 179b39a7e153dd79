"""Summarization: 11 datasets of mails, news, dialogues, opinions and guides.

FLAN puts AG News into this cluster, although it is a classification dataset. It
is scored by accuracy; the others ask for free text.
"""

from collections.abc import Callable
import functools
from typing import Any

from etils import epy
from flan_jax.tasks.fields import (
  is_short,
  replace,
  tidied,
  tidy,
  tidy_lines,
)

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

_ROUGE = ('rouge1', 'rouge2', 'rougeLsum')


def _filled(*names: str) -> Callable[[Any], Any]:
  """Returns a predicate: none of these raw features is empty."""
  return functools.partial(_all_filled, names)


def _all_filled(names, row):
  lengths = [tf.strings.length(tf.strings.strip(row[name])) for name in names]
  return tf.reduce_all(tf.stack(lengths) > 0)


def _one(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
  """Returns a function that wraps a field's value as one reference, [1]."""
  return functools.partial(_as_list, function)


def _as_list(function, row):
  return tf.expand_dims(function(row), 0)


def _email(row):
  """Returns the body on one line, without traces of quoted-printable.

  Mails in that encoding have "= " at each line break, even within a word, and
  "=20" or "=09" for white space. Equals signs in other mails stay.
  """
  body = row['email_body']
  encoded = tf.strings.regex_full_match(
    body, r'(?s).*(?:[a-z]= [a-z]|\s=20\s).*'
  )
  decoded = replace(body, ('=(?:20|09)', ' '), (r'=\s', ''), ('=3D', '='))
  return tidy(tf.where(encoded, decoded, body))


# Number of opinions or argument sentences that a prompt shows.
_MAX_LINES = 10

# A place: capitalized words with commas and lower-case words between them.
_PLACE = r'(?:[^\s()]+ )(?:(?:[A-Z][^\s()]*|of|the|and|de|la|on|near),? ){0,6}'
# Datelines and their replacements. An unknown source counts only if a dash
# follows it and a place in capitals, or nothing, precedes it. Otherwise
# sentences that start with a name and a bracket would be cut.
_DATELINES = (
  (rf'^(?:[A-Z]{_PLACE})?\( ?(?:CNN|Reuters|AP|AFP) ?\) ?(?:--|[-–—]) ?', ''),
  (rf'^(?:[A-Z]{{3}}{_PLACE})?\( ?[A-Z][^()]{{1,40}}\) ?(?:--|[–—]) ?', ''),
  (rf'^[A-Z]{_PLACE}\( ?CNN ?\) ?(["“‘]?[A-Z0-9])', r'\1'),
  (r'^\( ?CNN ?\) ?', ''),
)
# A link of the web page at the end of older articles.
_FOOTER = r' E-mail to a friend ?\.?$'


def _news_article(row):
  """Returns the article without its dateline and the link at the end."""
  text = tidy(row['article'])
  for pattern, replacement in _DATELINES:
    text = tf.strings.regex_replace(
      text, pattern, replacement, replace_global=False
    )
  return tf.strings.regex_replace(text, _FOOTER, '')


def _highlights(row):
  """Returns the highlights as one text, one per line."""
  return tidy_lines(row['highlights'])[None]


def _reports(row):
  """Returns the row's articles as one text, each with a number."""
  reports = tf.strings.split(row['document'], '|||||')
  reports = tidy_lines(reports)
  reports = tf.boolean_mask(reports, reports != '')
  reports = tf.strings.join(['Article ', _count(reports), ':\n', reports])
  return tf.strings.reduce_join(reports, separator='\n\n')


def _has_reports(row):
  """Drops rows whose documents or summary could not be downloaded."""
  return (_reports(row) != '') & (_digest(row)[0] != '')


def _digest(row):
  """Returns the summary without the dash at its start."""
  summary = tidy(row['summary'])
  return tf.strings.regex_replace(summary, '^[–—-] ?', '')[None]


def _count(lines):
  """Returns the number of each line as text, from "1"."""
  return tf.strings.as_string(tf.range(1, tf.size(lines) + 1))


def _numbered(feature, row):
  """Returns the first texts of a list as numbered lines."""
  lines = tidy(row[feature]['value'])
  lines = tf.boolean_mask(lines, lines != '')[:_MAX_LINES]
  lines = tf.strings.join([_count(lines), '. ', lines])
  return tf.strings.reduce_join(lines, separator='\n')


def _clean_cell(feature, row):
  return tidy(row[feature])


def _only(feature, row):
  return _clean_cell(feature, row)[None]


def _guide_text(text):
  """Removes what is left of inline pictures."""
  text = tf.strings.regex_replace(text, r'\{"smallUrl":[^{}]*\}', ' ')
  return tidy(text)


def _guide(row):
  return _guide_text(row['source'])


def _guide_steps(row):
  """Returns the target, then the references that differ from it."""
  answers = tf.concat([row['target'][None], row['references']], axis=0)
  return tf.unique(_guide_text(answers)).y


def _has_steps(row):
  return _guide_steps(row)[0] != ''


AESLC = register(
  Dataset(
    name='aeslc',
    title='Email subject line: AESLC',
    version='1.0.0',
    cluster='summarization',
    source='aeslc:1.0.0',
    homepage='https://github.com/ryanzhumich/AESLC',
    licence='not stated',
    splits={
      'train': 'train',
      'validation': 'validation[-200:]',
      'test': 'test',
    },
    rows={'train': 14436, 'validation': 200, 'test': 1906},
    fields={'email': _email},
    answers=_one(tidied('subject_line')),
    keep=_filled('email_body', 'subject_line'),
    metrics=_ROUGE,
    truncatable='email',
    group_key=('email',),
    templates=(
      Template('{email}\n\nWhat subject line should this email have?'),
      Template(
        'Tell the recipient in a few words what to expect.\n\nMessage: {email}'
        '\n\nSubject line of the message:'
      ),
      Template(
        'I am about to send the following to my colleagues, and the subject '
        'field is still empty. What do I put there?\n\n"{email}"'
      ),
      Template('Body: {email}\nSubject:'),
      Template(
        'My inbox shows a single line for each email. Which line should it '
        'show for this one?\n{email}'
      ),
      Template(
        '{email}\n\nGive the topic of the text above, as briefly as it would '
        'appear at the top of an email.'
      ),
      Template(
        'From: a business contact\nText: {email}\n\nThis arrived without a '
        'heading. Add a short one, so that the reader can find it again later.'
      ),
      Template(
        'The mail program warns before sending: "No subject was entered." '
        'Enter one.\n\nYour mail: {email}\n\nEntry:'
      ),
      Template(
        'An assistant files correspondence and notes on every letter what it '
        'is about. What does the note on this letter say?\n{email}'
      ),
      Template(
        'Draft an email with the subject "{answer}".',
        target='{email}',
        inverted=True,
        only_if=is_short('email'),
      ),
    ),
  )
)


def _news_text(text):
  r"""Repairs the broken markup of AG's news.

  "&#39;" and "&quot;" have a space in place of the ampersand, tags are escaped
  twice, and backslashes replace line breaks and precede dollar signs. Reuters'
  links to stock quotes are removed.
  """
  text = replace(
    text,
    (r'&lt;|\s?\blt;', '<'),
    (r'&gt;|\s?\bgt;', '>'),
    (r'(?i)<a [^<>]*fullquote[^<>]*>[^<>]*</a>', ''),
    (r'</?[A-Za-z][^<>]*>', ' '),
    (r'[ &]?#39;', "'"),
    (r'[ &]?#36;', '$'),
    (r'[ &]?\bquot;', '"'),
    (r'[ &]?\bnbsp;', ' '),
    (r'[ &]?\bamp;', '&'),
    (r'\\([$"#&])', r'\1'),
    (r'\\+', ' '),
    (r'\s+([,.:)])(\s|$)', r'\1\2'),
  )
  return tidy(text)


def _news_title(row):
  """Returns the headline without agency names and cut-off markup."""
  title = _news_text(row['title'])
  return replace(title, (r'\s\((?:AP|AFP|Reuters)\)$', ''), (r'\s\.\.\.$', ''))


def _news_description(row):
  return _news_text(row['description'])


AG_NEWS_SUBSET = register(
  Dataset(
    name='ag_news_subset',
    title='News topic: AG News',
    version='1.0.0',
    cluster='summarization',
    source='ag_news_subset:1.0.0',
    homepage='http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html',
    licence='own terms: research and other non-commercial use',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-200:]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 7600},
    fields={'title': _news_title, 'text': _news_description},
    label='label',
    choices={
      'World': 'world affairs',
      'Sports': 'sports',
      'Business': 'business',
      'Sci/Tech': 'science and technology',
    },
    keep=_filled('title', 'description'),
    metrics=('accuracy',),
    truncatable='text',
    group_key=('text',),
    note=(
      'A classification dataset in the summarization cluster. Its accuracy is '
      'reported separately and never averaged with ROUGE.'
    ),
    templates=(
      Template(
        '{title}\n\n{text}\n\nIn which section of a newspaper does this story '
        'belong?\n{options}'
      ),
      Template('Headline: {title}\nStory: {text}\nCategory:\n{options}'),
      Template(
        'Our site has four desks: one for world affairs, one for sports, one '
        'for business, one for science and technology. Which of them should '
        'get this report?\n\n"{title}" - {text}\n\n{options}'
      ),
      Template(
        'What is the following news item about?\n\n{title}\n{text}\n\n{options}'
      ),
      Template(
        'A visitor clicks on "{title}" and finds: {text}\n\nUnder which tab of '
        'the page was it listed?\n{options}'
      ),
      Template(
        'Look at how an article begins and name its general topic.\n\n'
        'Title: {title}\n\nOpening: {text}\n\nTopic:\n{options}'
      ),
      Template(
        '{text}\n\nThe words above were printed below "{title}". What does '
        'it cover?\n\n{options}'
      ),
      Template(
        'I subscribe to alerts by subject. Choose the subject under which I '
        'should receive this alert.\n{title}\n{text}\n{options}'
      ),
      Template(
        'Give this {answer} story a headline.\n\n{text}',
        target='{title}',
        inverted=True,
      ),
      Template(
        'On its pages for {answer}, a paper has an article called "{title}". '
        'Write how it might start.',
        target='{text}',
        inverted=True,
      ),
    ),
  )
)


def _no_placeholder(row):
  """Drops rows with placeholders: UNK for a word or # for a digit."""
  both = tf.strings.join([row['document'], ' ', row['summary']])
  masked = tf.strings.regex_full_match(both, r'(?is).*(?:\bunk\b|#).*')
  return ~masked & _all_filled(('document', 'summary'), row)


GIGAWORD = register(
  Dataset(
    name='gigaword',
    title='Headline: Gigaword',
    version='1.0.0',
    cluster='summarization',
    source='gigaword:1.2.0',
    homepage='https://github.com/harvardnlp/sent-summary',
    licence='not stated',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 1951},
    fields={'sentence': tidied('document')},
    answers=_one(tidied('summary')),
    keep=_no_placeholder,
    metrics=_ROUGE,
    truncatable='sentence',
    group_key=('sentence',),
    note=(
      'Rows with UNK or #, more than half of the test split, are dropped, and '
      'tokenization is undone ("do n\'t" becomes "don\'t"). Scores are not '
      'comparable with those on the whole tokenized split.'
    ),
    templates=(
      Template('{sentence}\n\nWrite a headline for this piece of news.'),
      Template('First sentence of a report: {sentence}\nHeadline:'),
      Template(
        'An agency sends "{sentence}" to the papers. What short title could '
        'stand above the dispatch?'
      ),
      Template(
        'Cut the text down to its core, in the terse style of a headline. Use '
        'lowercase letters only.\n\n{sentence}'
      ),
      Template(
        'Which few words would a news ticker show for this?\n{sentence}'
      ),
      Template('Summarize in about eight words: {sentence}'),
      Template(
        'Reporter: My piece starts like this.\n"{sentence}"\nEditor: Then the '
        'headline could be:'
      ),
      Template(
        '{sentence}\n\nReduce what happened to the briefest form that still '
        'makes sense.'
      ),
      Template(
        'Somebody sees the headline "{answer}" and reads on. What might the '
        'opening sentence be?',
        target='{sentence}',
        inverted=True,
      ),
      Template(
        'Expand these notes into one complete sentence of news:\n{answer}',
        target='{sentence}',
        inverted=True,
      ),
    ),
  )
)


def _article(name: str) -> Callable[[Any], Any]:
  return functools.partial(_article_of, name)


def _article_of(name, row):
  """Returns the text without tags and entities, one paragraph per line."""
  text = replace(row[name], (r'</?[A-Za-z][^<>]*>', ' '))
  return tidy_lines(text)


NEWSROOM = register(
  Dataset(
    name='newsroom',
    title='Summarization: Newsroom',
    version='1.0.0',
    cluster='summarization',
    source='newsroom:1.0.0',
    homepage='https://summari.es/',
    licence='own terms: non-commercial research and education',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 108862},
    fields={'text': _article('text'), 'title': tidied('title')},
    optional=('title',),
    plain=(Template('{text}'),),
    answers=_one(_article('summary')),
    keep=_filled('text', 'summary'),
    metrics=_ROUGE,
    truncatable='text',
    group_key=('text',),
    manual=(
      'train.jsonl, dev.jsonl and test.jsonl, available after registration at '
      'https://summari.es/download/'
    ),
    templates=(
      Template('{text}\n\nSummarize this article in a sentence or two.'),
      Template('Title: {title}\n\n{text}\n\nSummary:'),
      Template(
        'What are the main points of the article below? Answer briefly.\n\n'
        '{text}'
      ),
      Template(
        'A search engine shows a small description under each link. Write the '
        'one for this page.\n\n{title}\n{text}'
      ),
      Template('Article: {text}\nTeaser:'),
      Template(
        'I have no time to read all of it:\n\n{text}\n\nTell me what it comes '
        'down to.'
      ),
      Template(
        'You edit a news website. On the front page, a short paragraph lets '
        'readers know what each story offers. Write that paragraph.\n\n"{text}"'
      ),
      Template(
        'The piece entitled "{title}" goes as follows.\n\n{text}\n\nCondense '
        'it for our weekly newsletter.'
      ),
      Template('Give the gist of a press report.\n{text}\nGist:'),
      Template(
        'Which title would suit the following text?\n\n{text}',
        target='{title}',
        inverted=True,
      ),
    ),
  )
)


def _dialogue(row):
  """Returns one turn per line, without attachment tags such as `<file_gif>`.

  Keeps the text between two tags, and `<3` (a heart). A turn without other
  text keeps its speaker, as other turns may answer it.
  """
  return tidy_lines(replace(row['dialogue'], (r' ?<[a-z][a-z_]*>', '')))


SAMSUM = register(
  Dataset(
    name='samsum',
    title='Dialogue summarization: SAMSum',
    version='1.0.0',
    cluster='summarization',
    source='samsum:1.0.0',
    homepage='https://arxiv.org/abs/1911.12237',
    licence='CC BY-NC-ND 4.0',
    splits={'train': 'train', 'validation': 'validation[:200]', 'test': 'test'},
    rows={'train': 14732, 'validation': 200, 'test': 819},
    fields={'dialogue': _dialogue},
    answers=_one(tidied('summary')),
    keep=_filled('dialogue', 'summary'),
    metrics=_ROUGE,
    truncatable='dialogue',
    group_key=('dialogue',),
    manual=(
      'train.json, val.json and test.json from '
      'https://arxiv.org/src/1911.12237v2/anc/corpus.7z'
    ),
    templates=(
      Template('{dialogue}\n\nSummarize the conversation.'),
      Template('Chat:\n{dialogue}\n\nSummary of the chat:'),
      Template(
        'Some people exchanged messages while you were away. Report in the '
        'third person what was said or arranged.\n\n{dialogue}'
      ),
      Template('What is going on between these people?\n\n{dialogue}'),
      Template(
        'Here is a log from a messenger app.\n---\n{dialogue}\n---\nExplain in '
        'one to three sentences what it is all about.'
      ),
      Template(
        'Turn the dialogue into a brief account that names who did, wants or '
        'plans what.\n{dialogue}'
      ),
      Template(
        'I was offline and missed this. Could somebody bring me up to date?'
        '\n\n{dialogue}\n\nShort version:'
      ),
      Template(
        'Write very short minutes of this talk.\n\nTalk:\n{dialogue}\n\n'
        'Minutes:'
      ),
      Template(
        'Imagine a listener who has met none of the speakers.\n\n{dialogue}\n\n'
        'How would you retell this exchange to them?'
      ),
      Template(
        'Invent a chat that could be summed up like this: {answer}',
        target='{dialogue}',
        inverted=True,
        only_if=is_short('dialogue'),
      ),
    ),
  )
)


def _report(row):
  """Returns one paragraph per line, without traces of the web page."""
  text = replace(
    row['document'],
    (r'(?m)^\d+ \w+ \d{4} Last updated at \d+:\d+ [A-Z]+$', ''),
    (
      r'(?m)^Media playback is (?:not|un)\s?supported on (?:this|your) device$',
      '',
    ),
    (r'(?m)^End of (?:Twitter|Facebook|Youtube) post\s.*$', ''),
  )
  return tidy_lines(text)


XSUM = register(
  Dataset(
    name='xsum',
    title='Summarization: XSum',
    version='1.0.0',
    cluster='summarization',
    source='xsum:1.1.0',
    homepage='https://github.com/EdinburghNLP/XSum',
    licence='not stated',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 11334},
    fields={'document': _report},
    answers=_one(tidied('summary')),
    keep=_filled('document', 'summary'),
    metrics=_ROUGE,
    truncatable='document',
    group_key=('document',),
    note=(
      'Only articles that are still online can be downloaded, so a copy may '
      'have fewer test rows than the published 11,334.'
    ),
    manual=(
      'xsum-extracts-from-downloads.tar.gz, made as described at '
      'https://github.com/EdinburghNLP/XSum/blob/master/XSum-Dataset/README.md'
      '#running-the-download-and-extraction-scripts'
    ),
    templates=(
      Template('{document}\n\nSum up the article in a single sentence.'),
      Template('Article: {document}\nOne-sentence summary:'),
      Template(
        'The first sentence of the report below, which says what everything '
        'else is about, was lost. Restore it.\n\n{document}'
      ),
      Template('What happened? Reply with just one sentence.\n\n{document}'),
      Template(
        'At the top of the hour, a broadcaster reads out one line on each '
        'event. Which line fits here?\n\n{document}'
      ),
      Template('TL;DR of this story, please:\n{document}'),
      Template(
        '"{document}"\n\nState the most important thing from that text and '
        'leave out the detail.'
      ),
      Template(
        'A friend sends you a link and wonders whether it is worth opening. '
        'Tell them the point at once.\n\n{document}\n\nThe point:'
      ),
      Template(
        'News in brief\n\nFull version: {document}\n\nThe same in thirty words '
        'at most:'
      ),
      Template(
        'A yearbook has room for only a sentence about these matters. How '
        'should it be worded?\n{document}'
      ),
    ),
  )
)

CNN_DAILYMAIL = register(
  Dataset(
    name='cnn_dailymail',
    title='Summarization: CNN/DailyMail',
    version='1.0.0',
    cluster='summarization',
    source='cnn_dailymail:3.4.0',
    homepage='https://github.com/abisee/cnn-dailymail',
    licence='not stated; the DeepMind Q&A dataset, its source, is Apache 2.0',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 11490},
    fields={'article': _news_article},
    answers=_highlights,
    metrics=_ROUGE,
    truncatable='article',
    group_key=('article',),
    note=(
      'Datelines are cut and the text after them is kept; the published code '
      'keeps the text before the dash, which leaves a few words of many '
      'articles. Highlights are scored as sentences, one per line.'
    ),
    templates=(
      Template(
        '{article}\n\nWhat are the key points of this news story? Give each '
        'on a line of its own.'
      ),
      Template(
        'Our page opens with highlights for busy readers: three or four brief '
        'sentences, one below the other. Please draft them for the report '
        'that follows.\n\n{article}'
      ),
      Template('News article: {article}\n\nHighlights:'),
      Template(
        'My train leaves in two minutes. Tell me in a handful of short lines '
        'what happened here:\n{article}'
      ),
      Template(
        'Pick out the most important facts from the quoted text and list them '
        'as separate statements.\n"{article}"'
      ),
      Template(
        'A presenter reads nothing but key points from her screen. Reduce the '
        'broadcast script to such points for her, one on each line, without '
        'dashes or dots in front.\n\n{article}'
      ),
      Template(
        '{article}\n\nSomeone who has not seen the above asks for the gist. '
        'Answer in a few compact sentences.'
      ),
      Template(
        'Long version:\n{article}\n\nShort version, a new line for every main '
        'point:'
      ),
      Template(
        'Which events, people and figures in the piece below should every '
        'reader know about? State them briefly, sentence by sentence.\n\n'
        '{article}'
      ),
      Template(
        "You are on duty at the editor's desk. A correspondent has sent in "
        'this copy:\n\n{article}\n\nWrite the summary box that will be '
        'printed beside it.'
      ),
    ),
  )
)

MULTI_NEWS = register(
  Dataset(
    name='multi_news',
    title='Summarization: Multi-News',
    version='1.0.0',
    cluster='summarization',
    source='multi_news:2.1.0',
    homepage='https://github.com/Alex-Fabbri/Multi-News',
    licence='own terms: non-commercial research and education',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 5622},
    fields={'articles': _reports},
    answers=_digest,
    keep=_has_reports,
    metrics=_ROUGE,
    truncatable='articles',
    group_key=('articles',),
    note=(
      'Most rows are too long for a prompt. The articles are cut at the end, '
      'and often only the first ones remain.'
    ),
    templates=(
      Template(
        '{articles}\n\nMerge the coverage above into one summary that a '
        'reader can take in without opening any of the pieces.'
      ),
      Template(
        'Related news follows. What, taken together, does it tell us? Reply '
        'with one paragraph.\n\n{articles}'
      ),
      Template('{articles}\n\nCombined summary:'),
      Template(
        'I edit an evening newsletter and have no time to go through '
        'everything my team collected on this topic:\n\n{articles}\n\nPlease '
        'turn it into a single account with the facts that matter.'
      ),
      Template(
        'Read whatever was reported. Where something is repeated, say it '
        'once; where a detail is added, keep it if it is important.\n\n'
        '{articles}\n\nDigest:'
      ),
      Template(
        'Summarize in a single passage of several sentences, treating all of '
        'this as a whole:\n\n{articles}'
      ),
      Template(
        'Press review\n\n{articles}\n\nHow would you retell the events in '
        'your own words, drawing on every source?'
      ),
      Template(
        'A radio host finds the following on her desk.\n\n{articles}\n\nWhat '
        'should she tell her listeners about the matter? Give background as '
        'well as the latest turn.'
      ),
      Template(
        'Documents:\n\n{articles}\n\nTask: produce an overview that covers '
        'who was involved, what took place and why people care.'
      ),
      Template(
        'Could you bring me up to date? I would like continuous text, no '
        'list, based on these cuttings.\n{articles}'
      ),
    ),
  )
)

OPINION_ABSTRACTS_IDEBATE = register(
  Dataset(
    name='opinion_abstracts_idebate',
    title='Summarization: iDebate',
    version='1.0.0',
    cluster='summarization',
    source='opinion_abstracts/idebate:1.0.0',
    homepage='https://web.eecs.umich.edu/~wangluxy/data.html',
    licence='not stated',
    splits={
      'train': 'train[:-600]',
      'validation': 'train[-600:-500]',
      'test': 'train[-500:]',
    },
    rows={'train': 1659, 'validation': 100, 'test': 500},
    fields={
      'debate': functools.partial(_clean_cell, '_debate_name'),
      'arguments': functools.partial(_numbered, '_argument_sentences'),
    },
    answers=functools.partial(_only, '_claim'),
    metrics=_ROUGE,
    truncatable='arguments',
    group_key=('debate',),
    note=(
      'A debate has about three claims, so the published slices may divide '
      'one. Confidence intervals resample whole debates.'
    ),
    templates=(
      Template(
        'In a debate on the motion "{debate}", a speaker argued:\n\n'
        '{arguments}\n\nWhich claim do these sentences support?'
      ),
      Template('Motion: {debate}\nArguments:\n{arguments}\nClaim:'),
      Template(
        '{arguments}\n\nThe lines above belong together and were put forward '
        'when people discussed "{debate}". State the point that they all make.'
      ),
      Template(
        'You keep the minutes of a debating club. Tonight the topic is:\n'
        '{debate}\n\nEnter the speech below under a heading that expresses '
        'its central message.\n\n{arguments}'
      ),
      Template(
        'What is the point of these lines? They are about the question '
        '"{debate}".\n{arguments}'
      ),
      Template(
        'Here is a chain of reasoning:\n{arguments}\n\nIt comes from a '
        'discussion of this proposition:\n{debate}\n\nWrite down the '
        'conclusion it leads to.'
      ),
      Template(
        'Help me prepare a flash card.\n\nFront side: {debate}\nBack side: one '
        'short sentence that captures the whole case, which goes like this:\n'
        '{arguments}'
      ),
      Template(
        'Reduce this contribution about "{debate}" to a single assertion that '
        'its author would agree with.\n\n{arguments}'
      ),
      Template(
        'Somebody argued at length for or against "{debate}":\n\n{arguments}'
        '\n\nHow would they put it in a dozen words?'
      ),
      Template(
        'The assembly heard this claim: {answer}\n\nThe grounds given were:\n'
        '{arguments}\n\nName the motion that was probably being debated.',
        target='{debate}',
        inverted=True,
      ),
    ),
  )
)

OPINION_ABSTRACTS_ROTTEN_TOMATOES = register(
  Dataset(
    name='opinion_abstracts_rotten_tomatoes',
    title='Summarization: Rotten Tomatoes',
    version='1.0.0',
    cluster='summarization',
    source='opinion_abstracts/rotten_tomatoes:1.0.0',
    homepage='https://web.eecs.umich.edu/~wangluxy/data.html',
    licence='not stated',
    splits={
      'train': 'train[:-600]',
      'validation': 'train[-600:-500]',
      'test': 'train[-500:]',
    },
    rows={'train': 3131, 'validation': 100, 'test': 500},
    fields={
      'movie': functools.partial(_clean_cell, '_movie_name'),
      'reviews': functools.partial(_numbered, '_critics'),
    },
    answers=functools.partial(_only, '_critic_consensus'),
    metrics=_ROUGE,
    truncatable='reviews',
    group_key=('movie',),
    templates=(
      Template(
        'Critics on the film "{movie}":\n{reviews}\n\nWhat is their consensus?'
      ),
      Template('Movie: {movie}\nReviews:\n{reviews}\nConsensus:'),
      Template(
        '{reviews}\n\nAll of this was written about {movie}. Sum up in a '
        'sentence or two how the picture was received.'
      ),
      Template(
        'A cinema wants to print the overall verdict of the press beside the '
        'poster for "{movie}". Compose it from these quotations.\n\n{reviews}'
      ),
      Template(
        'Is {movie} worth a ticket? Go by the professionals quoted here and '
        'tell me what most of them praise or criticise.\n\n{reviews}'
      ),
      Template(
        'Reviewers made the following remarks.\n\n{reviews}\n\nTitle of the '
        'film: {movie}\n\nBlend the remarks into one general judgement.'
      ),
      Template(
        'Say briefly, and fairly to fans and doubters alike, what professional '
        'critics think of "{movie}":\n\n{reviews}'
      ),
      Template(
        'Every page of our site opens with a statement that boils many '
        'opinions down to one. Write it for {movie}, given:\n{reviews}'
      ),
      Template(
        'Where does {movie} succeed, and where does it fail? Draw on the '
        'opinions that follow, but do not list them.\n\n{reviews}'
      ),
      Template(
        'I need a blurb about "{movie}" for the end-of-year list. It should '
        'reflect this range of views:\n\n{reviews}\n\nBlurb:'
      ),
    ),
  )
)

WIKI_LINGUA_ENGLISH_EN = register(
  Dataset(
    name='wiki_lingua_english_en',
    title='Summarization: WikiLingua',
    version='1.0.0',
    cluster='summarization',
    source='gem/wiki_lingua_english_en:1.1.0',
    homepage='https://github.com/esdurmus/Wikilingua',
    licence='not stated; wikiHow, its source, is CC BY-NC-SA 3.0',
    splits={
      'train': 'train[:30000]',
      'validation': 'validation[:200]',
      'test': 'test',
    },
    rows={'train': 30000, 'validation': 200, 'test': 28614},
    fields={'guide': _guide},
    answers=_guide_steps,
    keep=_has_steps,
    metrics=_ROUGE,
    truncatable='guide',
    group_key=('guide',),
    templates=(
      Template(
        '{guide}\n\nName the steps of this guide, each in a short sentence.'
      ),
      Template('How-to text: {guide}\n\nSteps in brief:'),
      Template(
        'My uncle wants to do this but dislikes long explanations. Reduce '
        'them to plain commands he can follow in order.\n\n{guide}'
      ),
      Template(
        'What does the author advise us to do? Mention just the actions, '
        'without reasons.\n{guide}'
      ),
      Template(
        'The page below has lost its headings, which were imperatives. '
        'Restore them, one after the other, as a summary.\n\n{guide}'
      ),
      Template(
        'Shorten the tutorial so that it fits on a sticky note:\n"{guide}"'
      ),
      Template(
        '{guide}\n\nThat is a lot of detail. Which instructions are at the '
        'heart of it?'
      ),
      Template(
        'You teach this to a class and can spare only a few words for each '
        'paragraph. Tell the pupils what to do at each stage.\n\n{guide}\n\nTo '
        'the pupils:'
      ),
      Template(
        'Write a checklist as running text, with one brief instruction for '
        'every part of the procedure described here.\n\n{guide}'
      ),
      Template(
        'Somebody asked online how something is done and received this '
        'reply:\n\n{guide}\n\nPost a condensed answer.'
      ),
    ),
  )
)
