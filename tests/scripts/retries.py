"""Tasks that fail at times, and are tried again."""

import os
import tempfile

import ray

ray.init()
MARK = os.path.join(tempfile.mkdtemp(), "tried")


@ray.remote(max_retries=3, retry_exceptions=True)
def flaky(mark: str) -> str:
    if not os.path.exists(mark):
        open(mark, "w").close()
        raise OSError("not yet")
    return "done"


print(ray.get(flaky.remote(MARK)))
