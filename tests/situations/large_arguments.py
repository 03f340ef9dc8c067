# "Passing my DataFrame to every task is slow / object store is full"
import numpy as np
import pandas as pd


def load():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"store": rng.integers(0, 50, 500_000), "sales": rng.integers(0, 1000, 500_000)})


def jobs():
    df = load()
    for store in range(30):
        yield df, store


def total_of_store(job):
    df, store = job
    return int(df.loc[df["store"] == store, "sales"].sum())
