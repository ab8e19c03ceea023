"""Named benchmarks, synthetic data, and the in-memory set that batches are gathered from."""
