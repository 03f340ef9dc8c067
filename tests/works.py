"""Functions that tests measure: each worker imports this file, and so it imports nothing itself."""


def square(item: int) -> int:
    """Return the square."""
    return item * item


def count(result: int) -> int:
    """Return the result as a number of units."""
    return result
