"""Monte Carlo estimate of pi with tasks, as in many introductions."""

import random

import ray

ray.init()


@ray.remote
def inside(points: int, seed: int) -> int:
    draw = random.Random(seed)
    return sum(draw.random() ** 2 + draw.random() ** 2 < 1 for _ in range(points))


counts = ray.get([inside.remote(20_000, seed) for seed in range(8)])
print("pi is about", 4 * sum(counts) / 160_000)
