# "numpy in my tasks gets slower the more workers I start; top shows 800% per process"
import numpy as np

seeds = range(40)


def fit(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1500, 200))
    y = x @ rng.normal(size=200) + rng.normal(size=1500)
    for _ in range(5):
        coefficients = np.linalg.solve(x.T @ x + np.eye(200), x.T @ y)
    return np.round(coefficients, 6) + 0.0
