"""Numbers of a run of Ray's mechanisms: values by block, their ratios, and throughput over time."""

import dataclasses

import pandas as pd

from lab.analysis.intervals import LEVEL, Estimate, geometric_mean, ratio_estimate

BIN_SECONDS = 0.25
"""Of throughput over time."""


@dataclasses.dataclass(frozen=True)
class Values:
    """The rows of one run of one experiment, with its repeats and the cluster's slots; 0 where not known."""

    rows: pd.DataFrame
    repeats: int = 0
    slots: int = 0

    def of(self, case: str, quantity: str, **at: int) -> pd.Series:
        """Return the values that were measured, by block; `at` names size_bytes or nodes."""
        found = self.rows[(self.rows["case"] == case) & (self.rows["quantity"] == quantity)]
        for column, value in at.items():
            found = found[found[column] == value]
        return found.dropna(subset=["value"]).set_index("block")["value"]

    def in_turns(self, case: str, quantity: str) -> pd.Series:
        """Return rates that were measured in many turns, by repeat: its turns share what disturbs them."""
        found = self.of(case, quantity)
        if not self.repeats or found.empty:
            return found
        turns = -(-(int(found.index.max()) + 1) // self.repeats)
        return found.groupby(found.index // turns).mean()

    def all_of(self, column: str, case: str, quantity: str) -> list[int]:
        """Return the sizes, or numbers of nodes, that there are values for, ascending."""
        found = self.rows[(self.rows["case"] == case) & (self.rows["quantity"] == quantity)]
        return sorted({int(one) for one in found.dropna(subset=["value"])[column].dropna()})

    def mean(self, case: str, quantity: str, level: float = LEVEL, **at: int) -> Estimate:
        """Return the geometric mean with its interval; a value of 0 or less is left out."""
        return geometric_mean(self.of(case, quantity, **at), level)


def ratio(tops: pd.Series, bottoms: pd.Series, level: float = LEVEL) -> Estimate:
    """Return the geometric mean of the ratios of the blocks that both have."""
    both = pd.concat([tops, bottoms], axis=1, keys=["top", "bottom"]).dropna()
    both = both[(both > 0).all(axis="columns")]
    return ratio_estimate(both["top"].tolist(), both["bottom"].tolist(), level)


def over_time(values: Values, case: str, quantity: str) -> pd.DataFrame:
    """Return `at_seconds` and `rate`, results per second in each bin, mean over blocks.

    At the begin of each bin. The first, and the last of each block, are not whole and left out.
    """
    rows = values.rows[(values.rows["case"] == case) & (values.rows["quantity"] == quantity)]
    if rows.empty:
        return pd.DataFrame({"at_seconds": [], "rate": []})
    numbers = (rows["at_seconds"].astype(float) // BIN_SECONDS).astype(int)
    first, blocks = int(numbers.min()), []
    for _, mine in numbers.groupby(rows["block"]):
        counts = mine.value_counts().reindex(range(first + 1, int(mine.max())), fill_value=0)
        blocks.append(counts / BIN_SECONDS)
    rate = pd.concat(blocks, axis=1).mean(axis=1)
    return pd.DataFrame({"at_seconds": rate.index * BIN_SECONDS, "rate": rate.to_numpy()})


def moments(values: Values) -> pd.DataFrame:
    """Return `step`, the median moment in seconds since the call, and `n`, in the order of the moments."""
    rows = values.rows[values.rows["quantity"] == "moment"]
    found = rows.groupby("case")["value"].agg(["median", "count"]).sort_values("median")
    return pd.DataFrame(
        {"step": found.index, "seconds": found["median"].to_numpy(), "n": found["count"].to_numpy()}
    )
