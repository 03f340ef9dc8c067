"""Tests of lab.data.ledger and lab.data.store: what is written is read back, whatever cut it short."""

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from fakes import node_facts
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from lab.data import reading
from lab.data.environment import read_environment
from lab.data.ledger import Ledger
from lab.data.listing import is_run
from lab.data.reading import header, read_table
from lab.data.records import FILES, SCHEMA_VERSION, NodeFacts, NodeWindow, Sample, TaskRecord, Trial, columns
from lab.data.store import file_digests, read_run
from lab.errors import DataError

TESTS = Path(__file__).parent

TRIAL = Trial(
    trial_id="000-1",
    slot=0,
    attempt=1,
    block=0,
    mode="find",
    arm="experiment",
    engine="ray",
    schedule="dynamic",
    cluster="embedded",
    nodes=1,
    workers_per_node=2,
    workers=2,
    status="ok",
    started_at="2026-01-01T00:00:00.000+00:00",
    startup_seconds=1.5,
    duration_seconds=100.0,
    tasks=8,
    failed_attempts=0,
    digest="00ff00ff00ff00ff",
)
TASK = TaskRecord(
    trial_id="000-1",
    task=0,
    attempt=1,
    warmup=False,
    node_id="0123456789ab",
    worker=0,
    submitted_seconds=0.0,
    started_seconds=0.001,
    status="ok",
    units=1,
    digest="0123456789012345",
)
SAMPLE = Sample(trial_id="000-1", node_id="0123456789ab", at_seconds=0.25, memory_bytes=2**40 + 1)
WINDOW = NodeWindow(trial_id="000-1", node_id="0123456789ab", workers=2, status="ok", cpu_seconds=1.5)
RECORDS = (TRIAL, TASK, SAMPLE, WINDOW, node_facts())


def facts(**changes):
    """Return facts as lab.experiment.run makes them, shortened."""
    return {
        "experiment": "single_node",
        "planned_trials": 1,
        "parameters": {"seed": 1, "workers": (1, 2), "run_id": "a"},
        "code": {"version": "0.1.0", "digest": "abc"},
        "versions": {"python": "3.11.1", "ray": "2.60.0"},
        "session": {"started_at": "2026-01-01T00:00:00.000+00:00"},
    } | changes


def written(directory, *records, **changes):
    """Write a run of one session and return its folder."""
    with Ledger(directory, facts(**changes)) as ledger:
        ledger.begin_session()
        for record in records:
            ledger.append(record)
    return directory


def frames_of(run):
    """Return the frames of a run, in the order of FILES."""
    return run.trials, run.tasks, run.samples, run.windows, run.nodes


def row_of(frame, index=0):
    """Return a row of a frame as plain Python values, None for an unknown."""
    return {
        name: None if pd.isna(value) else getattr(value, "item", lambda value=value: value)()
        for name, value in frame.iloc[index].items()
    }


# --- what is written is read back ---


def test_all_record_types_come_back(tmp_path):
    """Values, types and unknowns of a row of each file survive the way through the file."""
    run = read_run(written(tmp_path / "a", *RECORDS))
    for frame, record in zip(frames_of(run), RECORDS, strict=True):
        assert row_of(frame) == dataclasses.asdict(record)
    assert run.run_id == "a"
    assert run.complete


def test_columns_are_those_of_the_records(tmp_path):
    """Each file has exactly the columns of its dataclass, behind the schema version."""
    written(tmp_path / "a")
    for name, record in FILES.items():
        names = (tmp_path / "a" / name).read_text().strip().split(",")
        assert names == header(record) == ["schema_version", *(one.name for one in columns(record))]


def test_an_empty_run_has_typed_columns(tmp_path):
    """A run without rows is read as empty frames, not as an error, and is not complete."""
    run = read_run(written(tmp_path / "a"))
    assert len(run.trials) == len(run.tasks) == 0
    assert run.trials["slot"].dtype == "Int64"
    assert not run.complete


TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@settings(max_examples=60)
@example(message="file \udcff, \x00", number=2**52 + 1, seconds=-0.0000001, warmup=True)
@given(
    message=TEXT,
    number=st.one_of(st.none(), st.integers(-(2**52), 2**52)),
    seconds=st.one_of(st.none(), st.floats(-1e6, 1e9)),
    warmup=st.booleans(),
)
def test_any_value_makes_one_line_and_comes_back(message, number, seconds, warmup):
    """Any text stays one line and one field; numbers come back, seconds to the microsecond."""
    record = dataclasses.replace(
        TASK, error_message=message, result_bytes=number, started_seconds=seconds, warmup=warmup
    )
    with tempfile.TemporaryDirectory() as folder:
        directory = written(Path(folder) / "a", record, TASK)
        assert (directory / "tasks.csv").read_bytes().count(b"\n") == 3
        row = row_of(read_table(directory / "tasks.csv"))
    plain = " ".join(message.encode(errors="backslashreplace").decode().split())
    assert (row["error_message"] or "") == plain
    assert row["result_bytes"] == number
    assert row["started_seconds"] == (None if seconds is None else pytest.approx(seconds, abs=6e-7))
    assert row["warmup"] is warmup


def test_a_message_with_everything_stays_one_line(tmp_path):
    """Line breaks become spaces; commas and quotes stay as they are."""
    record = dataclasses.replace(TASK, error_message='a "b", c\nd\r\ne\tf')
    directory = written(tmp_path / "a", record)
    assert len((directory / "tasks.csv").read_text().splitlines()) == 2
    assert row_of(read_table(directory / "tasks.csv"))["error_message"] == 'a "b", c d e f'


# --- cut short ---


def test_a_torn_last_line_is_ignored_and_cut_off(tmp_path):
    """Wherever in its last row a file was torn, the rows before are read, and the next one follows them."""
    directory = written(tmp_path / "a", TASK, dataclasses.replace(TASK, task=1, error_message="ü, ü"))
    path = directory / "tasks.csv"
    content = path.read_bytes()
    last = content[:-1].rfind(b"\n") + 1
    within_a_character = content.index("ü".encode()) + 1
    for end in (*range(last, len(content), 13), within_a_character, len(content) - 1):
        path.write_bytes(content[:end])
        assert list(read_table(path)["task"]) == [0]
        written(directory, dataclasses.replace(TASK, task=2))
        assert list(read_table(path)["task"]) == [0, 2]
        assert path.read_bytes().startswith(content[:last])


def test_rows_that_come_while_a_file_is_read_are_for_the_next_time(tmp_path, monkeypatch):
    """A run that goes on may add rows after they were counted."""
    path = written(tmp_path / "a", TASK) / "tasks.csv"
    blocks = reading._blocks

    def growing(file: Path, record: type):
        file.write_bytes(file.read_bytes() + 3 * file.read_bytes().splitlines(keepends=True)[-1])
        return blocks(file, record)

    monkeypatch.setattr(reading, "_blocks", growing)
    assert len(read_table(path)) < 4
    monkeypatch.setattr(reading, "_blocks", blocks)
    assert read_table(path)["task"].tolist() == [0] * 4


def test_a_torn_header_is_written_again(tmp_path):
    """A kill while the header was written leaves a folder that the next start makes whole."""
    directory = written(tmp_path / "a")
    path = directory / "tasks.csv"
    content = path.read_bytes()
    for end in (0, 1, 40, len(content) - 1):
        path.write_bytes(content[:end])
        written(directory, TASK)
        assert list(read_table(path)["task"]) == [0]
        path.write_bytes(content)


def test_a_folder_whose_session_never_began_is_no_run(tmp_path):
    """A kill before the session began leaves no run behind that a page could stumble over."""
    with Ledger(tmp_path / "single_node" / "a", facts()):
        assert not is_run(tmp_path / "single_node" / "a")
    written(tmp_path / "single_node" / "a")
    assert is_run(tmp_path / "single_node" / "a")


WRITER = """
import dataclasses, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_ledger import TASK, facts
from lab.data.environment import read_environment
from lab.data.ledger import Ledger
from lab.data.listing import is_run
with Ledger(Path({directory!r}), facts()) as ledger:
    ledger.begin_session()
    for task in range(10**9):
        ledger.append(dataclasses.replace(TASK, task=task, error_message="x" * (task % 50)))
        sys.stdout.write(f"{{task}}\\n")
        sys.stdout.flush()
"""


