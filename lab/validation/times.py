"""Begin and duration of tasks as the lab has them, beside those of Ray's own events."""

import dataclasses
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from lab.clusters.attached import Cluster
from lab.clusters.embedded import embedded
from lab.clusters.events import EVENT_SETTINGS, Execution, executions
from lab.data.records import Check, TaskRecord
from lab.engines import Work, ray_actors
from lab.engines.ray_dispatch import CALL_SECONDS, Actors
from lab.experiment.recorder import Recorder
from lab.experiment.setting import Setting
from lab.validation.windows import DEADLINE_SECONDS, ON, SAMPLE_SECONDS, WAIT_SECONDS, work
from lab.workload import Prepared

OBJECT_STORE_MEGABYTES = 80


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """A sink that keeps the rows in memory."""

    rows: list[Any] = dataclasses.field(default_factory=list)

    def append(self, record: Any) -> None:
        """Keep one row."""
        self.rows.append(record)

    def extend(self, records: Sequence[Any]) -> None:
        """Keep several rows."""
        self.rows.extend(records)

    def sync(self) -> None:
        """Have nothing to do."""


def task_checks(workers: int, tasks: int) -> list[Check]:
    """Return two checks for each task; in a process of their own, since Ray reads its settings but once."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(_task_checks, workers, tasks).result()


def _task_checks(workers: int, tasks: int) -> list[Check]:
    """Run the tasks one a call, watched as in a trial, on a Ray that keeps its events."""
    # before Ray: its workers find the module of the items where this process had found it by then
    found = work(tasks)
    with (
        embedded(workers, OBJECT_STORE_MEGABYTES, 0, EVENT_SETTINGS) as cluster,
        ray_actors.team(workers) as team,
    ):
        began, records = _run(cluster, team, found)
        events = executions("Worker.run", tasks)
    of_worker: dict[int, list[TaskRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda one: one.started_seconds or 0.0):
        of_worker[record.worker].append(record)
    return [
        check
        for mine in of_worker.values()
        for record, event in zip(mine, _events_of(mine, began, events), strict=True)
        for check in _checks(record, event, began)
    ]


def _run(cluster: Cluster, team: Actors, found: Prepared) -> tuple[float, list[TaskRecord]]:
    """Return when the window began, in seconds since 1970, and the rows of its tasks."""
    sink = Rows()
    setting = Setting(sink, cluster, SAMPLE_SECONDS[ON], DEADLINE_SECONDS, WAIT_SECONDS, WAIT_SECONDS)
    recorder = Recorder("000-1", setting, warmup=False)
    # where a task takes as long as a call may, each call is of one
    deadline = time.monotonic() + DEADLINE_SECONDS
    job = Work(found.function, found.items, deadline, task_seconds=CALL_SECONDS, call=found.call)
    ahead = time.time() - time.monotonic()
    recorder.origin = cluster.begin(
        recorder.trial_id, team, setting.sample_seconds, True, recorder.queue_length
    )
    team.run(job, "dynamic", recorder)
    cluster.end()
    recorder.flush()
    recorder.check(len(found.items))
    # the one clock may be set while the other runs on
    ahead = (ahead + time.time() - time.monotonic()) / 2
    return recorder.origin + ahead, sink.rows


def _events_of(
    records: Sequence[TaskRecord], began: float, events: Sequence[Sequence[Execution]]
) -> Sequence[Execution]:
    """Return the events of the worker that the rows are of: Ray's name of it is not the lab's."""

    def distance(candidates: Sequence[Execution]) -> float:
        pairs = zip(records, candidates, strict=True)
        return sum(abs((record.started_seconds or 0.0) + began - one.began) for record, one in pairs)

    return min((one for one in events if len(one) == len(records)), key=distance)


def _checks(record: TaskRecord, event: Execution, began: float) -> tuple[Check, Check]:
    started, finished = record.started_seconds or 0.0, record.finished_seconds or 0.0
    return (
        Check(
            check="task times",
            unit="s",
            block=0,
            node=record.node_id,
            lab_value=finished - started,
            reference_value=event.ended - event.began,
        ),
        Check(
            check="task begins",
            unit="s",
            block=0,
            node=record.node_id,
            lab_value=started,
            reference_value=event.began - began,
        ),
    )
