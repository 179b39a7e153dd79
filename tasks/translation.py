"""Translation: 8 datasets, each between English and another language.

Each direction is a group of five ordinary templates and is reported separately.
"""

import functools

from etils import epy
from flan_jax.tasks.fields import clean

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import register

with epy.lazy_imports():
  import tensorflow as tf

_METRICS = ('bleu', 'bleu_intl')
_WMT_SPLITS = {
  'train': 'train[:30000]',
  'validation': 'validation[:200]',
  'test': 'test',
}


def _text(code, row):
  """Returns one side of a row, with plain spaces.

  French has no-break spaces before punctuation. Some Romanian and French lines
  have soft hyphens from typesetting. Older Romanian text has s and t with a
  cedilla where newer text has a comma below.
  """
  text = clean(row[code])
  if code == 'ro':
    for cedilla, comma in ('şș', 'ţț', 'ŞȘ', 'ŢȚ'):
      text = tf.strings.regex_replace(text, cedilla, comma)
  return text


def _references(code, row):
  return tf.stack([_text(code, row)])


def _has_both_sides(code, row):
  """Drops rows with an empty side, of which the training files have a few."""
  return (_text('en', row) != '') & (_text(code, row) != '')


def _side(code):
  return functools.partial(_text, code)


def _pair(code, language, from_english, to_english):
  """Returns the arguments that the datasets of a language pair share.

  Args:
    code: Raw feature of the other language, such as `de`.
    language: Name of the other language.
    from_english: Inputs that show `{en}` and ask for the other language.
    to_english: Inputs that show the other language and ask for English.
  """
  away, back = f'en_{code}', f'{code}_en'

  def templates(away_inputs, back_inputs):
    return (
      *(Template(i, target=f'{{{code}}}', group=away) for i in away_inputs),
      *(Template(i, target='{en}', group=back) for i in back_inputs),
    )

  return dict(
    cluster='translation',
    version='1.0.0',
    fields={'en': _side('en'), code: _side(code)},
    answers=functools.partial(_references, code),
    keep=functools.partial(_has_both_sides, code),
    metrics=_METRICS,
    truncatable=('en', code),
    group_key=('en',),
    group_titles={away: f'to {language}', back: 'to English'},
    plain=templates(('{en}',), (f'{{{code}}}',)),
    templates=templates(from_english, to_english),
  )


PARA_CRAWL_ENES = register(
  Dataset(
    name='para_crawl_enes',
    title='Translation: ParaCrawl',
    source='para_crawl/enes:1.2.0',
    homepage='https://paracrawl.eu/',
    licence='CC0 for the packaging; the authors do not own the texts',
    splits={
      'train': 'train[:30000]',
      'validation': 'train[-1200:-1000]',
      'test': 'train[-1000:]',
    },
    rows={'train': 30000, 'validation': 200, 'test': 1000},
    **_pair(
      'es',
      'Spanish',
      from_english=(
        'I run a small online shop and need this bit of an English page in '
        'Spanish:\n\n{en}',
        '{en}\n\nHow would the Spanish version of this English site put that?',
        'Localise this English text for visitors from Madrid. Keep names and '
        'numbers as they are and write natural Spanish.\n\nOriginal: {en}\n'
        'Localised:',
        '"{en}" - what is this in Spanish?',
        'A tourist says to me in English: {en}\nI only know Spanish. What does '
        'the tourist mean?',
      ),
      to_english=(
        '{es}\n\nWhat does this Spanish text mean in English?',
        'My browser opened a Spanish page. Near the top it says: {es}\nTell me '
        'in English what that means.',
        'A search engine shows each snippet in the language of the user. This '
        'user reads only English, so replace the Spanish below.\n\n[es] {es}\n'
        '[en]',
        'Guests and customers who know no Spanish should understand the '
        'following as well. Which English words should we print for them?\n'
        '{es}',
        'Put the line between the rules into English.\n---\n{es}\n---',
      ),
    ),
  )
)

WMT14_ENFR = register(
  Dataset(
    name='wmt14_enfr',
    title="Translation: WMT'14",
    source='wmt14_translate/fr-en:1.0.0',
    homepage='https://www.statmt.org/wmt14/translation-task.html',
    licence='not stated',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 3003},
    **_pair(
      'fr',
      'French',
      from_english=(
        'Please give the French for the following.\n\n{en}',
        'A news agency publishes every report in two languages. The English '
        'edition reads: "{en}"\n\nWrite the same line for the French edition.',
        '{en}\n\nSay it in French.',
        'English: {en}\nFrench:',
        'Comment dit-on « {en} » en français ?',
      ),
      to_english=(
        "At today's session, a delegate said this in French:\n{fr}\n\nThe "
        'interpreter repeats it in English. What do the listeners hear from '
        'her?',
        'Translate from French into English: {fr}',
        'You are writing the key to a French workbook. Pupils were given '
        '"{fr}" and had to put it into English. Write down the model solution.',
        '{fr}\n\nMy French is not good enough for this. Can you write it in '
        'English for me?',
        'Minutes taken in French are filed with an English copy.\nMinutes: {fr}'
        '\nCopy:',
      ),
    ),
  )
)