@pytest.mark.parametrize("rows", [1, 300])
def test_a_killed_writer_loses_one_row_at_most(tmp_path, rows):
    """After SIGKILL in the middle of writing the file is readable, and holds every row that was reported."""
    directory = tmp_path / "a"
    script = WRITER.format(tests=str(TESTS), directory=str(directory))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        for _ in range(rows):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        reported = rows + len(child.stdout.read().splitlines())
    tasks = list(read_run(directory).tasks["task"])
    assert tasks == list(range(len(tasks)))
    assert reported <= len(tasks) <= reported + 1
    written(directory, dataclasses.replace(TASK, task=len(tasks)))
    assert len(read_table(directory / "tasks.csv")) == len(tasks) + 1


FULL = """
import dataclasses, resource, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_ledger import TASK, facts
from lab.errors import DataError
from lab.data.environment import read_environment
from lab.data.ledger import Ledger
from lab.data.listing import is_run
with Ledger(Path({directory!r}), facts()) as ledger:
    ledger.begin_session()
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    for task in range(1000):
        try:
            ledger.append(dataclasses.replace(TASK, task=task))
        except DataError as error:
            print(task, error)
            break
"""


@pytest.mark.parametrize("limit", [3000, 3050])
def test_a_full_disk_leaves_whole_rows(tmp_path, limit):
    """Where the system takes only part of a row, that part is taken back and the message names the file."""
    directory = tmp_path / "a"
    script = FULL.format(tests=str(TESTS), directory=str(directory), limit=limit)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    rows, message = done.stdout.split(" ", 1)
    assert message.startswith(f"cannot write {directory / 'tasks.csv'}: ")
    assert (directory / "tasks.csv").read_bytes().endswith(b"\n")
    assert list(read_run(directory).tasks["task"]) == list(range(int(rows)))


def test_the_message_of_a_full_disk_says_what_to_do(tmp_path, monkeypatch):
    """No space left: the message says so and how to go on; the file is as it was."""
    with Ledger(tmp_path / "a", facts()) as ledger:
        ledger.begin_session()
        before = (tmp_path / "a" / "tasks.csv").read_bytes()

        def half(handle, line, write=os.write):
            write(handle, line[: len(line) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(
            DataError, match="the disk is full: free some space and start again with the same"
        ):
            ledger.append(TASK)
        monkeypatch.undo()
        assert (tmp_path / "a" / "tasks.csv").read_bytes() == before


def test_a_full_disk_keeps_the_environment_file(tmp_path, monkeypatch):
    """Where the new environment file does not fit, the old one stays whole."""
    directory = written(tmp_path / "a")
    before = (directory / "environment.json").read_bytes()

    def full(path, text):
        with open(path, "w") as file:
            file.write(text[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Ledger(directory, facts()) as ledger:
        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(DataError, match="disk is full"):
            ledger.begin_session()
    assert (directory / "environment.json").read_bytes() == before


# --- one writer, one kind of measurement ---


def test_a_second_writer_is_refused(tmp_path):
    """Only one process at a time writes to a run; when it has ended, the next may."""
    with Ledger(tmp_path / "a", facts()):
        with pytest.raises(DataError, match="another process is writing"):
            Ledger(tmp_path / "a", facts())
        assert (tmp_path / "a" / "tasks.csv").exists()
    written(tmp_path / "a", TASK)


def test_a_second_process_is_refused(tmp_path):
    """The lock holds between processes, and a killed process leaves none behind."""
    script = WRITER.format(tests=str(TESTS), directory=str(tmp_path / "a"))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        child.stdout.readline()
        try:
            with pytest.raises(DataError, match="another process is writing"):
                Ledger(tmp_path / "a", facts())
        finally:
            child.kill()
    written(tmp_path / "a")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"parameters": {"seed": 2, "workers": (1, 2), "run_id": "a"}},
            "other parameters: {'seed': 1} there, {'seed': 2} now",
        ),
        (
            {"parameters": {"seed": 1, "workers": (1, 4), "run_id": "a"}},
            "other parameters: {'workers': [1, 2]} there, {'workers': [1, 4]} now",
        ),
        (
            {"versions": {"python": "3.12.0", "ray": "2.60.0"}},
            "other versions: {'python': '3.11.1'} there, {'python': '3.12.0'} now",
        ),
        (
            {"code": {"version": "0.1.0", "digest": "def"}},
            "other code: {'digest': 'abc'} there, {'digest': 'def'} now",
        ),
        ({"planned_trials": 9}, "other planned_trials: 1 there, 9 now"),
        ({"machine": {"cores": 2}}, "other machine: None there, {'cores': 2} now"),
    ],
)
def test_other_measurements_are_not_mixed_in(tmp_path, changes, words):
    """A run goes on only with its own parameters, code and versions: both values are named, nothing else."""
    directory = written(tmp_path / "a", *RECORDS)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(DataError) as caught:
        Ledger(directory, facts(**changes))
    assert words in str(caught.value)
    assert "choose another run_id" in str(caught.value)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_sessions_are_counted_and_noted(tmp_path):
    """Each session that begins is numbered, listed and noted in its place; opening alone changes nothing."""
    directory = written(tmp_path / "a")
    with Ledger(directory, facts(session={"started_at": "2026-01-02T00:00:00.000+00:00"})) as ledger:
        assert len(read_environment(directory)["sessions"]) == 1
        ledger.begin_session()
        ledger.note(finished_at="2026-01-01T00:00:00+00:00")
        assert ledger.session == 2
    sessions = read_environment(directory)["sessions"]
    assert [one["started_at"][:10] for one in sessions] == ["2026-01-01", "2026-01-02"]
    assert [one.get("finished_at") for one in sessions] == [None, "2026-01-01T00:00:00+00:00"]


