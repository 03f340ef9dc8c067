"""Work of the experiments that compare engines: images in three transfers, loops of stated lengths."""

from lab.measure.task import Outcome

__all__ = ["Outcome"]
