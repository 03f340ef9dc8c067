"""Results in the order in which they come, with arguments of a command line."""

import argparse

import ray

parser = argparse.ArgumentParser()
parser.add_argument("--tasks", type=int, default=6)
parser.add_argument("--name", default="")
given = parser.parse_args()


@ray.remote(num_cpus=0.5)
def work(number: int) -> int:
    return number


if __name__ == "__main__":
    ray.init()
    left = [work.remote(one) for one in range(given.tasks)]
    while left:
        done, left = ray.wait(left)
        print(given.name, ray.get(done[0]))
        print("lab: units=1")
    ray.shutdown()
