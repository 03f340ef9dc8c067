"""The pages on several nodes and on Docker: what is said, and that any honest run can be shown."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mishaps import run_of
from synthetic import docker_run, multi_node_run
from written import PARAMETERS, write_run

from lab.report import (
    answers,
    claims_cluster,
    docker,
    failures,
    how_many,
    limits,
    nodes,
    noise,
    provenance,
    scaling,
    short_answers,
    timeline,
    usage,
    waiting,
    why,
)
from lab.report.decision import decide
from lab.report.disturbances import warning
from lab.report.markdown import Markdown
from lab.report.page import Page, page
from lab.report.study import Study

Sections = tuple[Callable[[Study], Markdown], ...]
SHARED: Sections = (
    provenance.which_run,
    waiting.latency,
    failures.errors,
    failures.trials,
    noise.noise,
    noise.drift,
    nodes.nodes_table,
    timeline.after_the_fact,
    provenance.how_measured,
    limits.limits,
    provenance.files,
    provenance.other_runs,
)


def how_many_of(study: Study) -> Markdown:
    """Return what the page on how many says of a run."""
    decision = decide(study, study.main_mode) if study.modes else None
    return Markdown("" if decision is None else f"{how_many.drawn(decision)}\n{how_many.laws(decision)}")


SECTIONS: dict[str, Sections] = {
    "multi_node": (
        answers.answer,
        how_many_of,
        scaling.throughput,
        scaling.efficiency,
        usage.usage,
        waiting.start,
        waiting.queue,
        claims_cluster.schedules,
        claims_cluster.verdicts,
        *SHARED,
    ),
    "docker": (
        docker.answer,
        docker.comparison,
        docker.verdict,
        scaling.throughput,
        docker.costs,
        docker.cores,
        docker.levels,
        *SHARED,
    ),
}
Frames = list[pd.DataFrame]


def shown(folder: Path, experiment: str, frames: Any, **facts: Any) -> Page:
    """Return the page of an experiment with this run."""
    write_run(folder / experiment / "run", frames, **facts)
    return page(experiment, folder, folder / "no-pins.yaml")


def failed(frames: Frames, which: Callable[[pd.DataFrame], pd.Series]) -> Frames:
    """Return the frames with some trials failed."""
    trials = frames[0].copy()
    outcome = ["status", "digest", "units", "tasks", "duration_seconds"]
    trials.loc[which(trials), outcome] = ["failed", None, None, None, None]
    return [trials, *frames[1:]]


def without(frames: Frames, kept: Callable[[pd.DataFrame], pd.Series]) -> Frames:
    """Return the frames with the trials that are kept, in new slots, and what belongs to them."""
    trials = frames[0][kept(frames[0])].assign(slot=lambda some: range(len(some)))
    ids = set(trials["trial_id"])
    return [trials, *(one[one["trial_id"].isin(ids)] for one in frames[1:4]), frames[4]]


def unmeasured(frames: Frames) -> Frames:
    """Return the frames without any value of a node that may be unknown."""
    trials, samples, windows, facts = (frames[place].copy() for place in (0, 2, 3, 4))
    trials[["sampler_cpu_seconds", "steal_seconds", "system_cpu_seconds", "startup_seconds"]] = None
    samples[["cpu_cores", "memory_bytes", "lab_memory_bytes", "object_store_bytes"]] = None
    counters = ["cpu_seconds", "workers_cpu_seconds", "ray_cpu_seconds", "throttled_seconds"]
    windows[[*counters, "clock_uncertainty_seconds", "clock_offset_seconds"]] = None
    facts["cpu_model"] = None
    return [trials, frames[1], samples, windows, facts]


# --- several nodes ---------------------------------------------------------------------------------------


def test_the_answer_of_containers(tmp_path: Path) -> None:
    """Scaling and number to use are those of the made-up law, under the host's name."""
    made = shown(tmp_path, "multi_node", multi_node_run(nodes=(1, 2, 4), blocks=5))
    text = made.show(answers.answer).text
    assert "| **How far does it scale?** | 4 containers on one host, 0.25 cores each: 3." in text
    assert "times as fast as one, 9" in text
    assert "| **How many nodes?** | Use 4 containers on one host. Going from 2 to 4 brings +" in text
    assert "More were not measured, and may be better." in text
    over = short_answers.over_nodes(made.study)
    assert "no network was measured; on one machine use workers." in over.answer


def test_raylets_that_share_cores_answer_no_purchase(tmp_path: Path) -> None:
    """Of raylets on one host nothing is said of how many nodes to buy, and nothing is predicted."""
    made = shown(tmp_path, "multi_node", multi_node_run(cluster="local"))
    text = made.show(answers.answer).text
    assert "4 raylets on one host" in text
    assert "No answer: these raylets on one host share their processors, without quotas" in text
    assert "Use " not in text
    assert "**No prediction.** The nodes share their host's processors" in how_many_of(made.study).text


