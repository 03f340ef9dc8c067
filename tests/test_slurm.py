"""Slurm: what is refused before anything starts, and runs on a real one, of containers on this machine."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from containers import ROOT, own_project

from lab.clusters.slurm import NAMED_PORTS, _connected, ports, token_file
from lab.clusters.slurm_job import address_of, allocation, stop_where_taken
from lab.data.store import Run, read_run
from lab.errors import ClusterError, TokenError

FILE = str(ROOT / "deploy" / "slurm" / "compose.yml")
WAIT_SECONDS = 400


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the variables of a job on four nodes, this machine the first, and have Slurm name them."""
    script = tmp_path / "scontrol"
    script.write_text(f"#!/bin/sh\nprintf '%s\\n' {socket.gethostname()} b c d\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "a,b,c,d", "SLURM_JOB_CPUS_PER_NODE": "8(x3),6"}


def test_the_allocation_tells_nodes_and_cpus(four: dict[str, str]) -> None:
    """CPUs are those that Slurm gave on the smallest node, and never the machine's."""
    found = allocation(four, 4)
    assert (found.job, len(found.hosts), found.cpus) == (7, 4, 6)


def test_more_nodes_than_allocated_are_refused(four: dict[str, str]) -> None:
    """The sentence says how many there are, and both ways out."""
    with pytest.raises(ClusterError, match=r"nodes is up to 5, and job 7 has 4: .* --nodes=5"):
        allocation(four, 5)


def test_without_a_job_there_is_a_sentence() -> None:
    """Outside of Slurm the way to submit is named."""
    with pytest.raises(ClusterError, match=r"no job of Slurm .* sbatch deploy/slurm/run.sbatch"):
        allocation({}, 1)


def test_a_machine_without_slurm_is_told(four: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Slurm's commands are missing, the sentence names the one that was asked for."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ClusterError, match="scontrol is not there"):
        allocation(four, 1)


def test_the_run_must_be_within_its_job(four: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On the login node of an allocation the lab does not start."""
    monkeypatch.setattr("lab.clusters.slurm_job.socket.gethostname", lambda: "login")
    with pytest.raises(ClusterError, match="does not run on this machine"):
        allocation(four, 1)


def test_a_name_that_leads_to_itself_is_refused() -> None:
    """A host whose name is its loopback is reached by nobody, and the cure is named."""
    with pytest.raises(ClusterError, match="/etc/hosts"):
        address_of("localhost")


def test_a_token_that_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is in a file of mode 0600 while the run lasts; one that is open already is not used."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    with token_file(tmp_path, 7) as path:
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    path.write_text("known")
    path.chmod(0o644)
    with pytest.raises(TokenError, match="can be read by others"), token_file(tmp_path, 7):
        pass


def test_two_jobs_have_no_port_in_common() -> None:
    """Jobs that follow each other have ports of their own, all below those that the system gives away."""
    assert set(ports(7)).isdisjoint(ports(8))
    assert len(ports(7)) > len(NAMED_PORTS) + 256
    assert max(max(ports(job)) for job in range(100)) < 32768


@pytest.mark.parametrize(("state", "taken"), [("RUNNING", False), ("COMPLETING", True)])
def test_a_failure_in_a_job_that_is_ended_is_none(
    state: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Slurm is taking the nodes away, a trial that fails is interrupted, and done again."""
    script = tmp_path / "squeue"
    script.write_text(f"#!/bin/sh\necho {state}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(KeyboardInterrupt) if taken else contextlib.nullcontext():
        stop_where_taken(7)


def test_a_head_that_does_not_come_up_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ends is followed by another, until one listens; after the time the last words are told."""
    begun: list[psutil.Popen] = []
    log = tmp_path / "log"
    log.write_text("the agent took too long")

    def begin() -> psutil.Popen:
        begun.append(psutil.Popen(["false"]))
        return begun[-1]

    def reach(*_: object) -> socket.socket:
        if len(begun) < 3:
            raise ConnectionRefusedError("refused")
        return socket.socket()

    monkeypatch.setattr("lab.clusters.slurm.socket.create_connection", reach)
    monkeypatch.setattr("lab.clusters.slurm.connected", lambda **_: contextlib.nullcontext())
    with _connected("127.0.0.1:1", "127.0.0.1", begin, time.monotonic() + 60, log) as head:
        assert head == begun[2]
    begun.clear()
    with (
        pytest.raises(ClusterError, match="head does not come up: refused; it says: the agent took too long"),
        _connected("127.0.0.1:1", "127.0.0.1", begin, time.monotonic(), log),
    ):
        pass


class Slurm:
    """A Slurm of containers."""

    def __init__(self, image: str) -> None:
        project = f"lab-test-slurm-{os.getpid()}"
        self.image = f"ray-scaling-lab:{project}"
        # two heads on 0.4 cores take longer to begin than Ray gives them
        more = {"LAB_SLURM_PROJECT": project, "LAB_SLURM_IMAGE": self.image, "LAB_IMAGE": image,
                "LAB_SLURM_CPUS": "0.9"}  # fmt: skip
        self.environment = {**os.environ, **more}
        self.environment.pop("COMPOSE_PROJECT_NAME", None)

    def compose(self, *words: str, check: bool = True) -> str:
        """Return what compose says."""
        command = ["docker", "compose", "-f", FILE, *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=WAIT_SECONDS
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout.strip()

    def say(self, *words: str, check: bool = True) -> str:
        """Return what a command says that the user types on the controller."""
        return self.compose(
            "exec", "-T", "--user", "lab", "--workdir", "/shared", "controller", *words, check=check
        )

    def root(self, *words: str, service: str = "controller", check: bool = True) -> str:
        """Return what a command says that root types on the controller, or on a node."""
        return self.compose("exec", "-T", service, *words, check=check)

    def submit(self, *words: str, machines: str = "--nodes=2") -> str:
        """Return the id of a job of run.sbatch that gets these machines."""
        asked = ["sbatch", "--parsable", *machines.split(), "/opt/slurm/run.sbatch"]
        return self.say(*asked, *words, "--data", "/shared/data")

    def until(self, *words: str, told: str) -> str:
        """Return what a command says once that holds a text."""
        deadline = time.monotonic() + WAIT_SECONDS
        while told not in (said := self.say(*words, check=False)):
            assert time.monotonic() < deadline, said
            time.sleep(1)
        return said

    def last_node(self, job: str) -> str:
        """Return the last of the nodes that a job runs on."""
        asked = f"scontrol show hostnames $(squeue --noheader --format=%N --jobs={job})"
        return self.say("sh", "-c", asked).split()[-1]

    def set_state(self, node: str, state: str) -> None:
        """Have a node drained, down or back."""
        self.root("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")

    def begin_again(self, job: str) -> None:
        """Have a job that was put back into the queue begin at once, and not after Slurm's two minutes."""
        for told in ("Restarts=1", "JobState=PENDING"):
            self.until("scontrol", "show", "job", job, told=told)
        self.root("scontrol", "update", f"jobid={job}", "starttime=now")

    def until_over(self, job: str) -> str:
        """Return what a job printed, once it is over."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.say("squeue", "--noheader", "--jobs", job, check=False):
            assert time.monotonic() < deadline, self.say("cat", f"slurm-{job}.out", check=False)
            time.sleep(2)
        return self.say("cat", f"slurm-{job}.out")

    def run(self, name: str, folder: Path) -> Run:
        """Return a run."""
        self.compose("cp", f"controller:/shared/data/own/{name}", str(folder / name))
        return read_run(folder / name)


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """Yield a controller and four nodes, with the examples in the folder that they share."""
    with own_project("slurm") as project:
        found = Slurm(project.image)
        try:
            found.compose("build", "controller")
            found.compose("up", "--detach", "--no-build")
            found.until("sinfo", "--noheader", "--format=%D %t", told="4 idle")
            found.say("cp", "-r", "/opt/slurm/examples", "/shared/")
            yield found
        finally:
            found.compose("down", "--volumes", "--timeout", "2", check=False)
            subprocess.run(["docker", "image", "rm", found.image], capture_output=True)


WORK = ["examples/first.py:work", "--items", "examples/first.py:items", "--engines", "ray", "--workers", "1"]


@pytest.mark.docker
def test_one_allocation_has_all_sizes(slurm: Slurm, tmp_path: Path) -> None:
    """Sizes 1, 2 and 4 run in one job; each node has its own quota, and nothing is left of the token."""
    job = slurm.submit(*WORK, *["--nodes", "1,2,4", "--repeats", "1"], machines="--nodes=4")
    said = slurm.until_over(job)
    assert "none of them failed" in said, said
    found = slurm.run(f"slurm-{job}", tmp_path)
    assert set(found.trials["nodes"]) == {1, 2, 4}
    assert set(found.trials["cluster"]) == {"slurm"}
    assert set(found.nodes["cpu_source"]) == {"cgroup"}
    assert len(found.nodes) == 4
    assert ".slurm-" not in slurm.say("ls", "-A", "data")


@pytest.mark.docker
def test_two_jobs_share_machines_and_one_that_is_stopped_goes_on(slurm: Slurm, tmp_path: Path) -> None:
    """Two jobs on the same nodes; one is stopped as at its time limit, and another goes on with its run."""
    # the one that is stopped has more to do after its first trial
    same = "--nodes=2 --nodelist=node1,node2"
    first, second = (slurm.submit(*WORK, *["--nodes", "2", "--repeats", one], machines=same) for one in "21")
    slurm.until("cat", f"data/own/slurm-{first}/trials.csv", told=",ok,")
    slurm.say("scancel", "--batch", "--signal=TERM", first)
    assert f"lab resume slurm-{first}" in slurm.until_over(first)
    more = slurm.submit(*WORK, *f"--nodes 2 --repeats 2 --run-id slurm-{first}".split())
    for job, name in ((second, f"slurm-{second}"), (more, f"slurm-{first}")):
        assert "none of them failed" in slurm.until_over(job)
        found = slurm.run(name, tmp_path)
        ended = found.trials[found.trials["status"] == "ok"]
        assert len(ended) == found.environment["planned_trials"]


@pytest.mark.docker
def test_a_job_that_is_requeued_goes_on_by_itself(slurm: Slurm, tmp_path: Path) -> None:
    """A script of Ray runs over two nodes; taken from the nodes and put back, the job does the rest."""
    slurm.say("sh", "-c", "echo 'import ray; ray.init(); print(len(ray.nodes()))' > count.py")
    command = ["--command", "python count.py", *["--nodes", "1,2", "--workers", "1", "--repeats", "1"]]
    job = slurm.submit(*command)
    slurm.until("cat", f"data/own/slurm-{job}/trials.csv", told=",ok,")
    slurm.say("scontrol", "requeue", job)
    slurm.begin_again(job)
    assert "none of them failed" in slurm.until_over(job)
    found = slurm.run(f"slurm-{job}", tmp_path)
    assert len(found.trials[found.trials["status"] == "ok"]) == found.environment["planned_trials"]


@pytest.mark.docker
def test_a_drained_node_scancel_and_a_lost_node_leave_a_run_to_go_on_with(
    slurm: Slurm, tmp_path: Path
) -> None:
    """A run outlives the draining of a node; cancelled, and then without a node, it loses no ended trial."""
    first = slurm.submit(*WORK, *["--nodes", "2", "--repeats", "3"])
    slurm.until("cat", f"data/own/slurm-{first}/trials.csv", told=",ok,")
    drained = slurm.last_node(first)
    slurm.set_state(drained, "drain")
    slurm.until("cat", f"slurm-{first}.out", told="| 2/6")
    slurm.say("scancel", first)
    assert f"To go on: another job, with --run-id slurm-{first}" in slurm.until_over(first)
    assert f".slurm-{first}" not in slurm.say("ls", "-A", "data")
    slurm.set_state(drained, "resume")
    more = slurm.submit(*WORK, *f"--nodes 2 --repeats 3 --run-id slurm-{first}".split())
    slurm.until("cat", f"slurm-{more}.out", told="| 1/")
    slurm.set_state(slurm.last_node(more), "down")
    slurm.begin_again(more)
    assert "none of them failed" in slurm.until_over(more)
    found = slurm.run(f"slurm-{first}", tmp_path)
    assert len(found.trials[found.trials["status"] == "ok"]) == found.environment["planned_trials"]


@pytest.mark.docker
def test_a_node_without_ray_is_named(slurm: Slurm) -> None:
    """A node that lacks the environment is told before Ray starts anywhere, and how to mend it."""
    slurm.root("mv", "/opt/lab", "/opt/away", service="node2")
    try:
        said = slurm.until_over(slurm.submit(*WORK, *["--nodes", "2", "--repeats", "1"]))
    finally:
        slurm.root("mv", "/opt/away", "/opt/lab", service="node2")
    assert "the node node2 has no Ray in lab/" in said
    assert "sbatch --exclude" in said


@pytest.mark.docker
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--nodes=1", "/opt/slurm/run.sbatch", *WORK, "--nodes", "1,2", "--data", "/shared/data"),
            "and job {} has 1: ask Slurm for more",
        ),
        (("/opt/slurm/run.sbatch", *WORK, "--nodes", "2", "--data", "/tmp/data"), "does not see data/"),
    ],
)
def test_an_allocation_that_does_not_fit_says_so(slurm: Slurm, words: tuple[str, ...], told: str) -> None:
    """One node where two are asked for, and a folder that nodes do not share, each have their sentence."""
    job = slurm.say("sbatch", "--parsable", *words)
    assert told.format(job) in slurm.until_over(job)
