"""Where shards of a run's work are done: engines by name, each an executor (PEP 3148) with workers of its own."""
