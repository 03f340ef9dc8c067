"""Ray's own mechanisms, measured: each experiment is a module with a function that yields rows."""