# --- damaged and foreign files ---


def damaged(directory, name, change):
    """Write a whole run, then change the text of one of its files."""
    path = written(directory, *RECORDS, dataclasses.replace(TASK, task=1)) / name
    path.write_text(change(path.read_text()))
    return path


def cell(column, text, line=3):
    """Return a change of one cell of a line of tasks.csv."""

    def change(content):
        rows = [row.split(",") for row in content.splitlines()]
        rows[line - 1][rows[0].index(column)] = text
        return "\n".join(map(",".join, rows)) + "\n"

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: "name,value\n1,2\n", "was not written by this lab"),
        (lambda _: "name,value\n1,2", "was not written by this lab"),
        (lambda _: "name,value", "was not written by this lab"),
        (lambda text: "\ufeff" + text, "was not written by this lab"),
        (lambda text: text.replace("\n2,", "\n99,"), "has schema version 99, this lab reads"),
        (lambda text: text.replace(",worker,", ",thread,", 1), "missing: ['worker'], foreign: ['thread']"),
        (lambda text: text + "2,000-1,5\n", "line 4: 3 fields where"),
        (lambda text: text + "\n", "line 4: 0 fields where"),
        (lambda text: text.rstrip("\n") + ",7\n", "line 3:"),
        (cell("task", "one"), "line 3, column task: 'one' is not of type int"),
        (cell("task", "1.5"), "line 3, column task: '1.5' is not of type int"),
        (cell("task", ""), "line 3, column task: empty, where a value is required"),
        (cell("trial_id", ""), "line 3, column trial_id: empty, where a value is required"),
        (cell("status", "", line=2), "line 2, column status: empty"),
        (
            cell("submitted_seconds", "0.5s"),
            "line 3, column submitted_seconds: '0.5s'",
        ),
        (cell("started_seconds", "nan"), "line 3, column started_seconds: 'nan' is not a number"),
        (cell("started_seconds", "inf"), "line 3, column started_seconds: 'inf' is not a number"),
        (cell("started_seconds", "NA"), "line 3, column started_seconds: 'NA' is not a number"),
        (cell("warmup", "maybe"), "line 3, column warmup: 'maybe' is not of type bool"),
        (cell("digest", '"' + "0" * 200_000), "damaged"),
    ],
)
def test_damage_is_named_by_file_line_and_column(tmp_path, change, words):
    """A file that was not written like this raises DataError in reader and writer, and is left as it is."""
    path = damaged(tmp_path / "a", "tasks.csv", change)
    content = path.read_bytes()
    for use in (lambda: read_run(path.parent), lambda: Ledger(path.parent, facts())):
        with pytest.raises(DataError) as caught:
            use()
        assert str(path) in str(caught.value)
        assert words in str(caught.value)
    assert path.read_bytes() == content


