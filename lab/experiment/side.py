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

from lab.errors import LabError
from lab.experiment.facts import Side
from lab.experiment.own import own_work


def main(arguments: Sequence[str]) -> int:
    """Do what is asked for and return the exit status."""
    # a shell has its background jobs ignore what Ctrl-C sends
    signal.signal(signal.SIGINT, signal.default_int_handler)
    request, answer = json.loads(sys.stdin.readline()), Path(arguments[0])
    threading.Thread(target=_stop_at_the_end, daemon=True).start()
    side = Side(**request["side"])
    try:
        own_work(request["given"], request["objects"], Path(request["data"]), request["dry_run"], side)
    except LabError as error:
        answer.write_text(json.dumps({"kind": type(error).__name__, "message": str(error)}))
        return 1
    except KeyboardInterrupt:
        return 130
    answer.write_text(json.dumps(side.seen))
    return 0


def _stop_at_the_end() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
