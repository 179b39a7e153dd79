"""`python -m flan_jax COMMAND`, the same as `flan-jax COMMAND`."""

import sys

from flan_jax.cli import main

if __name__ == '__main__':
  sys.exit(main())
