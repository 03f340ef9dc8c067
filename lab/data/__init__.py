"""What a run writes down: its records, the one writer of a run's folder, and the reader of all runs."""
