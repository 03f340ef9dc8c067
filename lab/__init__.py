"""A scaling laboratory for Ray."""

import sys

if sys.version_info < (3, 11):
    raise ImportError(f"Python {sys.version.split()[0]} is too old: the lab needs 3.11 or later")
