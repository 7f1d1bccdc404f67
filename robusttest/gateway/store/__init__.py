"""What was paid for: replies and variants in SQLite, and cassettes."""
