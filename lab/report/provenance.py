"""Where the numbers come from: the run, the machine, the versions, the files, the other runs."""

import collections
import datetime
from typing import Any

from lab.analysis.nodes import starts
from lab.data.earlier import TIMINGS
from lab.data.environment import ENVIRONMENT
from lab.data.records import FILES
from lab.formats import UNKNOWN, count, memory, number, seconds
from lab.invariants import claims
from lab.published import report_a as reference
from lab.report.markdown import Markdown, literal, paragraphs, safe, table
from lab.report.nodes import own_cores, sized, workers_nodes
from lab.report.page import not_shown
from lab.report.series import COUNTED, GROWING
from lab.report.source import link, stale, trials_of
from lab.report.study import Study

SYSTEM = ("system", "kernel", "architecture")


def reference_report() -> Markdown:
    """Cite the reference report."""
    return Markdown(
        f"The reference report is {reference.SOURCE}. Its numbers were read off its charts, throughputs to "
        "± 0.1 primes/s."
    )


def which_run(study: Study) -> Markdown:
    """Name the run, its machine and its repeats in one line, below the title."""
    return named(study, one_machine(study) if study.embedded else _cluster(study))


def named(study: Study, machine: str) -> Markdown:
    """Name a run on a machine, and its repeats."""
    why = "which the book pins" if study.pinned else "the newest complete one"
    code = stale(study.run.environment, "; ")
    return paragraphs(
        f"*Run {literal(study.run.run_id)}, {why}, of {day(_first(study).get('started_at'))}: "
        f"{machine}; {count(study.blocks, 'block')}; Ray {safe(_version(study, 'ray'))}{code}.*",
        # no older run stands in for a newer one in silence
        None if study.pinned else not_shown(study.runs, study.run.run_id),
    )


def named_briefly(study: Study) -> str:
    """Return a run as a row of a table names it: its work, where it ran, and its id."""
    work = study.name(study.main_mode)
    source = study.works.get(study.main_mode, {}).get("source")
    told = f"{literal(str(source))}" if source else work
    code = ", stale" * bool(stale(study.run.environment))
    return f"{told}, {where(study)}{GROWING * study.grows} ({literal(study.run.run_id)}{code})"


def where(study: Study) -> str:
    """Return in a word where a run was: on nodes, or on a machine of so many cores."""
    return "nodes" if study.axis.column == "nodes" else count(study.cores, "core")


def began(study: Study) -> float:
    """Return when a run began, in seconds since 1970; 0 where that is not known."""
    try:
        return datetime.datetime.fromisoformat(str(_first(study).get("started_at"))).timestamp()
    except ValueError:
        return 0.0


def in_short(study: Study) -> str:
    """Return what was measured, where and when, as a line below a title."""
    machine = one_machine(study) if study.embedded else _cluster(study)
    work = f"{', '.join(map(study.name, study.every_mode))}{GROWING * study.grows}"
    return (
        f"{literal(study.run.run_id)}: {work}; {machine}; {day(_first(study).get('started_at'))}; "
        f"{count(study.blocks, 'repeat')}; Ray {safe(_version(study, 'ray'))}"
        f"{stale(study.run.environment, '; ')}"
    )


def one_machine(study: Study) -> str:
    """Return the machine in words."""
    machine = study.machine
    return (
        f"{safe(machine.get('cpu_model', 'processor not known'))}, {_kind(study)} with "
        f"{count(study.cores, 'core')} and {memory(study.memory_bytes)}"
    )


def _kind(study: Study) -> str:
    machine = study.machine
    return "virtual machine" if machine.get("hypervisor") else "machine"


def _cluster(study: Study) -> str:
    """Return the nodes of a cluster in words."""
    facts = workers_nodes(study)
    models = sorted({str(one) for one in facts["cpu_model"].dropna()}) or [f"processor {UNKNOWN}"]
    seen = int(facts["cores"].max()) if len(facts) else 0
    host = f", of a {_kind(study)} with {count(seen, 'core')}" if study.placement.shared and seen else ""
    most = int(study.run.trials["nodes"].max())
    what = f"up to {sized(study, most)}" if most > 1 else sized(study, most)
    return f"{what} with {own_cores(study)}{' each' * (most > 1)}{host}; {safe(', '.join(models))}"


def how_measured(study: Study) -> Markdown:
    """Say what was run and check that the data bear the sentences that hold in every honest run."""
    blocks, counted, *others = claims(study.run)
    return paragraphs(
        f"{works(study)} {blocks} {counted}",
        " ".join(others),
        "Within a block the order is shuffled by the seed, so that drift of the machine hits every "
        "configuration alike. Workers are started and warmed before the clock starts. "
        f"{sampler_cost(study)} {cold_start(study)} The terms are defined on the page [Method](method.md).",
        machine_table(study),
    )


