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
        'I run a small online shop and need this bit of the page in Spanish:'
        '\n\n{en}',
        '{en}\n\nHow would the Spanish version of the site put that?',
        'Localise for visitors from Madrid. Keep names and numbers as they '
        'are and write natural Spanish.\n\nOriginal: {en}\nLocalised:',
        '"{en}" - what is this in Spanish?',
        'Un turista me dice «{en}» y yo no sé inglés. ¿Cómo sería en español?',
      ),
      to_english=(
        '{es}\n\n¿Qué quiere decir esto en inglés?',
        'My browser landed on a Spanish page. Near the top it says: {es}\n'
        'Tell me in English what that means.',
        'A search engine shows each snippet in the language of the user, who '
        'reads nothing but English here. Replace the Spanish below.\n\n'
        '[es] {es}\n[en]',
        'Guests and customers who know no Spanish should be able to follow '
        '"{es}" as well. Which English words do we print for them?',
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
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 3003},
    **_pair(
      'fr',
      'French',
      from_english=(
        'Please give the French for the following.\n\n{en}',
        'A news agency publishes every report in two languages. The English '
        'edition reads: "{en}"\n\nWrite the matching line of the French '
        'edition.',
        '{en}\n\nSay it in French.',
        'English: {en}\nFrench:',
        'Comment dit-on « {en} » en français ?',
      ),
      to_english=(
        "At today's session a delegate from Lyon said this:\n{fr}\n\nThe "
        'interpreter turns it into English. What do the listeners hear from '
        'her?',
        'Translate from French into English: {fr}',
        'You are preparing the key to a French workbook. Pupils were given '
        '"{fr}" and had to write it in English. Write down the model solution.',
        '{fr}\n\nJe ne comprends pas bien le français. Can you write that in '
        'English for me?',
        'Minutes taken in French are filed with an English copy beside them.\n'
        'Minutes: {fr}\nCopy:',
      ),
    ),
  )
)

WMT16_TRANSLATE_CSEN = register(
  Dataset(
    name='wmt16_translate_csen',
    title="Translation: WMT'16",
    source='wmt16_translate/cs-en:1.0.0',
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
        'What does one say in Czech for this?\n\n{en}',
        'A film is being dubbed for cinemas in Prague. The actor says: "{en}"\n'
        'And what will the audience hear in Czech?',
        'České znění textu „{en}“ do učebnice angličtiny:',
        'Write out the Czech translation of "{en}"',
        'Input: English. Output: Czech and nothing else, no comments.\n{en}',
      ),
      to_english=(
        'The guide handed us a leaflet in Czech: {cs}\nNobody in our group '
        'understood. What does it say in English?',
        '{cs}\nEnglish meaning:',
        'Rewrite the Czech passage as an English one.\n\nPassage: {cs}',
        'A collection of examples pairs every Czech entry with an English '
        'one. Supply the missing half of the pair.\n\n1. {cs}\n2.',
        'Nerozumím česky. Somebody sent me "{cs}" and I would like to know '
        'what they want, in English please.',
      ),
    ),
  )
)

WMT16_TRANSLATE_DEEN = register(
  Dataset(
    name='wmt16_translate_deen',
    title="Translation: WMT'16",
    source='wmt16_translate/de-en:1.0.0',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 2999},
    **_pair(
      'de',
      'German',
      from_english=(
        'Turn this into German, staying close to the wording.\n\n{en}',
        'My aunt in Hamburg knows only German. How do I tell her this in a '
        'letter? {en}',
        'Subtitle as spoken, English: {en}\nSubtitle to display, German:',
        'Auf Deutsch bitte: {en}',
        'Source segment: {en}\n\nYou are a translator whose mother tongue is '
        'German. Fill in the target segment so that nothing is added and '
        'nothing is lost.',
      ),
      to_english=(
        '"{de}"\n\nThis stood in a German newspaper. What would an English '
        'paper print?',
        'I have had two lessons of German and am stuck at "{de}" in my '
        'reader. Show me how the whole of it goes in English.',
        'Übersetze ins Englische!\n{de}',
        'When the minister had finished, the reporter read from her pad: {de}\n'
        'Her audience abroad needs it in English, so type out the translation.',
        'Give an English equivalent of the German below, idiomatic rather '
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
        '{en}\n\nSuomennos:',
        'An app shows its messages in the language of the phone, and this '
        'phone is set to Finnish.\nIn the code: "{en}"\nOn the screen:',
        'The committee in Helsinki works in Finnish, but the document came in '
        'English. Prepare it for the members.\n\n{en}',
        '{en}\n\nFinnish, please, in good standard language.',
        'How might a native speaker express the same thing in Finnish?\n"{en}"',
      ),
      to_english=(
        'Finnish in, English out.\n\n{fi}',
        'I copied "{fi}" from a Finnish forum. Other tools failed me, so I am '
        'asking you for a proper English translation.',
        'For immediate release, first in Finnish and then in English.\n\n{fi}'
        '\n\n***',
        'Kääntäjän tehtävä: suomesta englanniksi.\n{fi}',
        'Question 4 of the language exam. State in English, with correct '
        'tenses and names, what the Finnish examiner reads aloud.\nExaminer: '
        '{fi}\nCandidate:',
      ),
    ),
  )
)

