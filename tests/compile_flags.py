"""Flags of XLA for tests, which compile much and compute little."""

CHEAP_PROGRAMS = (
  '--xla_backend_optimization_level=1'
  ' --xla_llvm_disable_expensive_passes=true'
  # The newer code generator takes several times as long.
  ' --xla_cpu_use_fusion_emitters=false'
)
