"""Engines compared on equal terms: the same work on each, one after another, each in a process of its own."""
