"""What other reports published: their numbers, and their claims tested on a run of this lab."""