def works(study: Study) -> str:
    """Say what the work of each mode was."""
    given = collections.defaultdict(lambda: UNKNOWN, study.parameters)
    sizes = zip(given.get("find_tasks", ()), given.get("find_bits", ()), strict=True)
    found = ", then ".join(f"{tasks} primes of {bits} bits" for tasks, bits in sizes) or "primes"
    told = {
        "search": f"*search* finds every prime in {given['search_tasks']} ranges of numbers of "
        f"{given['search_bits']} bits, a range per task",
        "find": f"*find* finds {found}, a random one per task",
        "factor": f"*factor* factors {given['factor_tasks']} numbers of {given['factor_bits']} bits, "
        "one per task",
    }
    own = study.experiment not in COUNTED
    listed = "; ".join(_own(study, mode) if own else told.get(mode, study.name(mode)) for mode in study.modes)
    each = " for each worker" * study.grows
    same = f"same items{each} in every trial" if own else "same in every trial of its mode"
    return f"The work, the {same}: {listed}." if listed else ""


def _own(study: Study, mode: str) -> str:
    """Return what is known of somebody's own work: its items, their size, the digests of both."""
    facts = collections.defaultdict(lambda: UNKNOWN, study.works.get(mode, {}))
    items, size = facts["items"], facts["items_bytes"]
    many = count(items, "item") if isinstance(items, int) else f"items {UNKNOWN}"
    weight = memory(size) if isinstance(size, int) else f"size {UNKNOWN}"
    return (
        f"{literal(str(facts['source']))} (code digest {literal(str(facts['digest']))}) with {many}, "
        f"{weight} pickled (digest {literal(str(facts['items_digest']))})"
    )


def sampler_cost(study: Study) -> str:
    """Say what part of a core the sampler took."""
    cost = study.measures["sampler_cpu_cores"].dropna()
    if cost.empty:
        return "What the sampler cost is not known."
    return (
        f"The sampler took {number(100 * cost.mean(), 2)} % of one core on average and "
        f"{number(100 * cost.max(), 2)} % at most in a trial."
    )


def cold_start(study: Study) -> str:
    """Say what starting cost, which no throughput includes."""
    ray = study.measures[study.measures["engine"] == "ray"]
    if ray.empty:
        return ""
    found = starts(study.run.nodes)
    who = "Ray itself" if study.embedded else "the cluster"
    return (
        f"Cold starts are outside every window: {who} took {seconds(float(found.median()))}, its "
        f"workers took {seconds(float(ray['startup_seconds'].median()))} (medians)."
    )


def machine_table(study: Study) -> str:
    """Return the machine and the versions as a table."""
    environment, machine, first = study.run.environment, study.machine, _first(study)
    commit = first.get("commit")
    changed = " with changes that are not committed" if first.get("uncommitted_changes") else ""
    versions = (_named(name, str(version)) for name, version in environment.get("versions", {}).items())
    rows = [
        ("processor", safe(machine.get("cpu_model", UNKNOWN))),
        (
            "cores, and how many may be used",
            safe(f"{machine.get('cores', UNKNOWN)}, {machine.get('quota_cores', UNKNOWN)}"),
        ),
        ("memory that may be used", memory(study.memory_bytes)),
        ("system", safe(" ".join(str(machine[key]) for key in SYSTEM if key in machine)) or UNKNOWN),
        ("virtual machine", {"True": "yes", "False": "no"}.get(str(machine.get("hypervisor")), UNKNOWN)),
        ("versions", safe(", ".join(versions)) or UNKNOWN),
        ("code", f"commit {safe(commit[:12])}{changed}" if commit else UNKNOWN),
        ("sessions", len(environment["sessions"])),
    ]
    return table(("what", "found"), rows)


def files(study: Study) -> Markdown:
    """Link the files of the run that the page shows."""
    names = (name for name in (TIMINGS, *FILES, ENVIRONMENT) if (study.run.directory / name).exists())
    links = ", ".join(link(study.run.directory, name) for name in names)
    return paragraphs(f"Every number on this page comes from these files: {links}.")


def other_runs(study: Study) -> Markdown:
    """List the other runs of the experiment with their files."""
    others = [one for one in study.runs if one.run_id != study.run.run_id]
    if not others:
        return Markdown("There is no other run.")
    rows = [
        (
            literal(one.run_id),
            day(one.started_at),
            safe(one.profile),
            safe(one.machine),
            f"{one.told}: {literal(one.reason)}" if one.reason else one.told,
            f"{link(one.directory, trials_of(one.directory))} {link(one.directory, ENVIRONMENT)}",
        )
        for one in others
    ]
    return Markdown(table(("run", "begun", "profile", "machine", "state", "files"), rows))


def _first(study: Study) -> dict[str, Any]:
    first: dict[str, Any] = study.run.environment["sessions"][0]
    return first


def day(moment: object) -> str:
    """Return the day of a moment; one that cannot be read is not known."""
    try:
        return datetime.datetime.fromisoformat(str(moment)).strftime("%Y-%m-%d")
    except ValueError:
        return UNKNOWN


def _named(name: str, version: str) -> str:
    """Return name and version; a version that begins with the name, as GMP's does, stands alone."""
    return version if version.lower().startswith(f"{name} ".lower()) else f"{name} {version}"


def _version(study: Study, name: str) -> str:
    return str(study.run.environment.get("versions", {}).get(name, UNKNOWN))
