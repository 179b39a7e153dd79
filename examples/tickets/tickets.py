"""Support tickets, and the queue that each belongs to."""

import flan_jax as fj

fj.dataset(
  name='tickets',
  source='csv:tickets.csv',
  fields=('subject', 'message'),
  label='queue',
  choices={
    'billing': 'payments and invoices',
    'shipping': 'delivery',
    'account': 'account and login',
    'product': 'the product itself',
  },
  templates=(
    '{subject}\n\n{message}\n\nWhat is this ticket about?\n{options}',
    'A customer writes: {message}\nSubject: {subject}\n\n'
    'Which team should answer?\n{options}',
  ),
)
