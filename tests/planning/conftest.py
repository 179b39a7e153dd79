"""One compiled plan for all tests of planning."""

import jax
import pytest

from flan_jax.planning.planner import plan
from tests.planning.plans import request


@pytest.fixture(scope='session')
def planned():
  return plan(request(), jax.devices())
