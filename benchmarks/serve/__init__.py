"""Many clients of one server: errors, throughput, latency and memory."""
