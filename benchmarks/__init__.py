"""What the native operations cost on this machine: `python -m benchmarks.run`."""
