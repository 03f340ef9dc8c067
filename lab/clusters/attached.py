"""The Ray cluster that this process is connected to, whatever its kind: its nodes, and what they do."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lab.clusters.stores import Stores
from lab.clusters.watched import ANSWER_SECONDS, Clock, Watched, answers, clocks, on_each
from lab.data.records import NodeFacts, NodeWindow, Sample
from lab.engines import Place, Team
from lab.errors import ClusterError
from lab.measure.environment import other_versions
from lab.measure.node_watch import NodeWatch, Report, Window

REPORT_SECONDS, POLL_SECONDS = 60.0, 0.5


class Cluster:
    """The nodes that are alive. In a window the driver watches its own, and a worker on it each other one."""

    def __init__(self, kind: str, start_seconds: float, driver: NodeWatch | None = None) -> None:
        import ray

        self.kind, self.start_seconds = kind, start_seconds
        self.here: str = ray.get_runtime_context().get_node_id()[:12]
        self.nodes: dict[str, NodeFacts] = {}
        self._new: list[NodeFacts] = []
        self.driver = driver or NodeWatch()
        self._reports = {self.here: self.driver.report()}
        self._alive: frozenset[str] = frozenset()
        self._clocks: dict[str, Clock] = {}
        self._lost: dict[str, str] = {}
        self._node_watches: Mapping[str, Any] = {}
        self._in_use: Mapping[str, Sequence[int]] = {}
        self._origin, self._slots = 0.0, 0

    def refresh(self) -> None:
        """Look which nodes are alive, and ask each new one for its facts.

        Raises `ClusterError` where one has other versions, or where the driver's own has ended."""
        import ray

        alive = {one["NodeID"][:12]: one for one in ray.nodes() if one["Alive"]}
        if self.here in self._alive and self.here not in alive:
            raise ClusterError("Ray's own node has ended, killed or out of memory; run it again to go on")
        self._ask_reports(one["NodeID"] for node, one in alive.items() if node not in self._reports)
        known = {node: one for node, one in alive.items() if node in self._reports}
        working = [node for node, one in known.items() if _holds_workers(one)]
        new = [self._facts(node, one, working) for node, one in known.items() if node not in self.nodes]
        self.nodes |= {facts.node_id: facts for facts in new}
        self._new += new
        self._alive = frozenset(known)

    def take_new(self) -> tuple[NodeFacts, ...]:
        """Return the facts of the nodes that are new since the last call."""
        new, self._new = tuple(self._new), []
        return new

    def workers_on(self) -> tuple[str, ...]:
        """Return the nodes that are alive and may hold workers."""
        return tuple(node for node in self._alive if self.nodes[node].holds_workers)

    def need(self, nodes: int, seconds: float) -> None:
        """Wait until so many nodes may hold workers; raises `ClusterError` where they do not come."""
        deadline = time.monotonic() + seconds
        self.refresh()
        while len(self.workers_on()) < nodes:
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{nodes} nodes are asked for, and {len(self.workers_on())} that may hold workers are "
                    f"alive after {seconds:g} s: start more nodes, or ask for fewer"
                )
            time.sleep(POLL_SECONDS)
            self.refresh()

    def node_of(self, node_id: str | None) -> str:
        """Return the node that a worker is on; None is the driver's own."""
        return node_id or self.here

    def synchronize(self, team: Team) -> None:
        """Measure all nodes' clocks against the driver's."""
        others = {node: one for node, one in team.node_watches.items() if node != self.here}
        self._clocks = {self.here: Clock(0.0, 0.0), **clocks(others)}

    def offset_seconds(self, node_id: str) -> float:
        """Return a node's monotonic clock minus the driver's; 0 where it was never measured."""
        return self._clocks[node_id].offset_seconds if node_id in self._clocks else 0.0

    def begin(
        self,
        trial_id: str,
        team: Team,
        interval_seconds: float,
        watch_ray: bool,
        queue_length: Callable[[], int],
    ) -> float:
        """Have the driver's node and all nodes with workers sampled; returns when, on the driver's clock."""
        self._in_use = _by_node(team.places, self.here)
        if not self.nodes.keys() >= self._in_use.keys():
            # a node that joined after the last look, and got workers at once
            self.refresh()
        self._node_watches = {node: one for node, one in team.node_watches.items() if node != self.here}
        self._lost, slots = {}, getattr(team, "slots", 0)
        rest = interval_seconds, watch_ray, None, None, slots
        calls = {
            node: self._node_watches[node].begin.remote(
                trial_id, node, pids, self.nodes[node].cpu_source, *rest
            )
            for node, pids in self._in_use.items()
            if node in self._node_watches and node in self.nodes
        }
        self._answers(calls)
        self._trial_id, self._slots = trial_id, slots
        stores = {node: self.nodes[node].object_store_bytes for node in self._in_use if node in self.nodes}
        self._stores = Stores(self.here, {node: size for node, size in stores.items() if size is not None})
        self._origin = self.driver.begin(
            trial_id,
            self.here,
            self._in_use[self.here],
            self.nodes[self.here].cpu_source,
            interval_seconds,
            watch_ray,
            queue_length,
            # what the Ray of a command holds, the one around it does not know
            None if slots else self._stores.read,
            slots,
        )
        return self._origin

    def end(self) -> Watched:
        """End the sampling; a node that does not answer is marked as lost."""
        driver = self.driver.end()
        calls = {
            node: self._node_watches[node].end.remote()
            for node in self._in_use
            if node in self._node_watches and node not in self._lost
        }
        found = {self.here: driver} | self._answers(calls)
        samples = [
            self._on_drivers_clock(sample, self._since(node, window.began))
            for node, window in found.items()
            for sample in window.samples
        ]
        windows = tuple(self._window(node, found.get(node)) for node in self._in_use)
        return Watched(driver, tuple(samples), windows)

    def _ask_reports(self, node_ids: Iterable[str]) -> None:
        """Have each of these nodes report; one that does not answer is asked again another time."""
        import ray

        started = on_each(NodeWatch, node_ids)
        calls = {node: one.report.remote() for node, one in started.items()}
        self._lost = {}
        reports: Mapping[str, Report] = self._answers(calls, REPORT_SECONDS)
        for node_watch in started.values():
            ray.kill(node_watch)
        for node, report in reports.items():
            _check_same(node, report, self._reports[self.here])
            self._reports[node] = report

    def _answers(self, calls: Mapping[str, Any], seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Return what the nodes answered; why one did not goes to `_lost`."""
        found, lost = answers(calls, seconds)
        self._lost |= lost
        return found

    def _facts(self, node: str, found: Mapping[str, Any], working: Iterable[str]) -> NodeFacts:
        report, store = self._reports[node], found["Resources"].get("object_store_memory")
        neighbours = sum(self._reports[one].host_id == report.host_id for one in working)
        return NodeFacts(
            node_id=node,
            session=1,
            cluster=self.kind,
            holds_workers=_holds_workers(found),
            host_id=report.host_id,
            cpu_model=report.cpu_model,
            cores=report.cores,
            quota_cores=report.quota_cores,
            cpu_source="cgroup" if report.has_own_cgroup else "processes" if neighbours > 1 else "host",
            memory_bytes=report.memory_bytes,
            object_store_bytes=None if store is None else int(store),
            gpus=report.gpus,
            cluster_start_seconds=self.start_seconds,
        )

    def _since(self, node: str, moment: float) -> float:
        return moment - self.offset_seconds(node) - self._origin

    def _on_drivers_clock(self, sample: Sample, began: float) -> Sample:
        """Return a node's sample with its time since the window began, and what its store held then."""
        at = sample.at_seconds + began
        store = self._stores.used_bytes(sample.node_id, self._origin + at)
        return dataclasses.replace(sample, at_seconds=at, object_store_bytes=store)

    def _window(self, node: str, window: Window | None) -> NodeWindow:
        clock = self._clocks.get(node)
        if window is None:
            return NodeWindow(
                trial_id=self._trial_id,
                node_id=node,
                workers=len(self._in_use[node]) and (self._slots or len(self._in_use[node])),
                status="lost",
                error_message=self._lost.get(node, "no worker was left to watch it"),
            )
        return dataclasses.replace(
            window.counters,
            clock_offset_seconds=None if clock is None else clock.offset_seconds,
            clock_uncertainty_seconds=None if clock is None else clock.uncertainty_seconds,
            began_seconds=self._since(node, window.began),
            ended_seconds=self._since(node, window.ended),
        )


def _holds_workers(node: Mapping[str, Any]) -> bool:
    return bool(node["Resources"].get("CPU", 0) >= 1)


def _by_node(places: Iterable[Place], here: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {here: []}
    for place in places:
        found.setdefault(place.node_id or here, []).append(place.pid)
    return found


def _check_same(node: str, found: Report, expected: Report) -> None:
    """Refuse a node whose lab, or what its numbers depend on, is of another version than the driver's."""
    if found.code != expected.code:
        raise ClusterError(
            f"node {node} has another version of the lab ({found.code}) than the head ({expected.code}): "
            "install the same on all nodes; on compose: make docker-build docker-up"
        )
    for name, there, here in other_versions(found.versions, expected.versions):
        raise ClusterError(
            f"node {node} has {name} {there} and the head {here}: install the same versions on all nodes, as "
            "requirements.lock has them"
        )
