"""A script for a cluster: it wants one that runs, and tells its units."""

import ray

ray.init("auto")
square = ray.remote(lambda one: one * one)
print(sum(ray.get([square.remote(one) for one in range(50)])))
print("lab: units=50")
