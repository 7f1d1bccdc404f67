"""The same value in another notation."""
