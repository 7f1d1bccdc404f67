"""Numbers of one cell (task × model): measures, metrics, intervals, gates."""
