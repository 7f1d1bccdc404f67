"""What perturbations are made of: protocol, catalog, edits, spans, validity, designs."""
