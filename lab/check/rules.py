"""Rules of a cluster as a whole: nodes, versions, clocks, ways between nodes, hosts, addresses. Pure."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from lab.check.lines import Finding, Line, Verdict, line
from lab.check.node_rules import node_lines
from lab.clusters.containers import Contained
from lab.clusters.looked import Looked, Node
from lab.formats import count
from lab.measure.environment import other_versions

APART_SECONDS, FAR_APART_SECONDS = 0.1, 60.0
"""Beyond what pings leave open: above the first, logs of two nodes do not fit together."""
SLOW_TRIP_SECONDS = 0.02
SLOW_BYTES_PER_SECOND = 5e6
REMEDY_NODES = "ray status on the head; ray start --address=HEAD:6379 on the node again"
COMPOSE_NODES = "docker compose ps; make docker-up"


def lines(
    found: Looked, kind: str, code: str, versions: Mapping[str, str], wanted: int | None = None
) -> list[Line]:
    """Return the line of each thing that was looked at.

    `code` and `versions` are this machine's; `wanted` is how many nodes are to run tasks, where it is known.
    """
    nodes = found.nodes
    working = [one for one in nodes if one.cpus > 0]
    return [
        line("nodes", _nodes(found, working, kind, wanted), _good_nodes(found, working)),
        line("versions", _versions(found, kind, code, versions), _good_versions(found)),
        *node_lines(nodes),
        line("clocks", _clocks(nodes), _good_clocks(nodes)),
        line("round trip", _trips(found), _good_trips(found)),
        line("bandwidth", _rates(found), _good_rates(found)),
        line("hosts", _hosts(working, kind), _good_hosts(working)),
        line("addresses", _addresses(nodes), _good_addresses(nodes)),
    ]


def containers(there: Sequence[Contained], hostnames: AbstractSet[str] | None) -> Line:
    """Return the line of a compose cluster's containers; `hostnames` are those of living nodes."""

    def findings() -> Iterator[Finding]:
        for one in there:
            said = f" ({one.said})" * bool(one.said)
            if one.state == "paused":
                yield Finding("bad", f"{one.name} is paused", f"docker compose unpause {one.name.split()[0]}")
            elif one.state != "running":
                yield Finding("bad", f"{one.name} is {one.state}{said}", COMPOSE_NODES)
            elif hostnames is not None and one.hostname not in hostnames:
                yield Finding("bad", f"{one.name} runs and is no node of the cluster{said}", COMPOSE_NODES)

    return line("containers", findings(), f"{len(there)} run, and each is a node")


def _nodes(found: Looked, working: Sequence[Node], kind: str, wanted: int | None) -> Iterator[Finding]:
    remedy = COMPOSE_NODES if kind == "compose" else REMEDY_NODES
    for one in found.nodes:
        if one.lost:
            what = f"it does not answer ({one.lost}): it is paused, overloaded, or cut off"
            yield Finding("bad", what, remedy, one.node_id)
    if not working:
        none = "no node is alive" if not found.nodes else "no node has a CPU, so that no task could run"
        yield Finding("bad", none, "ray start --address=HEAD:6379 --num-cpus=1 on a node")
    elif wanted is not None and len(working) < wanted:
        yield Finding("bad", f"{len(working)} of {wanted} nodes are there to run tasks", remedy)
    here = {one.address for one in found.nodes}
    for gone in found.dead:
        if not gone.expected and gone.address not in here:
            what = "it died, and no node has come back at its address"
            yield Finding("doubtful", what, remedy, gone.node_id)


def _good_nodes(found: Looked, working: Sequence[Node]) -> str:
    dead = f"; {count(len(found.dead), 'node')} of before listed as dead" * bool(found.dead)
    return f"{count(len(found.nodes), 'node')} alive, {len(working)} of them to run tasks{dead}"


def _versions(found: Looked, kind: str, code: str, versions: Mapping[str, str]) -> Iterator[Finding]:
    install = "pip install -c requirements.lock . in a clone at the same commit, on that node"
    remedy = "make docker-build docker-up" if kind == "compose" else install
    if found.code != code:
        what = f"the head has another version of the lab ({found.code}) than this machine ({code})"
        yield Finding("bad", what, remedy)
    for name, there, here in other_versions(found.versions, versions):
        # jobs go over HTTP: another Python on this side does no harm
        if name != "python":
            yield Finding("bad", f"the head has {name} {there}, and this machine {here}", remedy)
    for one in found.nodes:
        if one.condition is None:
            continue
        if one.condition.code != found.code:
            what = f"it has another version of the lab ({one.condition.code}) than the head ({found.code})"
            yield Finding("bad", what, remedy, one.node_id)
        for name, there, here in other_versions(one.condition.versions, found.versions):
            yield Finding("bad", f"it has {name} {there}, and the head {here}", remedy, one.node_id)


