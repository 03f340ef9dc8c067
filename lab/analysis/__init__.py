"""What the measurements say: pure functions from the frames of the CSV files to estimates and verdicts."""
