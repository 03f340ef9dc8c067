"""A pool of actors."""

import ray
from ray.util import ActorPool


@ray.remote
class Doubler:
    def double(self, value: int) -> int:
        return 2 * value


pool = ActorPool([Doubler.remote(), Doubler.remote()])
print(list(pool.map(lambda actor, value: actor.double.remote(value), range(10))))
