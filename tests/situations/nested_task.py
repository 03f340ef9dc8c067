# "My function starts tasks of its own"
import ray

documents = ["the quick brown fox jumps over the lazy dog " * (50 + i) for i in range(20)]


@ray.remote
def count_words(part):
    return len(part.split())


def count(document):
    half = len(document) // 2
    middle = document.index(" ", half)
    return sum(ray.get([count_words.remote(document[:middle]), count_words.remote(document[middle:])]))
