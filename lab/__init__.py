"""A scaling laboratory for Ray."""
