"""Readings of the GPUs of this machine, where there are any."""

import functools
from typing import Any


@functools.cache
def gpu_handles() -> tuple[Any, ...]:
    """Return NVML's handles of the GPUs: none where NVML does not answer."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return tuple(pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        return ()


def read_gpus() -> tuple[float | None, int | None]:
    """Return mean use in percent and memory in bytes over the node's GPUs, or two `None` if one is silent."""
    handles = gpu_handles()
    if not handles:
        return None, None
    import pynvml

    try:
        use = [pynvml.nvmlDeviceGetUtilizationRates(handle).gpu for handle in handles]
        memory = [pynvml.nvmlDeviceGetMemoryInfo(handle).used for handle in handles]
    except pynvml.NVMLError:
        return None, None
    return sum(use) / len(use), sum(memory)
