"""Has `ray.init` of a script go to the Ray that a trial has started for it; Python imports this by itself.

Its folder comes first in the PYTHONPATH of a measured command. What a script says of where Ray is, or of what
it may use, is left out: the trial says that. Whatever else the script does is its own.
"""

import functools
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

OF_A_CLUSTER = (
    "num_cpus",
    "num_gpus",
    "resources",
    "labels",
    "object_store_memory",
    "_system_config",
    "_enable_object_reconstruction",
    "_node_name",
    "_temp_dir",
    "_node_ip_address",
    "_memory",
)
"""What `ray.init` refuses, or what would lead it elsewhere, where there is a Ray already."""
HERE = os.path.dirname(os.path.abspath(__file__))


class Finder(importlib.abc.MetaPathFinder):
    """Finds Ray as it is found without this, and changes its `init` once it is there."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        """Return where Ray is; of any other module, say nothing."""
        if name != "ray":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("ray")
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            load = loader.exec_module

            def exec_module(module: Any) -> None:
                load(module)
                module.init = redirected(module.init)

            loader.exec_module = exec_module
        return spec


def redirected(init: Callable[..., Any]) -> Callable[..., Any]:
    """Return `ray.init` that goes where RAY_ADDRESS says, whatever it is told."""

    @functools.wraps(init)
    def goes_there(address: Any = None, *given: Any, **named: Any) -> Any:  # noqa: ARG001  what is left out
        for name in OF_A_CLUSTER:
            named.pop(name, None)
        return init(os.environ["RAY_ADDRESS"], *given, **named)

    return goes_there


def others() -> None:
    """Import the `sitecustomize` that would have been found without this one."""
    sys.path[:] = [one for one in sys.path if os.path.abspath(one or ".") != HERE]
    mine = sys.modules.pop("sitecustomize", None)
    if importlib.util.find_spec("sitecustomize") is not None:
        importlib.import_module("sitecustomize")
    elif mine is not None:
        # it is being imported, and whoever does that looks for it afterwards
        sys.modules["sitecustomize"] = mine


if os.environ.get("RAY_ADDRESS"):
    sys.meta_path.insert(0, Finder())
others()
