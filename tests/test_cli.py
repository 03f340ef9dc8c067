"""The command line: what it hands over, what it says, and the status it ends with."""

import argparse
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic import synthetic_run
from written import write_run

import lab.api
import lab.experiment.own
import lab.experiment.run
from lab import paths
from lab.cli import COMMANDS, main
from lab.cli.commands import book as book_command
from lab.cli.commands import resume as resume_command
from lab.cli.options import add_options
from lab.cli.outcome import failures, tell
from lab.cli.runs import find_run
from lab.data.records import SCHEMA_VERSION
from lab.data.store import Run, read_run
from lab.errors import ClusterError, DataError, EngineError, LabError
from lab.experiment.facts import facts_of
from lab.experiment.own_parameters import Own
from lab.experiment.parameters import parameters_from
from lab.experiment.profiles import notebook_parameters
from lab.experiment.rules import Choice, Flag, Items, Real, Several, Text, Whole, parameter
from lab.experiment.table import FUNCTIONS, function_of
from lab.measure.node import find_cgroup

HEAVY = ("numpy", "pandas", "ray", "scipy", "matplotlib", "yaml")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Few:
    """Parameters of every kind of rule."""

    # the call returns a field, which ruff cannot know
    items: Any = parameter(Items(), meaning="what it is called with", default="")  # noqa: RUF009
    counts: tuple[int, ...] = parameter(Several(Whole(1, 9)), "nodes", "how many", default=(1, 2))
    names: tuple[str, ...] = parameter(Several(Choice(("ray", "serial")), may_be_empty=True), default=())
    share: float = parameter(Real(0, 1, "cores"), meaning="100 % of a core", default=0.5)
    may_wait: bool = parameter(Flag(), meaning="whether to wait", default=True)
    a_word: str = parameter(Text("[a-z]*", "small letters"), meaning="a word", default="")


