"""Numbers of two versions on the same questions: paired changes, power, multiplicity."""
