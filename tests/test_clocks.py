"""Tests of lab.clusters.watched: how the clocks of nodes are read."""

import threading
import time
from concurrent.futures import Future

import pytest

from lab.clusters import watched
from lab.clusters.watched import PINGS, clocks


class NodeWatch:
    """A node whose clock is ahead, and that answers after a while; it keeps how many were asked meanwhile."""

    asked = most = 0

    def __init__(self, ahead: float, after: float = 0.0, fails_from: int = PINGS) -> None:
        self.ahead, self.after, self.left = ahead, after, fails_from

    @property
    def clock(self) -> "NodeWatch":
        """Return the method."""
        return self

    def remote(self) -> "NodeWatch":
        """Ask for the time there."""
        NodeWatch.asked += 1
        NodeWatch.most = max(NodeWatch.most, NodeWatch.asked)
        self._answer: Future[float] = Future()
        timer = threading.Timer(self.after, self._tell)
        timer.daemon = True
        timer.start()
        return self

    def _tell(self) -> None:
        self.left -= 1
        NodeWatch.asked -= 1
        if self.left < 0:
            self._answer.set_exception(LookupError("gone"))
        else:
            self._answer.set_result(time.monotonic() + self.ahead)

    def future(self) -> "Future[float]":
        """Return what will be told."""
        return self._answer


def test_all_clocks_are_asked_at_once() -> None:
    """A node's offset is known within its uncertainty, and no node waits for the answer of another."""
    nodes = {f"node {one}": NodeWatch(ahead=float(one), after=0.02) for one in range(5)}
    NodeWatch.most = 0
    found = clocks(nodes)
    for one in range(5):
        clock = found[f"node {one}"]
        assert clock.offset_seconds == pytest.approx(one, abs=clock.uncertainty_seconds + 1e-6)
        assert clock.uncertainty_seconds >= 0.01
    assert NodeWatch.most == 5


def test_a_node_that_does_not_answer_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs has no clock; one that dies on the way has that of its pings so far."""
    monkeypatch.setattr(watched, "ANSWER_SECONDS", 0.3)
    nodes = {"well": NodeWatch(1.0), "hangs": NodeWatch(2.0, after=5.0), "dies": NodeWatch(3.0, fails_from=2)}
    assert clocks(nodes).keys() == {"well", "dies"}
    assert clocks({}) == {}
