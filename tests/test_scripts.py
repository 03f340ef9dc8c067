"""Scripts as they are: kinds that people post run unchanged, and what does not end well says why."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import paths
from lab.api import run
from lab.clusters.local import local
from lab.data.store import Run, read_run
from lab.engines import Work
from lab.engines.command import Command
from lab.engines.ray_of_command import CommandTeam, team
from lab.errors import EngineError, LabError, ParameterError, WorkError
from lab.report import losses, why
from lab.report.own import own_page
from lab.report.study import Study

SCRIPTS = Path(__file__).parent / "scripts"
NODES, SLOTS = 2, 2


class Seen:
    """Keeps what ended."""

    def __init__(self) -> None:
        self.ended: list[Any] = []

    def submitted(self, tasks: int) -> None:
        """Take no note."""

    def completed(self, completion: Any) -> None:
        """Keep it."""
        self.ended.append(completion)


@pytest.fixture(scope="module")
def ray_of_two() -> Iterator[CommandTeam]:
    """Yield a Ray of two nodes within a local cluster of three."""
    with local(3, SLOTS, 100) as cluster, team(NODES * SLOTS, NODES) as found:
        cluster.need(3, 60.0)
        yield found


def ended(found: CommandTeam, command: str, seconds: float = 120.0) -> Any:
    """Return what became of a command."""
    seen = Seen()
    words = tuple(shlex.split(command))
    work = Work(None, [Command(words, str(SCRIPTS))], time.monotonic() + seconds)
    found.run(work, "dynamic", seen)
    (one,) = seen.ended
    return one.measurement


def refused(found: CommandTeam, code: str, seconds: float = 120.0) -> str:
    """Return why a script of so many words fails."""
    with pytest.raises(EngineError) as error:
        ended(found, shlex.join([sys.executable, "-c", code]), seconds)
    return str(error.value)


UNITS = {"auto.py": 50, "num_cpus.py": NODES * SLOTS, "map_reduce.py": 36, "pipeline.py": 1000}


@pytest.mark.ray
@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_scripts_run_as_they_are(ray_of_two: CommandTeam, script: Path) -> None:
    """Twelve kinds of scripts run on a Ray of the size asked for, whatever they tell ray.init."""
    more = ' --tasks 4 --name "two words"' if script.stem == "as_completed" else ""
    found = ended(ray_of_two, f"python {script.name}{more}")
    assert found.outcome.units == (4 if more else UNITS.get(script.name, 1))
    assert found.finished > found.started


def test_there_are_twelve_kinds() -> None:
    """Each script is another kind of use of Ray."""
    assert len(list(SCRIPTS.glob("*.py"))) == 12


CONNECT = "import ray; ray.init(log_to_driver=False); "


@pytest.mark.ray
@pytest.mark.parametrize(
    ("code", "told"),
    [
        (CONNECT + "raise SystemExit(3)", "ended with status 3; its last line"),
        (CONNECT + "raise ValueError('no such column')", "its last line: ValueError: no such column"),
        (
            CONNECT + "import traceback\ntry: 1 / 0\nexcept ZeroDivisionError: traceback.print_exc()",
            "printed a traceback and ended with status 0",
        ),
        ("import os; os.kill(os.getpid(), 11)", "ended by signal 11; it printed nothing"),
        ("print('done')", "never connected to the Ray"),
    ],
)
def test_a_script_that_does_not_end_well_says_why(ray_of_two: CommandTeam, code: str, told: str) -> None:
    """Another status, a signal, a traceback before status 0, no use of Ray: each has its sentence."""
    assert told in refused(ray_of_two, code)


@pytest.mark.ray
def test_a_script_that_never_ends_is_killed_with_all_it_started(ray_of_two: CommandTeam) -> None:
    """At the deadline the script and what it started are gone, and the sentence says what it printed last."""
    code = "import subprocess as s, time; print(s.Popen(['sleep', '1000']).pid, flush=True); time.sleep(1000)"
    told = refused(ray_of_two, code, seconds=5.0)
    assert "had not ended after" in told
    pid = int(told.rpartition(" ")[2])
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.ray
def test_units_count_beside_a_traceback_and_much_output(ray_of_two: CommandTeam) -> None:
    """A script that tells its units has done them, whatever it printed: 20 MB do not stop it."""
    code = "print('x' * 20_000_000)\nprint('Traceback (most recent call last):')\nprint('lab: units=7')"
    code = CONNECT + code
    assert ended(ray_of_two, shlex.join([sys.executable, "-c", code])).outcome.units == 7


@pytest.mark.ray
def test_a_program_that_is_not_there_says_so(ray_of_two: CommandTeam) -> None:
    """A program that the node lacks is named."""
    with pytest.raises(EngineError, match="no_such_program cannot be started"):
        ended(ray_of_two, "no_such_program --fast")


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        ({"command": "python 'pi.py"}, ParameterError, "No closing quotation"),
        ({"command": "python pi.py > out.txt"}, ParameterError, "is for a shell"),
        ({"command": "python"}, ParameterError, "name a script"),
        ({"command": "python no_such.py"}, WorkError, "there is no file no_such.py"),
        ({"command": "no_such_program"}, WorkError, "there is no program no_such_program"),
        ({"command": "python pi.py", "items": 5}, ParameterError, "leave items out"),
        ({"command": "python pi.py", "scaling": "weak"}, ParameterError, "leave scaling out"),
        ({"command": "python pi.py", "engines": ["serial"]}, ParameterError, "leave engines out"),
        ({}, ParameterError, "--command"),
    ],
)
def test_a_command_that_cannot_run_is_refused_first(
    given: dict[str, Any],
    kind: type[LabError],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Quotes, words of a shell, missing files, and what a command cannot have: nothing is begun."""
    monkeypatch.chdir(SCRIPTS)
    with pytest.raises(kind, match=told):
        run(data=tmp_path, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of a script at two sizes."""
    data = tmp_path_factory.mktemp("data")
    options = f"--workers 1,2 --repeats 1 --object-store-megabytes 100 --run-id pi --data {data}".split()
    done = subprocess.run(
        [sys.executable, "-m", "lab", "run", "--command", "python pi.py", *options],
        cwd=SCRIPTS,
        env={**os.environ, "PYTHONPATH": str(paths.ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(data / "own" / "pi")


@pytest.mark.ray
def test_a_script_is_a_run_like_any_other(whole: Run) -> None:
    """Each trial has its time, and windows and samples of its node; what cannot be known is empty."""
    trials, windows = whole.trials, whole.windows
    assert set(trials["status"]) == {"ok"}, trials["error_message"].tolist()
    assert set(trials["engine"]) == {"ray"}
    assert (trials["units"] == 1).all()
    assert trials["task_cpu_seconds"].isna().all()
    assert len(whole.tasks) == 0
    assert set(windows["workers"]) == {1, 2}
    assert (windows["workers_cpu_seconds"] > 0).all()
    assert set(whole.samples["trial_id"]) == set(trials["trial_id"])
    assert whole.environment["works"]["pi"]["source"] == "python pi.py"


@pytest.mark.ray
def test_the_page_of_a_script_says_what_cannot_be_known(whole: Run) -> None:
    """The answer and the throughput stand on the page, and a sentence on what a script does not tell."""
    text = own_page(whole.directory.parent.parent).works().text
    assert "python pi.py" in text
    assert "How far does it scale?" in text
    assert "no rows of tasks" in text
    assert "What does one item take?" not in text
    # nothing tells of a figure that cannot be drawn
    assert "moment by moment" not in why.in_full(Study(whole)).text
    # rows that it cannot have are no fault of its files
    assert losses.doubts(Study(whole)).text.startswith("A script has no rows of tasks")