WMT16_TRANSLATE_ROEN = register(
  Dataset(
    name='wmt16_translate_roen',
    title="Translation: WMT'16",
    source='wmt16_translate/ro-en:1.0.0',
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
        'Make a Romanian sentence with the same meaning.\n\n{en}',
        'Dear colleague, the Bucharest office wants all notices in Romanian '
        'from now on. Could you do this one? {en}',
        '{en}\n(în română)',
        'The voice on the tape speaks English. Type what the Romanian '
        'voice-over should say after it.\n\nTape: {en}\nVoice-over:',
        'If "{en}" opened an article, how would the Romanian edition of that '
        'article open?',
      ),
      to_english=(
        'Broșura se tipărește în două limbi. Textul în română: {ro}\nTextul '
        'în engleză:',
        '{ro}\n\nThe text is Romanian. Its English counterpart?',
        'Render into English what a Romanian newsreader has just announced: '
        '"{ro}"',
        'The two columns of a bilingual contract must agree, Romanian on the '
        'left and English on the right.\n\nLeft: {ro}\n\nRight:',
        'Grandmother wrote on her postcard: {ro}\nShe uses Romanian and I '
        'grew up with English. What did she want to tell me?',
      ),
    ),
  )
)

WMT16_TRANSLATE_RUEN = register(
  Dataset(
    name='wmt16_translate_ruen',
    title="Translation: WMT'16",
    source='wmt16_translate/ru-en:1.0.0',
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
        'A museum in Kazan puts up signs beside its exhibits. Compose the '
        'Russian sign from the English one.\n\nEnglish sign: {en}',
        'Put "{en}" into Russian, in Cyrillic letters; translate, do not '
        'transcribe.',
        'User: {en}\nUser: oh, and I need that in Russian\nAssistant:',
        'Wire copy as received:\n\n{en}\n\nFile it for Russian subscribers, '
        'in their language and with the facts unchanged.',
      ),
      to_english=(
        'What is this person saying? I only know English.\n\n[speaking '
        'Russian] {ru}',
        'Ученик читает вслух: {ru}\nУчительница просит перевести это на '
        'английский. Что он отвечает?',
        '{ru}\n\nTranslation of the foregoing from Russian to English:',
        'An archive of Russian letters is being opened to scholars who work '
        'in English. Provide the next piece of the translation.\n\nLetter: '
        '{ru}',
        'Cracking Cyrillic: "{ru}" comes from Russian, and its sense in plain '
        'English is',
      ),
    ),
  )
)

WMT16_TRANSLATE_TREN = register(
  Dataset(
    name='wmt16_translate_tren',
    title="Translation: WMT'16",
    source='wmt16_translate/tr-en:1.0.0',
    splits=_WMT_SPLITS,
    rows={'train': 30000, 'validation': 200, 'test': 3000},
    **_pair(
      'tr',
      'Turkish',
      from_english=(
        '"{en}"\nUse Turkish to convey what is quoted here.',
        '{en}\n\nBunu Türkçeye çevirir misin?',
        'I am on a bus in Izmir and must make the driver understand "{en}" '
        'although he speaks nothing but Turkish. What do I say?',
        'String resource, locale en-GB: {en}\nString resource, locale tr-TR '
        '(Turkish):',
        "Job slip, translators' desk\nFrom: English\nTo: Turkish\nContent: "
        '{en}',
      ),
      to_english=(
        'İngilizcesi ne?\n{tr}',
        'A Turkish columnist writes: "{tr}"\n\nQuote her in English.',
        'The following was posted in Turkish. Moderators read English, so '
        'show it to them in that language.\n{tr}',
        'Listen and echo: whenever you hear Turkish, answer with the very '
        'same thing in English.\n\n- {tr}\n-',
        '{tr}\n\nFor someone who has never learned Turkish, what are the words '
        'above in English?',
      ),
    ),
  )
)