def test_machines_of_their_own_are_nodes(tmp_path: Path) -> None:
    """Nodes on hosts of their own are called nodes, and may be bought."""
    made = shown(tmp_path, "multi_node", multi_node_run(cluster="address", blocks=5))
    text = made.show(answers.answer).text
    assert "| **How far does it scale?** | 4 nodes: " in text
    assert "Use 4 nodes." in text
    assert "one host" not in "".join(made.show(one).text for one in SECTIONS["multi_node"])


def test_shared_hosts_are_named_everywhere(tmp_path: Path) -> None:
    """Every axis and every table head says that the nodes are containers on one host."""
    made = shown(tmp_path, "multi_node", multi_node_run())
    for section in (scaling.throughput, scaling.efficiency, usage.usage, waiting.latency):
        text = made.show(section).text
        assert ">containers on one host</text>" in text
        assert "| containers on one host |" in text
        assert ">nodes</text>" not in text
        assert "| nodes |" not in text


def test_the_reference_report_stands_beside(tmp_path: Path) -> None:
    """Its throughput relative to one node and its efficiency are in the tables of as many workers."""
    made = shown(tmp_path, "multi_node", multi_node_run(nodes=(1, 2), workers_per_node=(1, 2)))
    ratios = made.show(scaling.throughput).text
    assert "| reference report, 1 each | reference report, 2 each |" in ratios
    assert "| 2.92 | 1.65 |" in ratios
    efficiencies = made.show(scaling.efficiency).text
    for one in ("0.995", "0.890", "0.790", "0.770", "0.650", "0.620"):
        assert f"| {one} |" in efficiencies


def test_the_claims_get_their_verdicts(tmp_path: Path) -> None:
    """Three claims for each schedule; without 5 and 6 nodes the peak cannot be told."""
    text = shown(tmp_path, "multi_node", multi_node_run()).show(claims_cluster.verdicts).text
    lines = text.splitlines()[2:]
    assert len(lines) == 6
    assert sum("There is no trial with 5 or 6 containers." in line for line in lines) == 2


def test_a_loud_cluster_tells_nothing(tmp_path: Path) -> None:
    """Where others used the nodes' cores, no claim is told, and the answer warns."""
    frames = list(multi_node_run(cluster="address"))
    frames[3]["cpu_seconds"] += 2.0 * frames[3]["ended_seconds"]
    made = shown(tmp_path, "multi_node", frames)
    assert "Processes that are not the lab's used more than 10 % of the cores" in made.mention(warning).text
    assert made.show(claims_cluster.verdicts).text.count("**not decided**") == 6


def test_a_trial_that_lost_workers_is_a_cross_and_in_no_mean(tmp_path: Path) -> None:
    """It is listed with its reason, counted, drawn, and named in the sentence of what was planned."""
    frames = list(multi_node_run())
    trials = frames[0]
    chosen = (trials["nodes"] == 4) & (trials["workers_per_node"] == 2) & (trials["arm"] == "experiment")
    trials.loc[trials.index[chosen][0], "lost_workers"] = 1
    made = shown(tmp_path, "multi_node", frames)
    text = made.show(failures.trials).text
    assert "1 trial did not end well, or not with all workers. 1 trial finished the work" in text
    assert "`workers lost before the last task was done: 1`" in text
    assert "failed trial" in made.show(scaling.throughput).text
    assert "| 2–3 |" in made.show(scaling.throughput).text
    assert "(1 of them after losing workers:" in made.show(provenance.how_measured).text


def test_errors_are_counted_by_kind(tmp_path: Path) -> None:
    """A lost attempt is in the rate of its configuration, in the sum, and under its kind."""
    frames = list(multi_node_run(nodes=(1, 2), workers_per_node=(1,)))
    window = frames[1][~frames[1]["warmup"]].iloc[[5]]
    again = window.assign(attempt=2, status="failed", error_kind="WorkerCrashed", units=None)
    frames[1] = pd.concat([frames[1], again], ignore_index=True)
    text = shown(tmp_path, "multi_node", frames).show(failures.errors).text
    assert "1 of 721 attempts at a task failed" in text
    assert "By kind: `WorkerCrashed` 1." in text


def test_dynamic_beside_static(tmp_path: Path) -> None:
    """Their ratio is paired by block; a run of one schedule says so."""
    both = shown(tmp_path / "both", "multi_node", multi_node_run())
    text = both.show(claims_cluster.schedules).text
    assert "Pooled over 2 and 4 containers on one host, 1 worker each: 1." in text
    one = shown(tmp_path / "one", "multi_node", multi_node_run(schedules=("static",)))
    assert one.show(claims_cluster.schedules).text == "This run measured the schedule static only."


