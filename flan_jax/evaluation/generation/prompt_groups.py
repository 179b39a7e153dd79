"""Which prompts are continued together, and what they share."""

from collections.abc import Sequence

from flan_jax.evaluation.generation.slot_batch import Continuation
from flan_jax.evaluation.scoring import trunks

# Prompts of a width, for each of its slots: fewer take a larger width, too.
_FULL = 2


def share(waiting: Sequence[Continuation]) -> None:
  """Sets what prompts share, where that saves tokens."""
  for found in trunks.shared([slot.prompt for slot in waiting]):
    for member in found.members:
      slot = waiting[member]
      slot.shared = tuple(slot.prompt[: found.length])


def by_width(
  waiting: Sequence[Continuation], tokens: int
) -> list[tuple[int, list[Continuation]]]:
  """Returns the widths of slots, and what is continued in them.

  Prompts that share their first tokens follow one another; long answers come
  first, so that what remains at the end is short.

  Args:
    waiting: Prompts of any length.
    tokens: Tokens that all slots hold together.
  """
  groups: dict[int, list[Continuation]] = {}
  for slot in waiting:
    width = trunks.padded_length(len(slot.prompt) + slot.limit)
    groups.setdefault(width, []).append(slot)
  found, few = [], []
  for width in sorted(groups):
    members = few + groups[width]
    # A few prompts do not pay for programs of their own.
    if width < max(groups) and len(members) < _FULL * max(1, tokens // width):
      few = members
      continue
    few = []
    members.sort(key=lambda s: (s.shared, -s.limit, len(s.prompt) + s.limit))
    found.append((width, members))
  return found
