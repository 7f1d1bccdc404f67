"""How calls are made: scheduler, lanes, budget."""