def test_an_older_minor_version_is_read_with_unknowns(tmp_path):
    """A file without optional columns is read, with unknowns; one without a required column is refused."""

    def without(*names):
        def change(content):
            table = [row.split(",") for row in content.splitlines()]
            kept = [place for place, name in enumerate(table[0]) if name not in names]
            return "\n".join(",".join(row[place] for place in kept) for row in table) + "\n"

        return change

    gone = ("received_seconds", "digest", "result_bytes")
    path = damaged(tmp_path / "a", "tasks.csv", without(*gone))
    found = read_run(path.parent).tasks
    assert list(found.columns) == header(TaskRecord)[1:]
    assert found[list(gone)].isna().all(axis=None)
    assert found["task"].tolist() == [0, 1]
    assert found.dtypes.to_dict() == read_table(written(tmp_path / "b", TASK) / "tasks.csv").dtypes.to_dict()
    with pytest.raises(DataError, match="was begun by an older version of this lab"):
        Ledger(path.parent, facts())
    path = damaged(tmp_path / "c", "tasks.csv", without("worker", "digest"))
    with pytest.raises(DataError, match=r"missing: \['worker'\], foreign: none"):
        read_run(path.parent)


def test_a_mode_and_an_engine_are_free_text(tmp_path):
    """Own work has any name, and so has an engine of one's own; another arm is damage."""
    mine = dataclasses.replace(TRIAL, mode="my own: <work>", engine="my_engine.py:team", arm="experiment")
    trials = read_run(written(tmp_path / "a", mine)).trials
    assert trials[["mode", "engine"]].to_numpy().tolist() == [["my own: <work>", "my_engine.py:team"]]
    path = damaged(tmp_path / "b", "trials.csv", lambda text: text.replace(",experiment,", ",leg,"))
    with pytest.raises(DataError, match="column arm: 'leg' is none of experiment, baseline, copy"):
        read_run(path.parent)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"arm": "leg"}, "column arm: 'leg' is none of experiment, baseline, copy"),
        ({"duration_seconds": float("nan")}, "column duration_seconds: nan is not a number"),
        ({"duration_seconds": float("inf")}, "column duration_seconds: inf is not a number"),
        ({"slot": 1.5}, "column slot: 1.5 is not of type int"),
        ({"mode": ""}, "column mode: empty, where a value is required"),
        ({"cluster": None}, "column cluster: empty, where a value is required"),
    ],
)
def test_a_row_is_checked_where_it_is_written(tmp_path, changes, told):
    """What the reader would refuse is not written: the message names file and column."""
    with Ledger(tmp_path / "a", facts()) as ledger:
        ledger.begin_session()
        ledger.append(TRIAL)
        with pytest.raises(DataError, match=rf"trials\.csv, {told}"):
            ledger.append(dataclasses.replace(TRIAL, trial_id="001-1", **changes))
    assert read_run(tmp_path / "a").trials["trial_id"].tolist() == [TRIAL.trial_id]


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """A binary file under the name of a table is damage, not a crash."""
    path = written(tmp_path / "a", TASK) / "tasks.csv"
    path.write_bytes(path.read_bytes() + b"\xff\xfe\x00\n")
    with pytest.raises(DataError, match=r"tasks\.csv is damaged"):
        read_run(path.parent)


@pytest.mark.parametrize("block", [1, 300, 700])
def test_a_file_read_in_blocks_is_the_same(tmp_path, monkeypatch, block):
    """However large the blocks are, rows, types and the line of a fault are those of the whole file."""
    rows = [dataclasses.replace(TASK, task=n, error_message="a 'b'" if n == 4 else None) for n in range(9)]
    path = written(tmp_path / "a", *rows) / "tasks.csv"
    whole = read_table(path)
    monkeypatch.setattr(reading, "BLOCK_BYTES", block)
    assert_frame_equal(read_table(path), whole)
    assert list(whole["task"]) == list(range(9))
    path.write_text(cell("started_seconds", "0.5s", line=9)(path.read_text()))
    with pytest.raises(DataError, match=r"line 9, column started_seconds: '0.5s' is not a number"):
        read_table(path)


def test_a_missing_table_is_named(tmp_path):
    """A run that lost a file says which."""
    directory = written(tmp_path / "a")
    (directory / "nodes.csv").unlink()
    with pytest.raises(DataError, match=r"nodes\.csv is missing"):
        read_run(directory)


