"""Numbers over many cells (tasks × models): claims, scatter, advice."""
