"""A cluster checked before a run: what is good, doubtful or bad about it, and the command that helps."""