WMT16_TRANSLATE_CSEN = register(
  Dataset(
    name='wmt16_translate_csen',
    title="Translation: WMT'16",
    source='wmt16_translate/cs-en:1.0.0',
    homepage='https://www.statmt.org/wmt16/translation-task.html',
    licence='not stated',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 2999},
    manual=(
      'czeng16pre.deduped-ignoring-sections.txt.gz (CzEng 1.6pre, not '
      'decompressed) from http://ufal.mff.cuni.cz/czeng/czeng16pre'
    ),
    **_pair(
      'cs',
      'Czech',
      from_english=(
        'How do you say this in Czech?\n\n{en}',
        'A film is being dubbed for cinemas in Prague. In the English '
        'original, the actor says: "{en}"\nWhat will the audience hear in '
        'Czech?',
        'Example in an English textbook for Czech learners: {en}\nThe same '
        'example in Czech:',
        'Write out the Czech translation of the English words "{en}"',
        'Input: English. Output: Czech and nothing else, no comments.\n{en}',
      ),
      to_english=(
        'The guide handed us a leaflet in Czech: {cs}\nNobody in our group '
        'understood it. What does it say in English?',
        '{cs}\nEnglish meaning:',
        'Rewrite the Czech passage in English.\n\nPassage: {cs}',
        'A collection of examples pairs every Czech entry with an English one. '
        'Supply the missing half of this pair.\n\n1. {cs}\n2.',
        'I know no Czech. Somebody sent me the message below, and I would like '
        'to read it in English.\n\n"{cs}"',
      ),
    ),
  )
)

WMT16_TRANSLATE_DEEN = register(
  Dataset(
    name='wmt16_translate_deen',
    title="Translation: WMT'16",
    source='wmt16_translate/de-en:1.0.0',
    homepage='https://www.statmt.org/wmt16/translation-task.html',
    licence='not stated',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 2999},
    **_pair(
      'de',
      'German',
      from_english=(
        'Turn this English text into German, staying close to the wording.\n\n'
        '{en}',
        'My aunt in Hamburg knows only German. How do I write this to her in a '
        'letter?\n{en}',
        'Spoken in English: {en}\nSubtitle in German:',
        'Auf Deutsch bitte: {en}',
        'English source: {en}\n\nYou are a translator and a native speaker of '
        'German. Write the German target, adding nothing and losing nothing.',
      ),
      to_english=(
        '"{de}"\n\nA German newspaper printed this. What would an English '
        'paper print?',
        'I have had two German lessons and am stuck at "{de}" in my reader. '
        'Show me how to say all of it in English.',
        'Please translate from German to English.\n{de}',
        'The minister spoke German: {de}\nThe audience abroad needs this in '
        'English, so type out the translation.',
        'Give an English equivalent of the German text below, idiomatic rather '
        'than word for word.\n{de}',
      ),
    ),
  )
)

WMT16_TRANSLATE_FIEN = register(
  Dataset(
    name='wmt16_translate_fien',
    title="Translation: WMT'16",
    source='wmt16_translate/fi-en:1.0.0',
    homepage='https://www.statmt.org/wmt16/translation-task.html',
    licence='not stated',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 6000},
    note=(
      'The test split joins newstest2016 and newstestB2016, two Finnish '
      'translations of the same English text. Each row is scored against its '
      'own translation, not against both.'
    ),
    **_pair(
      'fi',
      'Finnish',
      from_english=(
        '{en}\n\nThe same text in Finnish:',
        'An app shows its messages in the language of the phone, and this '
        'phone is set to Finnish.\nEnglish message in the code: "{en}"\n'
        'Message on the screen:',
        'The committee in Helsinki works in Finnish, but the document is in '
        'English. Prepare it for the members.\n\n{en}',
        '{en}\n\nPlease put this into good standard Finnish.',
        'How would a native speaker of Finnish express this English text?\n'
        '"{en}"',
      ),
      to_english=(
        'Finnish in, English out.\n\n{fi}',
        'I copied "{fi}" from a Finnish forum. The browser could not translate '
        'it, so I am asking you for a proper English translation.',
        'For immediate release, first in Finnish and then in English.\n\n{fi}'
        '\n\n***',
        "For the translator's desk, from Finnish into English.\n{fi}",
        'Question 4 of the language exam. Say in English, with correct tenses '
        'and names, what the Finnish examiner reads aloud.\nExaminer: {fi}\n'
        'Candidate:',
      ),
    ),
  )
)

