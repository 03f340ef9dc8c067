"""Proof of the lab's own measuring: what it measures on a cluster, and the instruments it compares with."""
