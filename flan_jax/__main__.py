"""`python -m flan_jax COMMAND`, the same as `flan-jax COMMAND`."""

import os
import sys

# `python -m` puts the working directory first, where a user's `gin/` or
# `optax.py` would hide a package. `user_modules` finds what a user names there.
if sys.path[0] == os.getcwd():
  del sys.path[0]

from flan_jax.cli import main

if __name__ == '__main__':
  sys.exit(main())
