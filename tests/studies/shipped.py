"""The names of the shipped studies."""

from flan_jax.config import shipped_gin_dir

# `scale.smoke.gin` is no study, but what `scale` changes at one size.
STUDIES = sorted(
  path.stem
  for path in (shipped_gin_dir() / 'experiments').glob('*.gin')
  if '.' not in path.stem
)
