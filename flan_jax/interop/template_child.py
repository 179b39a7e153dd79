"""Renders a chat template, as a program of its own.

A template is an untrusted program: the sandbox keeps it from Python's objects,
and the limits of this process keep it from taking time and memory. It imports
nothing of the project, to start fast.
"""

import json
import resource
import sys

# Seconds of computing, and bytes of memory and of text.
SECONDS, _MEMORY, LONGEST = 2, 1 << 30, 1 << 20


def main() -> None:
  """Reads what to render from standard input, as JSON; writes the text.

  Whatever goes wrong ends the process with an exit code other than 0.
  """
  resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
  resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
  given = json.load(sys.stdin)
  sys.path[:] = given['path']
  import jinja2.sandbox

  environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True
  )
  template = environment.from_string(given['template'])
  text = ''
  for piece in template.generate(**given['names']):
    text += piece
    if len(text) > LONGEST:
      sys.exit('too long')
  json.dump(text, sys.stdout)


if __name__ == '__main__':
  main()
