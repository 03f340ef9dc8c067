"""The command line: `lab COMMAND ...`; exit status 0 fine, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.

Commands whose status is their answer, `compare` and `check`, have statuses of their own, as their help says.
"""

import argparse
import difflib
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from lab.errors import LabError

COMMANDS: Mapping[str, str] = {
    "run": "measure your own function on Ray and beside it, with ever more workers",
    "check": "say what is good, doubtful or bad about a cluster, before a run",
    "resume": "go on with a run that was stopped, of any experiment",
    "book": "build the report from the measurements in data/",
    "list": "list all runs",
    "answer": "say how far, why no further and how many; for a target or a price, too",
    "compare": "say whether the second of two runs is slower, and how sure that is",
    "factor": "split a number into primes, on a cluster where it is large",
    "export": "write a run as OpenMetrics, JSON, or what Bencher and asv read",
    "trace": "write one trial of a run as a file for Perfetto",
    "validate": "measure the lab's own measuring beside other instruments",
}
"""Each has a module of its name in `lab.cli.commands`: `carry_out`, EXAMPLE and, mostly, `add_arguments`."""

WITHOUT_DATA = ("factor",)
"""Commands that neither read nor write runs."""

FAILED, WRONG_USAGE, STOPPED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out what the command line asks for and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(overview(), end="")
        return 0
    name, rest = given[0], given[1:]
    if name not in COMMANDS:
        print(
            f"lab: there is no command {name!r}{meant(name, COMMANDS)}\n{overview()}", file=sys.stderr, end=""
        )
        return WRONG_USAGE
    # each command brings its own imports, so that the others start without them
    command = importlib.import_module(f"lab.cli.commands.{name}")
    try:
        return guarded(lambda: carry_out(command, name, rest))
    except SystemExit as ended:
        # argparse ends with 2 of its own accord
        wrong = ended.code == WRONG_USAGE and hasattr(command, "WRONG_USAGE")
        raise SystemExit(command.WRONG_USAGE if wrong else ended.code) from None


def overview() -> str:
    """Return what `lab --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {words}" for name, words in COMMANDS.items()]
    return "\n".join(
        [
            "usage: lab COMMAND ...\n",
            "How far does my work scale on Ray, why no further, and how many nodes should I use?\n",
            *lines,
            "\n`lab COMMAND --help` explains a command. The shortest way to a report of your own:\n",
            "  lab run my_job.py:work --items my_job.py:items --workers 1,2,4",
            "  lab book\n",
        ]
    )


def carry_out(command: ModuleType, name: str, arguments: Sequence[str]) -> int:
    """Read a command's arguments, do what they ask for and return its status; 2 where they are wrong."""
    parser = argparse.ArgumentParser(
        prog=f"lab {name}",
        usage=getattr(command, "USAGE", None),
        description=f"{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.",
        epilog=f"example:\n{command.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    getattr(command, "add_arguments", lambda _: None)(parser)
    if name not in WITHOUT_DATA:
        told = "the folder of the runs (default: data/ of the lab)"
        parser.add_argument("--data", type=Path, metavar="FOLDER", help=told)
    refuse_unknown(parser, arguments)
    return command.carry_out(parser.parse_args(arguments)) or 0


def refuse_unknown(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """End with status 2 for an option that does not exist, before argparse misses what it swallowed."""
    known = [option for action in parser._actions for option in action.option_strings]
    for one in arguments:
        option = one.partition("=")[0]
        if option == "--":
            return
        if option.startswith("--") and option not in known:
            parser.error(
                f"there is no option {option}{meant(option, known)}; `{parser.prog} --help` lists all"
            )


def meant(name: str, known: Sequence[str] | Mapping[str, str]) -> str:
    """Return a question for the name that was probably meant; empty where none is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def guarded(work: Callable[[], int]) -> int:
    """Return the exit status of work, and say in one message why it failed or how to go on."""
    try:
        return work()
    except LabError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stop:
        # what was under way has said how to go on, and noted so
        if not getattr(stop, "__notes__", ()):
            print("\nstopped", file=sys.stderr)
        return STOPPED
