# "I share a counter between tasks with a named actor"
import ray

pages = [f"page-{i}" for i in range(60)]


@ray.remote(num_cpus=0)
class Counter:
    def __init__(self):
        self.seen = {}

    def add(self, key, count):
        self.seen[key] = count
        return len(self.seen)


def crawl(page):
    counter = Counter.options(name="counter", get_if_exists=True, lifetime="detached").remote()
    words = sum(ord(letter) * i for i, letter in enumerate(page * 2000)) % 5000
    ray.get(counter.add.remote(page, words))
    return words
