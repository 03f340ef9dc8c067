"""The errors that the lab raises on purpose: each message says what, where and what to do."""


class LabError(Exception):
    """Something the user can act on."""


class ParameterError(LabError):
    """A parameter is unknown, missing, of the wrong type or out of range."""


class WorkError(LabError):
    """The work that was brought cannot be run: its file, its function, its items or its results."""


class DataError(LabError):
    """A file under `data/` is damaged, foreign, of another schema, or cannot be written."""


class VersionError(DataError):
    """A file under `data/` was written by a version of this lab with another schema."""


class ClusterError(LabError):
    """A cluster could not be started, reached or filled as asked for."""


class TokenError(ClusterError):
    """A cluster wants a token, or refuses the one that it is shown."""


class EngineError(LabError):
    """An engine could not finish the work: no worker is left, or the deadline passed."""


class ClaimError(LabError):
    """The data contradicts a sentence of the book."""
