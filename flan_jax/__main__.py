"""`python -m flan_jax COMMAND`, the same as `flan-jax COMMAND`."""

import os
import sys

# `python -m` puts the working directory first, where a user's folder `gin/`
# would hide gin-config. At the end of the path it still serves `--task_module`.
if sys.path[0] == os.getcwd():
  sys.path.append(sys.path.pop(0))

from flan_jax.cli import main

if __name__ == '__main__':
  sys.exit(main())
