"""Clusters that the lab can run on, and how each kind is reached."""
