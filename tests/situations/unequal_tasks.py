# "All but one of my workers are idle for the second half of the run"
import random

random.seed(1)
sizes = sorted(int(20_000 * random.paretovariate(1)) for _ in range(80))


def longest_chain(limit):
    best = 0
    for start in range(1, limit // 50):
        n, length = start, 1
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            length += 1
        best = max(best, length)
    return best
