"""Tasks that start tasks."""

import ray

ray.init(configure_logging=False)


@ray.remote(num_cpus=0.1)
def fibonacci(number: int) -> int:
    if number < 2:
        return number
    return sum(ray.get([fibonacci.remote(number - 1), fibonacci.remote(number - 2)]))


print(ray.get(fibonacci.remote(3)))
