"""Benchmarks against baselines: same run, same machine, same client, same message sizes."""
