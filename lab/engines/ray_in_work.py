"""Work that uses Ray itself: told in a process that is no worker of Ray, so that a run can be planned so."""

from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def watched(call: Callable[[], Result], may_start: bool = True) -> tuple[Result, bool]:
    """Return what a call returns, and whether it used Ray; a Ray that it left running is ended.

    Unless it `may_start` one, its `ray.init` raises, which is also what Ray calls by itself on its first use.
    """
    import ray

    called: list[str] = []
    ends, begins = ray.shutdown, ray.init

    def shutdown(*given: Any, **named: Any) -> Any:
        called.append("shutdown")
        return ends(*given, **named)

    def init(*given: Any, **named: Any) -> Any:
        called.append("init")
        if not may_start:
            raise RuntimeError("no Ray is started for a try of work that other engines are to run")
        return begins(*given, **named)

    ray.shutdown, ray.init = shutdown, init
    try:
        result = call()
    finally:
        ray.shutdown, ray.init = ends, begins
    used = ray.is_initialized() or bool(called)
    ends()
    return result, used
