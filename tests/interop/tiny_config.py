"""The config.json of a small Llama."""

# Grouped heads whose total width differs from the model's.
CONFIG = {
  'vocab_size': 300,
  'hidden_size': 32,
  'intermediate_size': 48,
  'num_hidden_layers': 3,
  'num_attention_heads': 4,
  'num_key_value_heads': 2,
  'head_dim': 12,
  'rms_norm_eps': 1e-5,
  'max_position_embeddings': 64,
}