def test_the_nodes_table_tells_head_and_workers_apart(tmp_path: Path) -> None:
    """Every node has its host, its cores, where its use is read from, and how well its clock is known."""
    lines = shown(tmp_path, "multi_node", multi_node_run(nodes=(1, 2))).show(nodes.nodes_table).text
    assert "| host A | compose | drives only | 4 | 4.00 |" in lines
    assert lines.count("| host A | compose | workers | 4 | 0.250 | 8.00 GiB | its own cgroup |") == 2
    assert lines.count("| 95.0 % | 60.0 % | 200 µs |") == 2


# --- docker ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "said", "verdict"),
    [
        (1.0, "**equal within ±5 %**", "holds"),
        (0.97, "**equal within ±5 %**", "holds"),
        (0.8, "**slower by more than 5 %**", "does not hold"),
        (1.25, "**faster by more than 5 %**", "holds"),
    ],
)
def test_docker_s_answer_is_that_of_the_planted_ratio(
    tmp_path: Path, ratio: float, said: str, verdict: str
) -> None:
    """The answer and the verdict on the report's claim follow from what was planted."""
    run = docker_run(workers_per_node=(1, 2), nodes=(1,), quota=4.0, blocks=10, ratio=ratio, noise=0.005)
    made = shown(tmp_path, "docker", run)
    assert said in made.show(docker.answer).text
    assert f"| **{verdict}** | Docker causes no significant loss" in made.show(docker.verdict).text


def test_noise_beyond_the_margin_tells_nothing(tmp_path: Path) -> None:
    """Few blocks with much noise are no proof of equivalence."""
    made = shown(tmp_path, "docker", docker_run(blocks=3, noise=0.2))
    assert "**not decided with a margin of 5 %**" in made.show(docker.answer).text
    assert "| **not decided** |" in made.show(docker.verdict).text


def test_unlike_cores_are_not_put_down_to_docker(tmp_path: Path) -> None:
    """A container of one core with two workers, beside a raylet of four, is no test of Docker."""
    made = shown(tmp_path, "docker", docker_run(workers_per_node=(1, 2), nodes=(1,), quota=1.0))
    assert "**not decided: unlike cores**" in made.show(docker.answer).text
    assert (
        "a container had 1.00 cores for 2 workers, a raylet on the host 4.00" in made.show(docker.cores).text
    )
    assert "| **not decided** |" in made.show(docker.verdict).text


def test_a_quota_of_one_core_for_a_worker_is_fair(tmp_path: Path) -> None:
    """One core for each worker holds nobody back, whatever the host has beyond."""
    made = shown(tmp_path, "docker", docker_run(workers_per_node=(1,), nodes=(1, 2), quota=1.0))
    assert "Both sides had a core for every worker." in made.show(docker.cores).text
    assert "unlike" not in made.show(docker.answer).text
    assert "| 1, 2 nodes |" in made.show(docker.comparison).text


def test_the_costs_are_compared(tmp_path: Path) -> None:
    """A planted ratio of 0.8 makes latency, running time and processor time 1.25 times as much."""
    run = docker_run(workers_per_node=(1,), nodes=(1,), blocks=6, ratio=0.8, noise=0.001)
    lines = shown(tmp_path, "docker", run).show(docker.costs).text.splitlines()
    for name in ("running time of a task, median, s", "processor time of tasks per unit found, CPU ms"):
        (line,) = (one for one in lines if one.startswith(f"| {name} |"))
        assert re.search(r"\| 1\.2[45]\d* \(", line)


# --- any honest run --------------------------------------------------------------------------------------

