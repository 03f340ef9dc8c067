"""Counting the words of documents: the classic of distributed work.

Known beforehand: 60 documents of 40,000 words share nothing: w workers on w free cores are about w times as
fast as one. All counts together are 2,400,000 words. Each document of about 245 kB travels to its worker.
Run it: lab run examples/word_count.py:work --items examples/word_count.py:items --workers 1,2
"""

import re
from collections import Counter
from collections.abc import Iterator
from random import Random

DOCUMENTS = 60
WORDS = 40_000  # of each document
VOCABULARY = 2000


def items() -> Iterator[str]:
    """Yield the documents: the k-th word of the vocabulary comes as often as 1 / k, as in a language."""
    generator = Random(7)
    vocabulary = [
        "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=3 + k % 6)) for k in range(VOCABULARY)
    ]
    weights = [1 / (k + 1) for k in range(VOCABULARY)]
    for _ in range(DOCUMENTS):
        yield " ".join(generator.choices(vocabulary, weights, k=WORDS)).capitalize() + "."


def work(document: str) -> dict[str, int]:
    """Return how often each word of a document comes, the most frequent first."""
    return dict(Counter(re.findall(r"[a-z]+", document.lower())).most_common())
