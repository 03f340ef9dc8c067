"""The parts of `lab.validate`: what it measures on a cluster, and the instruments it compares with."""