def read(*arguments: str) -> dict[str, Any]:
    """Return what a parser with the options of `Few` reads."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_options(parser, Few)
    return vars(parser.parse_args(arguments))


def test_every_field_is_an_option_and_none_is_given_by_itself() -> None:
    """What the command line leaves out is left to the defaults of the parameters."""
    assert read() == {}
    given = read("--counts", "3", "--share", "0.25", "--no-may-wait", "--a-word", "hello", "--items", "12")
    assert given == {"counts": (3,), "share": 0.25, "may_wait": False, "a_word": "hello", "items": "12"}


@pytest.mark.parametrize("text", ["1,2,4", "[1,2,4]", "[1, 2, 4]", " 1, 2,4 "])
def test_lists_are_written_with_commas_or_as_python_writes_them(text: str) -> None:
    """Both ways of a list are read alike, of numbers and of names."""
    assert read("--counts", text)["counts"] == (1, 2, 4)
    assert (
        read("--names", "['ray', \"serial\"]")
        == read("--names", "ray,serial")
        == read("--names=[ray,serial]")
    )
    assert read("--names", "")["names"] == read("--names", "[]")["names"] == ()


def test_help_tells_meaning_range_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of an option comes from its field: the meaning, what is accepted, and the default."""
    with pytest.raises(SystemExit):
        read("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "--counts N,... how many (a list without repetitions of which each is a whole number" in shown
    assert "from 1 to 9; default 1,2)" in shown
    assert "--share CORES 100 % of a core (a number of cores from 0 to 1; default 0.5)" in shown
    assert "--may-wait, --no-may-wait whether to wait (default yes)" in shown
    assert "--items ITEMS what it is called with (my_job.py:items" in shown
    assert "--names NAME,... names (" in shown


class Asked:
    """Stands for `lab.api.run`: keeps what it is asked and returns or raises what it is told to."""

    def __init__(self, answer: Run | BaseException | None = None) -> None:
        self.answer, self.work, self.items, self.given = answer, "", None, dict[str, Any]()

    def __call__(self, work: str, items: Any = None, **given: Any) -> Run | None:
        """Keep the question."""
        self.work, self.items, self.given = work, items, given
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Return what stands in place of `lab.api.run`."""
    stand_in = Asked()
    monkeypatch.setattr(lab.api, "run", stand_in)
    return stand_in


def test_run_hands_over_what_was_given_and_nothing_else(asked: Asked, tmp_path: Path) -> None:
    """Work, items, the folder and each option arrive by name, with the types of their rules."""
    arguments = [
        "--items",
        "my_job.py:items",
        "--workers",
        "1,2,4",
        "--engines",
        "ray,pool",
        "--set-up",
        "a.py:s",
    ]
    assert main(["run", "my_job.py:work", *arguments, "--fail-fast", "--data", str(tmp_path)]) == 0
    assert (asked.work, asked.items) == ("my_job.py:work", "my_job.py:items")
    assert asked.given == {
        "workers": (1, 2, 4),
        "engines": ("ray", "pool"),
        "set_up": "a.py:s",
        "fail_fast": True,
        "data": tmp_path,
        "dry_run": False,
    }


def test_run_without_options_leaves_all_to_the_defaults(asked: Asked) -> None:
    """A `Workload` brings its own items: nothing has to be said but its name."""
    assert main(["run", "my_job.py:job"]) == 0
    assert (asked.work, asked.items) == ("my_job.py:job", None)
    assert asked.given == {"data": None, "dry_run": False}


def test_what_only_the_command_line_has(asked: Asked) -> None:
    """A dry run, and results that may differ."""
    assert main(["run", "my_job.py:work", "--items", "[1, 2]", "--different-results", "--dry-run"]) == 0
    assert asked.items == [1, 2]
    assert asked.given == {"same_results": False, "data": None, "dry_run": True}


def test_every_parameter_of_own_work_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    """`lab run --help` lists each field of the parameters by its name, with an example of a whole command."""
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for field in dataclasses.fields(Own):
        if field.name not in ("work", "same_results"):
            assert f"--{field.name.replace('_', '-')}" in shown
            assert field.metadata["meaning"], field.name
    assert "lab run my_job.py:work --items my_job.py:items --workers 1,2,4" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`lab COMMAND --help` ends well and shows a command to copy."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"example:\n  lab {name}" in capsys.readouterr().out


def test_help_is_at_once() -> None:
    """`lab --help` lists every command without loading anything heavy."""
    script = f"import sys, lab.cli; lab.cli.main(['--help']); print(sorted({HEAVY!r} & sys.modules.keys()))"
    script = script.replace(repr(HEAVY), repr(set(HEAVY)))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    *shown, loaded = done.stdout.splitlines()
    assert loaded == "[]"
    assert {line.split()[0] for line in shown if line.startswith("  ")} >= set(COMMANDS)


def test_it_runs_as_a_module() -> None:
    """`python -m lab` is the same command, and hands its status to the shell."""
    done = subprocess.run(
        [sys.executable, "-m", "lab", "rum"], cwd=paths.ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "there is no command 'rum'; did you mean run?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "a.py:f", "--worker", "1,2"], "there is no option --worker; did you mean --workers?"),
        (["run", "a.py:f", "--wrokers=1,2"], "there is no option --wrokers; did you mean --workers?"),
        (["run", "--items", "3"], "required: WORK"),
        (["run", "a.py:f", "--workers", "0,1"], "argument --workers: '0,1'; accepted is a list"),
        (["run", "a.py:f", "--engines", "rey"], "argument --engines: 'rey'; accepted is a list"),
        (["run", "a.py:f", "--repeats", "many"], "accepted is a whole number from 1 to 1000"),
        (["list", "--dta", "x"], "there is no option --dta; did you mean --data?"),
        (["resume"], "required: RUN_ID"),
    ],
)
def test_wrong_usage_ends_with_2(
    arguments: list[str], said: str, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be asked for is said with what was probably meant, before anything starts."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert asked.work == ""


def test_an_unknown_command_shows_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt command ends with status 2, the one that was meant, and all others."""
    assert main(["boko"]) == 2
    said = capsys.readouterr().err
    assert "there is no command 'boko'; did you mean book?" in said
    assert all(f"  {name}" in said for name in COMMANDS)


def test_an_error_is_one_message_and_status_1(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the lab is told by its kind and its sentence, without a traceback."""
    asked.answer = ClusterError("no cluster answers: start one")
    assert main(["run", "a.py:f", "--items", "1"]) == 1
    assert capsys.readouterr().err == "ClusterError: no cluster answers: start one\n"


def test_ctrl_c_ends_with_130_and_how_to_go_on(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """An experiment that was under way has said how to go on; else, it says that it was stopped."""
    asked.answer = KeyboardInterrupt()
    assert main(["run", "a.py:f", "--items", "1"]) == 130
    assert capsys.readouterr().err == "\nstopped\n"
    asked.answer.add_note("stopped; to go on: lab resume mine")
    assert main(["run", "a.py:f", "--items", "1"]) == 130
    assert capsys.readouterr().err == ""


# --- what a run came to -----------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> Run:
    """Return a small run with one failed trial and one failed task."""
    trials, tasks, *others = synthetic_run(workers=(1, 2), blocks=2)
    trials, tasks = trials.copy(), tasks.copy()
    told = ["status", "error_kind", "error_message"]
    trials.loc[trials.index[0], told] = ["failed", "EngineError", "no luck"]
    tasks.loc[tasks.index[-1], told] = ["failed", "ValueError", "not seven"]
    return read_run(write_run(tmp_path / "single_node" / "mine", (trials, tasks, *others)))


def test_a_run_ends_with_a_line_for_each_size(
    written: Run, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sizes with trials, seconds and rate; how many trials failed; where the rows are; what comes next."""
    asked.answer = written
    assert main(["run", "a.py:f", "--items", "1"]) == 0
    head, *rows, failed, first, ended, following = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["work", "engine", "nodes", "workers"]
    assert {row.split()[1].rstrip(",") for row in rows} == {"serial", "processes", "ray"}
    assert re.fullmatch(r"1 of \d+ items failed, as item \d+ did: ValueError: not seven", failed)
    assert first.startswith("the first trial that failed, ")
    assert first.endswith(": no luck")
    assert re.fullmatch(r"the first trial that failed, \w+: no luck", first)
    assert ended == f"{len(written.trials)} trials, 1 of them failed. Rows: {written.directory}"
    assert following == f"The report: lab book --data {written.directory.parent.parent}"


def test_an_attempt_that_was_done_again_is_no_item_that_failed(written: Run) -> None:
    """What a lost worker had begun, and another one did, is told apart from items without a result."""
    tasks = written.tasks[written.tasks["status"] == "ok"].assign(mode="work")
    lost = tasks[~tasks["warmup"].astype(bool)].head(2)
    lost = lost.assign(status="failed", error_kind="WorkerLost", error_message="gone")
    assert re.fullmatch(
        r"2 attempts failed and were done again, as that at item \d+ did: WorkerLost: gone\n",
        failures(pd.concat([lost, tasks])),
    )
    assert failures(tasks) == ""


def test_a_run_in_the_lab_s_own_folder_needs_no_more_words(
    written: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is named for the book only where it is another than the lab's."""
    monkeypatch.setenv("LAB_DATA", str(written.directory.parent.parent))
    tell(written)
    assert capsys.readouterr().out.endswith("\nThe report: lab book\n")


def test_a_run_of_which_nothing_ended_well_fails(written: Run) -> None:
    """Where every trial failed, the command fails with the first one's message."""
    trials = written.trials.assign(status="failed")
    with pytest.raises(EngineError, match=r"no trial of .* ended well; the first: no luck"):
        tell(dataclasses.replace(written, trials=trials))


# --- runs by name -----------------------------------------------------------------------------------------


def test_a_run_is_found_by_id_by_experiment_and_by_folder(written: Run, tmp_path: Path) -> None:
    """Its id will do where only one experiment has it."""
    for named in ("mine", "single_node/mine", str(written.directory)):
        assert find_run(named, tmp_path) == written.directory
    with pytest.raises(DataError, match=r"there is no run mein in .*: did you mean mine"):
        find_run("mein", tmp_path)
    write_run(tmp_path / "docker" / "mine", synthetic_run(workers=(1,), blocks=1))
    with pytest.raises(DataError, match="2 experiments have a run mine: name it as docker/mine or single_"):
        find_run("mine", tmp_path)


def test_list_has_a_line_for_every_run(
    written: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Complete, unfinished and damaged runs are all listed, with work, trials and start."""
    damaged = tmp_path / "own" / "torn"
    damaged.mkdir(parents=True)
    (damaged / "environment.json").write_text("{")
    planned = written.environment["planned_trials"]
    environment = dict(written.environment) | {"planned_trials": planned + 1}
    environment |= {"works": {"work": {"source": "my_job.py:work"}}}
    (written.directory / "environment.json").write_text(json.dumps(environment))
    assert main(["list", "--data", str(tmp_path)]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["experiment", "run", "work", "state", "trials", "started", "(UTC)"]
    cells = {row.split()[1]: row.split() for row in rows}
    assert cells["torn"][:5] == ["own", "torn", "-", "damaged", "-"]
    expected = ["single_node", "mine", "my_job.py:work", "unfinished", f"{planned}", "of", f"{planned + 1}"]
    assert cells["mine"][:7] == expected


def test_list_of_nothing_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without runs is no error."""
    assert main(["list", "--data", str(tmp_path)]) == 0
    assert "There is no run in" in capsys.readouterr().out


def test_the_published_runs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Every run in data/ is complete and has its line, of whatever experiment."""
    assert main(["list", "--data", str(paths.DATA)]) == 0
    shown = capsys.readouterr().out
    for path in paths.DATA.glob("*/*/environment.json"):
        (line,) = [one for one in shown.splitlines() if one.split()[:2] == [*path.parts[-3:-1]]]
        assert "complete" in line


# --- going on ---------------------------------------------------------------------------------------------


def test_every_experiment_can_be_called_by_name() -> None:
    """The table leads to the function of each notebook, and the validation cannot be gone on with."""
    notebooks = {path.stem for path in (paths.ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks == {*FUNCTIONS, "mechanisms", "compare"}
    for name in FUNCTIONS:
        assert function_of(name).__name__ == name
    with pytest.raises(DataError, match="a run of 'validation' cannot be gone on with"):
        function_of("validation")


def test_the_notebook_has_the_parameters_of_the_command_line() -> None:
    """notebooks/own.ipynb sets every parameter of own work, to its default but for the work and its items."""
    set_there = parameters_from(Own, notebook_parameters("own"))
    changed = {"work": "examples/first.py:work", "items": "examples/first.py:items"}
    assert set_there == Own(**changed)
    assert set(notebook_parameters("own")) == {field.name for field in dataclasses.fields(Own)}


def begun(folder: Path, experiment: str, parameters: Mapping[str, Any]) -> Path:
    """Write the environment file of a run that was begun with parameters."""
    directory = folder / experiment / "mine"
    directory.mkdir(parents=True)
    environment = {
        "schema_version": SCHEMA_VERSION,
        "experiment": experiment,
        "run_id": "mine",
        "parameters": dict(parameters),
        "planned_trials": 1,
        "sessions": [{"started_at": "2026-01-01T00:00:00+00:00"}],
    }
    (directory / "environment.json").write_text(json.dumps(environment))
    return directory


def test_resume_calls_the_notebook_s_function_with_the_run_s_parameters(
    tmp_path: Path, written: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on with what it was begun with; the address, which it does not keep, is given."""
    parameters = {"run_id": "mine", "workers": [2], "cluster": "address"}
    begun(tmp_path / "data", "multi_node", parameters)
    calls: list[Any] = []

    def multi_node(namespace: Mapping[str, Any], data: Path | None = None) -> Run:
        calls.append((namespace, data))
        return written

    monkeypatch.setattr(lab.experiment.run, "multi_node", multi_node)
    address = "http://127.0.0.1:8265"
    assert main(["resume", "mine", "--data", str(tmp_path / "data"), "--address", address]) == 0
    assert calls == [({**parameters, "address": address}, tmp_path / "data")]


@pytest.mark.parametrize("folder", ["/home/someone/", "~/", "~someone/deep/"])
def test_a_run_keeps_no_path_of_a_home(folder: str) -> None:
    """Of work that is named by a whole path a run keeps the file's name, by which it can be gone on with."""
    parameters = Own(work=f"{folder}my_job.py:work", items=f"{folder}items.txt", units="jobs/my_job.py:count")
    facts = facts_of("own", "mine", parameters, {}, (), find_cgroup())
    kept = facts["parameters"]
    named = kept["work"], kept["items"], kept["units"]
    assert named == ("my_job.py:work", "items.txt", "jobs/my_job.py:count")
    again = facts_of("own", "mine", Own(**kept), {}, (), find_cgroup())
    assert again["parameters"] == kept


def test_resume_of_work_that_was_moved(tmp_path: Path, written: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the places are others: the parameters stay those that the run was begun with."""
    begun(tmp_path / "data", "own", {"work": "my_job.py:work", "items": "my_job.py:items", "run_id": "mine"})
    calls: list[Any] = []

    def own_work(namespace: Mapping[str, Any], objects: Mapping[str, Any], data: Path | None) -> Run:
        calls.append((namespace["work"], dict(objects), data))
        return written

    monkeypatch.setattr(lab.experiment.own, "own_work", own_work)
    arguments = ["resume", "mine", "--data", str(tmp_path / "data"), "--work", "there/my_job.py:work"]
    assert main(arguments) == 0
    assert calls == [("my_job.py:work", {"work": "there/my_job.py:work"}, tmp_path / "data")]


def test_resume_of_the_lab_s_own_work_takes_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of primes is not gone on with by somebody's function."""
    begun(tmp_path, "single_node", {"run_id": "mine"})
    assert main(["resume", "mine", "--data", str(tmp_path), "--work", "a.py:f"]) == 1
    assert capsys.readouterr().err.startswith("ParameterError: a run of single_node has the lab's own work")


def test_resume_says_where_a_run_can_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run of a function that a script gave itself goes on from the script."""
    begun(tmp_path, "own", {"run_id": "mine", "work": ""})
    assert main(["resume", "mine", "--data", str(tmp_path)]) == 1
    assert "go on from the script that began it, with run(..., run_id='mine')" in capsys.readouterr().err


def test_resume_of_a_run_in_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A comparison that was begun in a container says which command goes on with it there."""
    directory = begun(tmp_path, "break_even", {"run_id": "mine", "profile": "quick"})
    environment = json.loads((directory / "environment.json").read_text()) | {"machine": {"container": True}}
    (directory / "environment.json").write_text(json.dumps(environment))
    monkeypatch.setattr(resume_command, "CONTAINER_MARKS", (tmp_path / "no such mark",))
    assert main(["resume", "mine", "--data", str(tmp_path)]) == 1
    assert "To go on: make run COMPARISON=break_even PROFILE=quick RUN_ID=mine\n" in capsys.readouterr().err


# --- the book ---------------------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder that looks like a clone with an older book in it."""
    (tmp_path / "_config.yml").touch()
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "old").touch()
    return tmp_path


def builder(folder: Path, script: str) -> tuple[str, ...]:
    """Return a command that runs a script in place of Jupyter Book."""
    (folder / "builder.py").write_text(f"import os, sys\nfrom pathlib import Path\n{script}\n")
    return sys.executable, str(folder / "builder.py")


GOOD = """
Path("_build/html").mkdir(parents=True)
Path("_build/html/index.html").write_text(f"{sys.argv[1:]} {os.environ.get('LAB_DATA')}")
assert os.environ["JUPYTER_PREFER_ENV_PATH"] == "1"
"""


def test_the_book_is_built_anew(clone: Path) -> None:
    """The whole book, every warning an error, from the folder of measurements that is named."""
    page = book_command.build(clone, clone / "rows", builder(clone, GOOD))
    assert page == clone / "_build" / "html" / "index.html"
    assert not (clone / "_build" / "old").exists()
    options = ["build", ".", "-W", "-n", "--keep-going"]
    assert page.read_text() == f"{options} {clone / 'rows'}"


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        (
            "reading\n\x1b[91ma.md:3: WARNING: no such page\x1b[39;49;00m\ndone\n",
            "a.md:3: WARNING: no such page",
        ),
        (
            "Traceback\nlab.errors.ClaimError: equal work gave\nunequal results\n\nmore\nClaimError: again\n",
            "lab.errors.ClaimError: equal work gave\nunequal results",
        ),
        ("Traceback\n  page, line 3\nNameError: x\n", "Traceback\n  page, line 3\nNameError: x"),
        ("\n".join(f"line {number}" for number in range(50)), "\n".join(f"line {n}" for n in range(30, 50))),
    ],
)
def test_a_failed_build_says_why(clone: Path, log: str, shown: str) -> None:
    """The warnings, or the lab's own first error, or the end of the log; the whole log is kept."""
    with pytest.raises(LabError) as raised:
        book_command.build(clone, None, builder(clone, f"sys.stderr.write({log!r}); sys.exit(1)"))
    told, _, reason = str(raised.value).partition("\n")
    assert told == f"the book was not built; the whole log is {clone / 'out' / 'book.log'}"
    assert reason == shown
    assert (clone / "out" / "book.log").read_text() == log


def test_pages_are_told_as_they_are_read(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each page, with the part that is read; of all else that Sphinx says, nothing."""
    said = "loading\nreading sources... [ 50%] book/index\n\x1b[01mreading sources... \x1b[39m[100%] book/own"
    book_command.build(clone, None, builder(clone, f"{GOOD}print({said!r})"))
    assert capsys.readouterr().out == "     50 %  book/index\n    100 %  book/own\n"


def test_what_was_built_stays_until_the_settings_change_or_a_build_fails(clone: Path) -> None:
    """Sphinx keeps pages as they were; settings may change them all, and a warning would not come again."""
    old, built = clone / "_build" / "old", clone / "_build" / ".doctrees" / "environment.pickle"
    again = builder(
        clone,
        "Path('_build/html').mkdir(parents=True, exist_ok=True)\nPath('_build/html/index.html').touch()",
    )
    built.parent.mkdir()
    built.touch()
    os.utime(clone / "_config.yml", (1, 1))
    book_command.build(clone, None, again)
    assert old.exists()
    (clone / "_toc.yml").touch()
    os.utime(built, (1, 1))
    book_command.build(clone, None, again)
    assert not old.exists()
    with pytest.raises(LabError, match="was not built"):
        book_command.build(clone, None, builder(clone, "sys.exit(1)"))
    assert not (clone / "_build").exists()


def test_a_book_without_a_first_page_is_no_book(clone: Path) -> None:
    """A builder that ends well and builds nothing fails, too."""
    with pytest.raises(LabError, match="the book was not built"):
        book_command.build(clone, None, builder(clone, ""))


def test_a_folder_without_pages_is_refused(tmp_path: Path) -> None:
    """A lab that was installed without its clone says where the pages would be."""
    with pytest.raises(DataError, match="has no pages to build"):
        book_command.build(tmp_path)


def test_a_folder_with_brackets_is_refused(tmp_path: Path) -> None:
    """Sphinx reads brackets as a pattern and finds no page: that is said before anything is built."""
    folder = tmp_path / "brackets [x]"
    folder.mkdir()
    (folder / "_config.yml").touch()
    with pytest.raises(DataError, match=r"without \[ or \] in its path"):
        book_command.build(folder)
    assert [path.name for path in folder.iterdir()] == ["_config.yml"]


def test_book_says_what_it_does_and_where_the_first_page_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line before, one line after."""
    monkeypatch.setattr(book_command, "build", lambda **_: Path("first.html"))
    assert main(["book"]) == 0
    before, after = capsys.readouterr().out.splitlines()
    assert before.startswith("==> Building the book from data/")
    assert after == "==> Done. The first page: first.html"


# --- as a newcomer types it -------------------------------------------------------------------------------

JOB = """
import time
items = range(10)
def work(item):
    time.sleep(0.05)
    return 2 * item
"""


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `lab` in a folder, with its data there."""
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments, "--data", "data"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(paths.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.ray
def test_a_run_is_stopped_listed_and_gone_on_with(tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and the command that goes on; that command runs what is missing and no more."""
    (tmp_path / "my_job.py").write_text(JOB)
    asked = [
        "run",
        "my_job.py:work",
        "--items",
        "my_job.py:items",
        "--workers",
        "1",
        "--engines",
        "ray,serial",
    ]
    trials = tmp_path / "data" / "own" / "mine" / "trials.csv"
    with started(tmp_path, *asked, "--repeats", "3", "--run-id", "mine") as run:
        deadline = time.monotonic() + 120
        while not (trials.exists() and trials.read_text().count("\n") > 1) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=120)
    assert run.returncode == 130, errors
    assert errors.rstrip().endswith("stopped; all finished trials are kept. To go on: lab resume mine")
    with started(tmp_path, "list") as listing:
        shown, _ = listing.communicate(timeout=60)
    assert shown.splitlines()[1].split()[:4] == ["own", "mine", "my_job.py:work", "unfinished"]
    kept = trials.read_text()
    with started(tmp_path, "resume", "mine") as resumed:
        shown, errors = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, errors
    assert "The report: lab book --data" in shown
    assert trials.read_text().startswith(kept)
    assert read_run(trials.parent).complete
