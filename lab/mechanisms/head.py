"""The head killed: its state kept in a file or in its memory alone, each in a small cluster of its own."""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from lab.clusters.embedded import SETTINGS
from lab.clusters.local import raylets
from lab.clusters.surroundings import limited
from lab.data.records import Mechanism
from lab.errors import LabError
from lab.experiment.mechanism_parameters import Mechanisms
from lab.mechanisms.ground import Ground, nap, skipped, warm

CASES = {"head, state in a file": "rocksdb", "head, state in memory": "memory"}
"""What is called how by Ray's setting RAY_gcs_storage."""
TASKS, TASK_SECONDS = 20, 0.02
"""What is asked for while there is no head."""
OUTAGE_SECONDS, ANSWER_SECONDS = 3.0, 12.0
"""For those tasks, and for the head to answer again."""
NAMESPACE, ACTOR = "mechanisms", "kept"


class Counter:
    """An actor whose count is the state that a head should find again."""

    def __init__(self) -> None:
        self._count = 0

    def count(self) -> int:
        """Count one more, and return how many there are."""
        self._count += 1
        return self._count


def head_rows(ground: Ground) -> Iterator[Mechanism]:
    """Yield what is left after the head was killed and started again; in processes of their own.

    Ray ends a driver whose head has forgotten it, and reads its settings but once in a process.
    """
    if ground.parameters.cluster not in ("embedded", "local"):
        why = "the script that measures runs on the head and would end with it: use cluster local"
        yield skipped("recovery", why, "head")
        return
    context = multiprocessing.get_context("spawn")
    for case, storage in CASES.items():
        repeats = 2 * ground.parameters.repeats if storage == "rocksdb" else 1
        with ProcessPoolExecutor(1, mp_context=context) as process:
            try:
                yield from process.submit(_killed, ground.parameters, case, storage, repeats).result()
            except BrokenProcessPool:
                yield _row(case, "driver lives", 0.0, 0)
                yield _row(case, "state kept", 0.0, 0)


def _killed(parameters: Mechanisms, case: str, storage: str, repeats: int) -> list[Mechanism]:
    """Kill the head's table, the GCS, and start it again, so often as is asked."""
    with tempfile.TemporaryDirectory(prefix="gcs-") as folder:
        settings = {**SETTINGS, "RAY_gcs_storage": storage, "RAY_gcs_storage_path": folder}
        with raylets(1, 1, 80, settings) as found:
            import ray

            warm(Ground(parameters).need(1))
            options = {"name": ACTOR, "namespace": NAMESPACE, "lifetime": "detached", "num_cpus": 0}
            actor = ray.remote(Counter).options(**options).remote()
            ray.get(actor.count.remote())
            return [row for block in range(repeats) for row in _once(found.handle.head_node, case, block)]


def _once(head: Any, case: str, block: int) -> Iterator[Mechanism]:
    import ray

    task = ray.remote(nap)
    # a function that no worker has yet would wait for the head, which keeps it
    ray.get(task.remote(0.0))
    head.kill_gcs_server(check_alive=False)
    asked = [task.remote(TASK_SECONDS) for _ in range(TASKS)]
    done, _ = ray.wait(asked, num_returns=TASKS, timeout=OUTAGE_SECONDS)
    yield _row(case, "tasks go on without it", float(len(done) == TASKS), block)
    began = time.time()
    head.start_gcs_server()
    yield _row(case, "until the head ran again", time.time() - began, block, "s")
    try:
        count = _asked()
        yield _row(case, "until it answered", time.time() - began, block, "s")
    except (LabError, ray.exceptions.RayError, ValueError):
        # Ray raises ValueError for an actor that nobody knows
        count = 0
    yield _row(case, "driver lives", 1.0, block)
    yield _row(case, "state kept", float(count > 1), block)


def _asked() -> int:
    """Return the actor's count, which the head has to find by its name."""
    import ray

    with limited(ANSWER_SECONDS, "the head does not answer"):
        actor = ray.get_actor(ACTOR, NAMESPACE)
        count: int = ray.get(actor.count.remote(), timeout=ANSWER_SECONDS)
        return count


def _row(case: str, quantity: str, value: float, block: int, unit: str = "1") -> Mechanism:
    return Mechanism(experiment="recovery", case=case, quantity=quantity, unit=unit, value=value, block=block)
