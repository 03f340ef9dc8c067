"""What all tests share."""

from hypothesis import settings

settings.register_profile("lab", deadline=None)  # a machine that stalls for a moment fails nothing
settings.load_profile("lab")
