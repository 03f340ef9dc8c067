"""Actors with state, and one that nobody ends."""

import ray

ray.init()


@ray.remote
class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count


counters = [Counter.remote() for _ in range(2)]
Counter.options(name="kept", lifetime="detached", num_cpus=1).remote()
print(ray.get([one.add.remote() for one in counters for _ in range(5)]))
