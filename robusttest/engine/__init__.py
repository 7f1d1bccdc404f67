"""Cases → records: one test × model as a job, its driver, its rounds, its cell."""
