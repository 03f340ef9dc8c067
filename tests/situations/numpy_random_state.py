# "Every run gives other numbers, although I call np.random.seed"
import numpy as np

np.random.seed(42)

rounds = range(40)


def bootstrap(_):
    sample = np.random.normal(size=20_000)
    picks = np.random.choice(sample, size=(50, sample.size))
    return float(picks.mean(axis=1).std())
