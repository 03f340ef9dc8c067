"""Matrix products with numpy, whose BLAS library starts threads of its own in every worker.

The matrices hold small whole numbers, so that every sum is exact, in whatever order the threads add.

Known beforehand: an item is 4 products of 768 x 768 matrices, 3.6 * 10^9 operations. With --threads 1 each
worker keeps to one thread: c workers on c cores are about c times as fast as one. With --threads 0 each
starts a thread for every core: one worker takes all c cores by itself, and c workers have c * c threads and
add little.
Run it: lab run examples/blas.py:work --items examples/blas.py:items --workers 1,2 --threads 0
"""

import numpy as np

SIZE = 768
PRODUCTS = 4
MODULUS = 97.0

items = range(60)


def work(item: int) -> int:
    """Return the sum of a chain of matrix products, each number modulo 97."""
    generator = np.random.default_rng([7, item])
    first = generator.integers(0, 97, size=(SIZE, SIZE)).astype(np.float64)
    product = generator.integers(0, 97, size=(SIZE, SIZE)).astype(np.float64)
    for _ in range(PRODUCTS):
        product = np.fmod(first @ product, MODULUS)
    return int(product.sum())
