"""`docs/adding_a_task.md` shows the files of `examples/tickets`.

`tests/docs` runs the commands of both.
"""

import re
import shutil

from tests.command_line import ROOT

_EXAMPLE = ROOT / 'examples/tickets'


def test_the_guide_shows_the_example(own_folder):
  text = (ROOT / 'docs/adding_a_task.md').read_text(encoding='utf-8')
  blocks = re.findall(r'```\w*\n(.*?)```', text, re.DOTALL)
  module = (_EXAMPLE / 'tickets.py').read_text(encoding='utf-8')
  (shown,) = (block for block in blocks if 'fj.dataset(' in block)
  assert shown.strip() in module
  (gin,) = (block for block in blocks if block.startswith('import tickets'))
  lines = (_EXAMPLE / 'tickets.gin').read_text(encoding='utf-8').split('\n')
  shared = set(gin.split('\n')) - {"MODEL_DIR = 'model'"}
  assert shared <= set(lines)
  # The line of test is one.
  shutil.copy(_EXAMPLE / 'tickets.csv', own_folder)
  exec(module, {})
  (line,) = (block for block in blocks if 'assert_dataset(' in block)
  exec(line, {})
