"""The process of one side of two that are measured in turns: `python -P -m lab.experiment.side ANSWER`.

It reads a request, a line of JSON, measures up to a block, and writes to ANSWER what it saw or why it failed.
The end of its standard input, by a Ctrl-C or with the process that began it, stops it as Ctrl-C stops a run.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from lab import paths
from lab.errors import LabError, ParameterError
from lab.experiment.facts import Side
from lab.experiment.own import own_work


def main(arguments: Sequence[str]) -> int:
    """Do what is asked for and return the exit status."""
    # a shell has its background jobs ignore what Ctrl-C sends
    signal.signal(signal.SIGINT, signal.default_int_handler)
    request, answer = json.loads(sys.stdin.readline()), Path(arguments[0])
    try:
        threading.Thread(target=_stop_at_the_end, daemon=True).start()
        side = Side(**request["side"])
        own_work(request["given"], request["objects"], Path(request["data"]), request["dry_run"], side)
        if request["not_from"]:
            _refuse_modules_of(Path(request["not_from"]))
    except LabError as error:
        answer.write_text(json.dumps({"kind": type(error).__name__, "message": str(error)}))
        return 1
    except KeyboardInterrupt:
        return 130
    answer.write_text(json.dumps(side.seen))
    return 0


def _refuse_modules_of(root: Path) -> None:
    """Raise `ParameterError` where the other version's code has imported a module of the one that is here.

    A package that is installed as a link to the folder is found there, whatever commit is asked for.
    """
    ours = paths.ROOT / "lab"
    for name, module in list(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or sys.prefix)
        installed = path.is_relative_to(sys.prefix) or path.is_relative_to(ours)
        if path.is_relative_to(root) and not installed:
            raise ParameterError(
                f"it imports {name} from the folder that is here, and not from the commit: name the work so "
                "that the folder of that package is searched, as in src/my_package/jobs.py:work or, from its "
                "folder, my_package.jobs:work"
            )


def _stop_at_the_end() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