def test_rows_that_come_twice_are_refused(tmp_path):
    """A merged or copied file counts no observation twice."""
    with pytest.raises(DataError, match=r"trials\.csv holds .*000-1.* more than once"):
        read_run(written(tmp_path / "a", TRIAL, TRIAL))
    with pytest.raises(DataError, match=r"tasks\.csv holds .* more than once \(1 rows\)"):
        read_run(written(tmp_path / "b", TASK, TASK))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is damaged"),
        ("[]", "holds no object"),
        ('"text"', "holds no object"),
        ('{"schema_version": 0}', "has schema version 0, this lab reads"),
        (json.dumps({"schema_version": SCHEMA_VERSION}), "planned_trials: null is not"),
        (
            json.dumps({"schema_version": SCHEMA_VERSION, "sessions": [{}], "planned_trials": 1}),
            r"sessions\[0\].started_at: null is not a moment",
        ),
        (
            json.dumps({"schema_version": SCHEMA_VERSION, "sessions": [{"started_at": ""}]}),
            "planned_trials: null is not a whole number",
        ),
    ],
)
def test_a_foreign_environment_file_is_refused(tmp_path, text, words):
    """An environment file of something else raises DataError that names it, in reader and writer."""
    directory = written(tmp_path / "a")
    (directory / "environment.json").write_text(text)
    for use in (lambda: read_run(directory), lambda: Ledger(directory, facts())):
        with pytest.raises(DataError, match=words) as caught:
            use()
        assert "environment.json" in str(caught.value)


def test_a_folder_that_is_no_run_is_named(tmp_path):
    """Reading any folder says what is missing there."""
    with pytest.raises(DataError, match=r"environment\.json is missing: .* is not a run of this lab"):
        read_run(tmp_path)


def test_a_data_path_that_is_a_file_is_refused(tmp_path):
    """A file where the folder belongs is named, with what to do."""
    (tmp_path / "data").write_text("")
    for place in ("data", "data/single_node/a"):
        with pytest.raises(DataError, match="a file stands where a folder belongs"):
            Ledger(tmp_path / place, facts())


def test_a_folder_without_permission_is_refused(tmp_path):
    """A folder that this user may not write to is named, with what to do."""
    tmp_path.chmod(0o500)
    root = os.geteuid() == 0  # may write anywhere, so that another user must try
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(DataError, match="no permission: make the folder writable"):
            Ledger(tmp_path / "a", facts())
    finally:
        if root:
            os.seteuid(0)
        tmp_path.chmod(0o700)


def test_a_read_only_file_system_is_refused(tmp_path):
    """A place where nobody can write is named, with the operating system's word for it."""
    with pytest.raises(DataError, match="cannot write /proc/lab"):
        Ledger(Path("/proc/lab"), facts())
    assert list(tmp_path.iterdir()) == []


# --- whole runs ---


def test_a_word_that_no_column_knows_is_refused(tmp_path):
    """A status, engine or the like that the lab never writes is damage, and named with its line."""
    folder = written(tmp_path / "run", *RECORDS)
    path = folder / "trials.csv"
    path.write_text(path.read_text().replace(",ok,", ",o\0k,"))
    with pytest.raises(
        DataError, match=r"trials.csv, line 2, column status: 'o\\x00k' is none of ok, failed"
    ):
        read_run(folder)


def test_a_finished_run_that_was_changed_is_refused(tmp_path):
    """A finished run carries digests of its files: a row that was cut off later is noticed."""
    folder = written(tmp_path / "run", *RECORDS)
    environment = read_environment(folder)
    environment["sessions"][-1]["files"] = file_digests(folder)
    (folder / "environment.json").write_text(json.dumps(environment))
    assert read_run(folder).run_id == "run"
    path = folder / "trials.csv"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"trials.csv was changed after the run had finished"):
        read_run(folder)


def test_a_failed_trial_completes_a_slot_and_an_interrupted_does_not(tmp_path):
    """A run is complete when every slot has a trial that ended, well or not."""
    for status, expected in (("ok", True), ("failed", True), ("interrupted", False)):
        run = read_run(written(tmp_path / status, dataclasses.replace(TRIAL, status=status)))
        assert run.complete is expected
    assert not read_run(written(tmp_path / "two", TRIAL, planned_trials=2)).complete


def test_every_column_has_a_meaning():
    """Each column of each file says what it means, and its unit where its name bears one."""
    for record in (Trial, TaskRecord, Sample, NodeFacts):
        for one in columns(record):
            assert one.meaning, one.name
            if one.name.endswith("_seconds"):
                assert one.unit in ("s", "CPU s"), one.name
            if one.name.endswith("_bytes"):
                assert one.unit == "B", one.name
