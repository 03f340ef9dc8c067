"""Runs with planted truth, for validation and tests: nothing in them was measured."""
