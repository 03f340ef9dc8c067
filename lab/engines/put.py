"""Images in Ray's object store: put once by the driver, read by every worker without a copy on its node."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PutImage:
    """An image in the object store; the task carries its reference, and the store keeps it that long.

    Ray does not look into a task's payload for references: the worker asks the store when it needs the image.
    """

    ref: Any

    def pixels(self) -> NDArray[np.uint8]:
        """Return a read-only view of the object store's memory."""
        import ray

        array: NDArray[np.uint8] = ray.get(self.ref)
        return array


def put_image(pixels: NDArray[np.uint8]) -> PutImage:
    """Copy an image into the object store of the running Ray."""
    import ray

    return PutImage(ray.put(pixels))
