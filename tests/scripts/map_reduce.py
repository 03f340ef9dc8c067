"""Word count by map and reduce, with objects that stay in the store."""

from collections import Counter

import ray

ray.init(ignore_reinit_error=True)
TEXTS = ["the quick brown fox", "the lazy dog", "the end"] * 4


@ray.remote
def count(text: str) -> Counter[str]:
    return Counter(text.split())


@ray.remote
def merge(*counts: Counter[str]) -> Counter[str]:
    return sum(counts, Counter())


parts = [count.remote(text) for text in TEXTS]
while len(parts) > 1:
    parts = [merge.remote(*parts[at : at + 4]) for at in range(0, len(parts), 4)]
total = ray.get(parts[0])
print(total.most_common(1))
print(f"lab: units={total.total()}")
