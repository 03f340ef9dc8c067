"""What is measured around the work: the node, its processes, and the environment that the run was made in."""
