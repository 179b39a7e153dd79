"""Figures for Prometheus."""

import os

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

from flan_jax.serving.scheduler import Scheduler

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
# Seconds.
_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class ServerMetrics:
  """The figures of one server.

  Attributes:
    requests: Answered requests, by route and status.
    tokens: Tokens, by kind: `prompt` or `generated`.
    latency: Seconds from a request's head to the end of its answer, by route.
  """

  def __init__(self, scheduler: Scheduler):
    """Initializes the figures; those of the queue are read from a scheduler."""
    registry = prometheus_client.CollectorRegistry()
    self._registry = registry
    self.requests = Counter(
      'flan_jax_requests',
      'Answered requests',
      ('route', 'status'),
      registry=registry,
    )
    self.tokens = Counter(
      'flan_jax_tokens',
      'Tokens of prompts and answers',
      ('kind',),
      registry=registry,
    )
    self.latency = Histogram(
      'flan_jax_request_seconds',
      'Seconds until a request is answered',
      ('route',),
      buckets=_BUCKETS,
      registry=registry,
    )
    waiting = Gauge(
      'flan_jax_queue_length', 'Sequences that wait', registry=registry
    )
    waiting.set_function(lambda: scheduler.waiting)
    running = Gauge(
      'flan_jax_running', 'Answers that are being written', registry=registry
    )
    running.set_function(lambda: scheduler.running)
    if os.path.exists('/proc/self/stat'):
      prometheus_client.ProcessCollector(registry=registry)

  def text(self) -> bytes:
    """Returns the figures in Prometheus's text format."""
    return prometheus_client.generate_latest(self._registry)
