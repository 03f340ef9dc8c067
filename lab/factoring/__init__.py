"""Whole numbers as products of primes, on as many workers as there are."""