WMT16_TRANSLATE_ROEN = register(
  Dataset(
    name='wmt16_translate_roen',
    title="Translation: WMT'16",
    source='wmt16_translate/ro-en:1.0.0',
    homepage='https://www.statmt.org/wmt16/translation-task.html',
    licence='not stated',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 1999},
    note=(
      'Romanian s and t with a cedilla are replaced by s and t with a comma '
      'below, in training rows and in references.'
    ),
    **_pair(
      'ro',
      'Romanian',
      from_english=(
        'Write in Romanian what this says in English.\n\n{en}',
        'Dear colleague, the Bucharest office wants all English notices in '
        'Romanian from now on. Could you do this one?\n{en}',
        '{en}\n(in Romanian)',
        'The voice on the tape speaks English. Type what the Romanian '
        'voice-over should say.\n\nTape: {en}\nVoice-over:',
        'An English article opens with the words below. How does the Romanian '
        'edition of that article open?\n"{en}"',
      ),
      to_english=(
        'The brochure is printed in two languages.\nRomanian text: {ro}\n'
        'English text:',
        '{ro}\n\nThis is Romanian. What is it in English?',
        'Put into English what a Romanian newsreader has just announced: '
        '"{ro}"',
        'The two columns of a bilingual contract must agree, Romanian on the '
        'left and English on the right.\n\nLeft: {ro}\n\nRight:',
        'My grandmother wrote this on her postcard: {ro}\nShe uses Romanian, '
        'and I grew up with English. What did she tell me?',
      ),
    ),
  )
)

WMT16_TRANSLATE_RUEN = register(
  Dataset(
    name='wmt16_translate_ruen',
    title="Translation: WMT'16",
    source='wmt16_translate/ru-en:1.0.0',
    homepage='https://www.statmt.org/wmt16/translation-task.html',
    licence='not stated',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 2998},
    manual=(
      '1mcorpus.zip (the English-Russian corpus of Yandex, not unzipped) from '
      'https://translate.yandex.ru/corpus?lang=en'
    ),
    **_pair(
      'ru',
      'Russian',
      from_english=(
        'Как это будет по-русски?\n{en}',
        'A museum in Kazan puts up signs beside its exhibits. Write the '
        'Russian sign that goes with the English one.\n\nEnglish sign: {en}',
        'Put "{en}" into Russian, in Cyrillic letters. Translate it, do not '
        'transcribe it.',
        'User: {en}\nUser: oh, and I need that in Russian\nAssistant:',
        'This report arrived in English:\n\n{en}\n\nWrite it for our Russian '
        'subscribers in their own language, with the facts unchanged.',
      ),
      to_english=(
        'What is this person saying? I only know English.\n\n[speaking '
        'Russian] {ru}',
        'A pupil reads aloud: {ru}\nThe teacher asks for a translation from '
        'Russian into English. What does the pupil answer?',
        '{ru}\n\nEnglish translation of the Russian text above:',
        'An archive of Russian letters is being opened to scholars who work in '
        'English. Translate the next piece for them.\n\nLetter: {ru}',
        '"{ru}" is Russian. Said in plain English, it means',
      ),
    ),
  )
)

WMT16_TRANSLATE_TREN = register(
  Dataset(
    name='wmt16_translate_tren',
    title="Translation: WMT'16",
    source='wmt16_translate/tr-en:1.0.0',
    homepage='https://www.statmt.org/wmt16/translation-task.html',
    licence='not stated',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 3000},
    **_pair(
      'tr',
      'Turkish',
      from_english=(
        '"{en}"\nSay in Turkish what is quoted here.',
        '{en}\n\nCould you translate this into Turkish for me?',
        'I am on a bus in Izmir with my English, and the driver speaks nothing '
        'but Turkish. How do I tell him this?\n{en}',
        'Label in the English interface: {en}\nLabel in the Turkish interface:',
        "Job slip, translators' desk\nFrom: English\nTo: Turkish\nContent: "
        '{en}',
      ),
      to_english=(
        'İngilizcesi ne?\n{tr}',
        'A Turkish columnist writes: "{tr}"\n\nQuote her in English.',
        'This was posted in Turkish. Our moderators read only English, so put '
        'it into that language for them.\n{tr}',
        'Listen and echo: whenever you hear Turkish, say the very same thing '
        'in English.\n\n- {tr}\n-',
        '{tr}\n\nI have never learned Turkish. What do the words above say in '
        'English?',
      ),
    ),
  )
)
