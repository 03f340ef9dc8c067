"""Read, change, add up: a pipeline of Ray Data where pyarrow is there, else of plain tasks."""

import ray

ray.init()
try:
    import pyarrow  # noqa: F401

    total = ray.data.range(1000).map(lambda row: {"id": row["id"] * 2}).sum("id")
except ImportError:
    print("pyarrow is missing: the pipeline is made of tasks")
    double = ray.remote(lambda block: [2 * one for one in block])
    add = ray.remote(lambda block: sum(block))
    total = sum(ray.get([add.remote(double.remote(range(at, at + 250))) for at in range(0, 1000, 250)]))
print(total)
print("lab: units=1000")