def _good_versions(found: Looked) -> str:
    own = found.versions
    return f"Ray {own.get('ray')}, Python {own.get('python')} and the lab {found.code} on every node"


def _clocks(nodes: Sequence[Node]) -> Iterator[Finding]:
    for one in nodes:
        if one.clock_offset_seconds is None or one.clock_uncertainty_seconds is None:
            continue
        apart = abs(one.clock_offset_seconds) - one.clock_uncertainty_seconds
        if apart > APART_SECONDS:
            late = "ahead" if one.clock_offset_seconds > 0 else "behind"
            what = f"its clock is {abs(one.clock_offset_seconds):.2g} s {late}"
            verdict: Verdict = "bad" if apart > FAR_APART_SECONDS else "doubtful"
            yield Finding(verdict, what, "sudo chronyc makestep, or timedatectl set-ntp true", one.node_id)


def _good_clocks(nodes: Sequence[Node]) -> str:
    known = [abs(one.clock_offset_seconds) for one in nodes if one.clock_offset_seconds is not None]
    return f"{max(known, default=0.0) * 1e3:.1f} ms apart at most"


def _trips(found: Looked) -> Iterator[Finding]:
    remedy = "let the nodes reach each other on every port: book/clusters.md, Ports and firewall"
    for one in found.links:
        pair = f"{one.source} and {one.target}"
        if one.lost:
            yield Finding("bad", f"nodes {pair} do not reach each other ({one.lost})", remedy)
        elif (one.round_trip_seconds or 0.0) > SLOW_TRIP_SECONDS:
            what = f"a call between {pair} takes {(one.round_trip_seconds or 0.0) * 1e3:.0f} ms"
            yield Finding("doubtful", what, "put the nodes into one network, near each other")


def _good_trips(found: Looked) -> str:
    known = [one.round_trip_seconds for one in found.links if one.round_trip_seconds is not None]
    if not found.pairs:
        return "one node has no way to another"
    few = f", of {found.pairs}" * (len(known) < found.pairs)
    return f"{max(known, default=0.0) * 1e3:.1f} ms at most between {count(len(known), 'pair')} of nodes{few}"


def _rates(found: Looked) -> Iterator[Finding]:
    for one in found.links:
        if one.bytes_per_second is not None and one.bytes_per_second < SLOW_BYTES_PER_SECOND:
            what = f"{one.bytes_per_second / 1e6:.1f} MB/s from {one.source} to {one.target}"
            yield Finding("doubtful", what, "iperf3 between the two: the network, or a node that is busy")


def _good_rates(found: Looked) -> str:
    known = [one.bytes_per_second for one in found.links if one.bytes_per_second is not None]
    return f"{min(known) / 1e6:.0f} MB/s or more for 16 MB between nodes" if known else "one node alone"


def _hosts(working: Sequence[Node], kind: str) -> Iterator[Finding]:
    for nodes in _by_host(working).values():
        there = [one.condition for one in nodes if one.condition is not None]
        cores, quotas = max(one.cores for one in there), [one.quota_cores for one in there]
        used = sum(min(one.cpus, one.condition.usable_cores) for one in nodes if one.condition is not None)
        if len(nodes) > 1 and kind != "local" and None in quotas:
            what = f"{len(nodes)} nodes share one host without a quota each: how far they scale is not theirs"
            yield Finding("doubtful", what, "docker run --cpus=CORES for each, or one node a machine")
        if len(nodes) > 1 and used > cores + 0.01:
            what = f"{len(nodes)} nodes share one host, and may use {used:.3g} of its {count(cores, 'core')}"
            yield Finding("doubtful", what, f"fewer nodes, or {cores / len(nodes):.2g} cores each")


def _by_host(nodes: Sequence[Node]) -> Mapping[str, list[Node]]:
    found = defaultdict(list)
    for one in nodes:
        if one.condition is not None:
            found[one.condition.host_id].append(one)
    return found


def _good_hosts(working: Sequence[Node]) -> str:
    shared = [nodes for nodes in _by_host(working).values() if len(nodes) > 1]
    if not shared:
        return "each node has a host of its own"
    return f"{count(sum(map(len, shared)), 'node')} share {count(len(shared), 'host')}, within its cores"


def _addresses(nodes: Sequence[Node]) -> Iterator[Finding]:
    known = {one.address for one in nodes}
    hosts = {one.condition.host_id for one in nodes if one.condition is not None}
    if len(known) < 2 and len(hosts) < 2:
        return
    for one in nodes:
        if _nowhere(one.address):
            what = f"its address is {one.address}, at which no other node can reach it"
            yield Finding("bad", what, "ray start ... --node-ip-address=ITS_ADDRESS", one.node_id)


def _nowhere(address: str) -> bool:
    """Return whether an address leads nowhere from another machine."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    return found.is_loopback or found.is_unspecified or found.is_link_local


def _good_addresses(nodes: Sequence[Node]) -> str:
    return "one node" if len(nodes) < 2 else "nodes can be reached at theirs"