NODES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "one size": (lambda: multi_node_run(nodes=(3,), blocks=2), {}),
    "one node": (lambda: multi_node_run(nodes=(1,), workers_per_node=(1,), blocks=2), {}),
    "without one node": (lambda: multi_node_run(nodes=(2, 4), workers_per_node=(2,), blocks=2), {}),
    "one block": (lambda: multi_node_run(blocks=1), {}),
    "only static": (lambda: multi_node_run(schedules=("static",), blocks=2), {}),
    "only find": (lambda: multi_node_run(modes=("find",), blocks=2), {}),
    "many loads": (
        lambda: multi_node_run(nodes=(1, 2), workers_per_node=range(1, 9), blocks=1),
        {},
    ),
    "raylets": (lambda: multi_node_run(cluster="local", blocks=2), {}),
    "machines": (lambda: multi_node_run(cluster="address", blocks=2), {}),
    "an embedded node": (lambda: multi_node_run(cluster="embedded", nodes=(1,), blocks=2), {}),
    "most failed": (lambda: failed(list(multi_node_run(blocks=2)), lambda t: t.nodes > 1), {}),
    "one node failed": (lambda: failed(list(multi_node_run(blocks=2)), lambda t: t.nodes == 1), {}),
    "all failed": (lambda: failed(list(multi_node_run(blocks=2)), lambda t: t.slot >= 0), {}),
    "one ended well": (lambda: failed(list(multi_node_run(blocks=2)), lambda t: t.slot > 0), {}),
    "all lost workers": (
        lambda: [(run := multi_node_run(blocks=2))[0].assign(lost_workers=1), *run[1:]],
        {},
    ),
    "nothing sampled": (lambda: unmeasured(list(multi_node_run(blocks=2))), {}),
    "no windows": (lambda: [*(run := multi_node_run(blocks=2))[:3], run[3].iloc[:0], run[4]], {}),
    "bare environment": (
        lambda: multi_node_run(blocks=2),
        {"machine": {}, "versions": {}, "code": {}, "parameters": {}},
    ),
}
DOCKER: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "one block": (lambda: docker_run(blocks=1), {}),
    "several sizes": (lambda: docker_run(nodes=(1, 2), workers_per_node=(1, 2), blocks=2), {}),
    "only find": (lambda: docker_run(modes=("find",), blocks=2), {}),
    "no host": (lambda: without(list(docker_run(blocks=2)), lambda t: t.cluster != "local"), {}),
    "no containers": (lambda: without(list(docker_run(blocks=2)), lambda t: t.cluster == "local"), {}),
    "containers failed": (
        lambda: failed(list(docker_run(blocks=2)), lambda t: t.cluster == "compose"),
        {},
    ),
    "all failed": (lambda: failed(list(docker_run(blocks=2)), lambda t: t.slot >= 0), {}),
    "nothing sampled": (lambda: unmeasured(list(docker_run(blocks=2))), {}),
    "no margin": (lambda: docker_run(blocks=2), {"parameters": PARAMETERS}),
    "bare environment": (
        lambda: docker_run(blocks=2),
        {"machine": {}, "versions": {}, "code": {}, "parameters": {}},
    ),
}
HONEST = [("multi_node", kind) for kind in NODES] + [("docker", kind) for kind in DOCKER]


@pytest.mark.parametrize(("experiment", "kind"), HONEST)
@pytest.mark.filterwarnings("error")
def test_any_honest_run_can_be_shown(tmp_path: Path, experiment: str, kind: str) -> None:
    """However little a run measured, every section is shown, and no unknown is a number."""
    frames, facts = {"multi_node": NODES, "docker": DOCKER}[experiment][kind]
    made = shown(tmp_path, experiment, frames(), **facts)
    for section in SECTIONS[experiment]:
        text = made.show(section).text
        assert text.strip(), section.__name__
        words = text.replace("dominant", "").replace("<NA>", "nan")
        for wrong in (" nan", "nan ", "(nan", " inf", "None", "Timestamp", "np.float"):
            assert wrong not in words, (section.__name__, wrong, text[max(0, words.find(wrong) - 80) :][:200])


@pytest.mark.parametrize("experiment", SECTIONS)
def test_no_run_is_mentioned_by_no_word(tmp_path: Path, experiment: str) -> None:
    """The first page speaks of an experiment only where there is a run; its own page says how to make one."""
    made = page(experiment, tmp_path, tmp_path / "no-pins.yaml")
    assert made.mention(SECTIONS[experiment][1]).text == ""
    assert (
        f"-f notebooks/profiles/{experiment}_full.yaml` makes one" in made.show(SECTIONS[experiment][0]).text
    )


@pytest.mark.parametrize(
    ("quotas", "told"),
    [
        ((1.0, 1.0), "1 core"),
        ((0.25, 0.25), "0.25 cores"),
        ((1.0, 2.0), "1 to 2 cores"),
        ((10.0,), "10 cores"),
    ],
)
def test_one_core_is_no_plural(quotas: tuple[float, ...], told: str) -> None:
    """Nodes of one core each have 1 core, and any other quota, or a span of them, is told in cores."""
    frames = multi_node_run(nodes=(len(quotas),), workers_per_node=(1,), blocks=2)
    holders = frames[4].index[frames[4]["holds_workers"].astype(bool)]
    frames[4].loc[holders, "quota_cores"] = [*quotas][: len(holders)]
    assert nodes.own_cores(Study(run_of(frames))) == told


def test_one_core_has_one_worker() -> None:
    """A machine of one core is told in the singular where its processor is the cause."""
    assert why.TOLD["cores"]({"cores": 1.0}) == "the one core is at work"
    assert why.TOLD["cores"]({"cores": 2.5}) == "all 2.5 cores are at work"
    assert why.TOLD["unused"]({"cores": 2, "workers": 1}) == "2 cores had 1 worker"
    assert why.REMEDIES["unused"]({"cores": 2}) == "try up to 2 workers"
