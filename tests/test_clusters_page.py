"""The page "Clusters, step by step": its commands, run as they stand, on Docker and in plain containers."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from containers import NODES, ROOT, Compose, until
from test_compose import services

PAGE = (ROOT / "book" / "clusters.md").read_text()
SQUARES = "\n[0, 1, 4, 9]\n"
HEAD, *WORKERS = ADDRESSES = ("192.0.2.10", "192.0.2.11", "192.0.2.12")

NAPS = """
import os, time, ray
ray.init()
@ray.remote
def nap(number):
    time.sleep(1.0)
    return number
while not os.path.exists("/tmp/enough"):
    print("the sum is", sum(ray.get([nap.remote(number) for number in range(15)])), flush=True)
"""

# `ssh MACHINE COMMAND` into a container
SSH = """#!/bin/sh
exec docker exec -i "$1" bash -c "$2"
"""


def blocks(heading: str, language: str = "sh") -> list[str]:
    """Return the code blocks under a heading of the page, without those under the headings below it."""
    (section,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", outside_code(PAGE), flags=re.M | re.S
    )
    found = re.findall(rf"^```{language}\n(.*?)^```", section, flags=re.M | re.S)
    return [block.replace("\0", "#") for block in found]


def outside_code(text: str) -> str:
    """Return the page with the comment signs inside of code taken out of the way."""
    return re.sub(r"^```\w+\n.*?^```", lambda found: found[0].replace("#", "\0"), text, flags=re.M | re.S)


# --- the page beside the files --------------------------------------------------------------------------


def test_several_machines_get_the_settings_of_the_containers() -> None:
    """cluster.env has the settings of the head in docker-compose.yml; the token is where Ray looks for it."""
    (block,) = blocks("Settings of every node")
    found = dict(re.findall(r"^export (\w+)=(.+)$", block, flags=re.M))
    wanted = dict(services()["ray-head"]["environment"])
    del wanted["RAY_AUTH_TOKEN_PATH"]
    assert found == wanted


def test_settings_and_targets_exist() -> None:
    """Every LAB_ setting that the page names is in .env.example, and every target in the Makefile."""
    settings = (ROOT / ".env.example").read_text()
    assert all(f"#{name}=" in settings for name in set(re.findall(r"LAB_[A-Z_]+", PAGE)))
    targets = set(re.findall(r"make (docker-[a-z]+)", PAGE))
    assert targets == {"docker-up", "docker-down", "docker-token"}
    assert all(f"\n{target}: ##" in (ROOT / "Makefile").read_text() for target in targets)


def test_nothing_on_the_page_is_tied_to_one_machine() -> None:
    """The only addresses are those for examples, loopback and any; no folder is from the root."""
    found = set(re.findall(r"\d+\.\d+\.\d+\.\d+", PAGE))
    assert found <= {*ADDRESSES, "127.0.0.1"}
    assert not re.search(r"(?<![\w.~])/(work|home|root|Users)/", PAGE)


@pytest.mark.ray
def test_a_script_alone_adds(tmp_path: Path) -> None:
    """The script that needs no cluster prints what the page says."""
    (script,), (shown,) = (blocks("Alone, without a cluster", one) for one in ("python", "text"))
    (tmp_path / "add.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "add.py"], cwd=tmp_path, capture_output=True, text=True, timeout=180
    )
    assert (done.returncode, done.stdout) == (0, shown), done.stderr[-2000:]


# --- on Docker ------------------------------------------------------------------------------------------


class Reader:
    """Somebody who types the page's commands, on a compose cluster of their own."""

    def __init__(self, compose: Compose, folder: Path) -> None:
        self.compose, self.folder = compose, folder

    def types(self, command: str, folder: Path = ROOT) -> str:
        """Run a block of the page, with this cluster's port for the page's, and return what it printed."""
        command = command.replace("http://127.0.0.1:8265", self.compose.address)
        path = f"PATH={Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return self.compose.run("env", path, "bash", "-euo", "pipefail", "-c", command, cwd=folder)

    def job(self, command: str) -> str:
        """Run a block of the section on jobs, in a shell that knows where the cluster is."""
        return self.types(command, self.folder)

    def finds_the_cluster(self) -> None:
        """Run the blocks of the section on jobs that say where the cluster is, and keep what they export."""
        shown = 'printf "%s\\n" "$RAY_API_SERVER_ADDRESS" "$RAY_AUTH_MODE" "$RAY_AUTH_TOKEN"'
        values = self.types("\n".join([*blocks("Jobs"), shown])).split("\n")
        names = ("RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN")
        self.compose.environment |= dict(zip(names, values, strict=False))


@pytest.fixture(scope="module")
def reader(project: Compose, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Return a reader who has followed "On Docker" until the cluster ran, and saved the example job."""
    found = Reader(project, tmp_path_factory.mktemp("squares"))
    (script,) = blocks("Jobs", "python")
    (found.folder / "squares.py").write_text(script)
    foreground, background, *_ = blocks("On Docker")
    found.types(foreground.replace(" up ", " up --detach "))
    found.types(background)
    found.finds_the_cluster()
    return found


@pytest.mark.docker
def test_the_cluster_and_its_nodes_are_seen(reader: Reader) -> None:
    """`ray status` shows the head and five nodes with five CPUs, and the token is printed."""
    _, _, see, token = blocks("On Docker")
    status, listed, containers = see.replace(" exec ", " exec -T ").splitlines()
    until(lambda: "/5.0 CPU" in reader.types(status), 20)
    printed = reader.types(status)
    assert printed.split("Active:")[1].split("Pending:")[0].count(" 1 node_") == 6
    assert reader.types(listed).count("ALIVE") == 6
    assert reader.types(containers).count("ray-scaling-lab:") == 6
    assert re.fullmatch(r"[0-9a-f]{64}", reader.types(token).strip())


@pytest.fixture(scope="module")
def printed(reader: Reader) -> dict[str, str]:
    """Return what the page's blocks on jobs printed, all run at once."""
    (reader.folder / "submit.py").write_text(blocks("From Python", "python")[0])
    at_once, followed = blocks("By command")
    send, wait, _ = blocks("By HTTP")
    commands = {
        "command": at_once,
        "followed": followed,
        "http": f"{send}{wait}",
        "python": "python submit.py",
    }
    with ThreadPoolExecutor() as pool:
        return dict(zip(commands, pool.map(reader.job, commands.values()), strict=True))


@pytest.mark.docker
def test_the_job_runs_in_all_three_ways(reader: Reader, printed: dict[str, str]) -> None:
    """By command, over HTTP and from Python, with the page's own lines: [0, 1, 4, 9]."""
    assert SQUARES in printed["command"]
    assert "succeeded" in printed["command"]
    assert SQUARES in printed["python"]
    assert "SUCCEEDED" in printed["python"]
    assert "\\n[0, 1, 4, 9]\\n" in printed["http"]
    assert '{"stopped": false}' in reader.job(blocks("By HTTP")[2])


@pytest.mark.docker
def test_a_job_is_followed_and_stopped(printed: dict[str, str]) -> None:
    """Submit, status, logs, stop and list work as they stand, and the job that they name was stopped."""
    assert "Job 'endless' was stopped" in printed["followed"]
    assert "sleep 600" in printed["followed"].split("was stopped")[1]


@pytest.mark.docker
def test_the_token_is_asked_for(reader: Reader) -> None:
    """The page's own request gets 200, 401 without a token and 403 with a wrong one, in the page's words."""
    (ask,) = blocks("401 and 403")
    header = '-H "Authorization: Bearer $RAY_AUTH_TOKEN"'
    assert header in ask
    wrong = ask.replace("$RAY_AUTH_TOKEN", "wrong")
    without = ask.replace(header, "")
    assert [reader.job(one).strip() for one in (ask, without, wrong)] == ["200", "401", "403"]
    said = [reader.job(one.replace("-o /dev/null", "")) for one in (without, wrong)]
    assert "Unauthorized: Missing authentication token" in said[0]
    assert "Forbidden: Invalid authentication token" in said[1]
    assert all(
        one.split("\n")[0].removesuffix(code) in PAGE for one, code in zip(said, ("401", "403"), strict=True)
    )


@pytest.mark.docker
def test_a_node_that_was_killed_comes_back(reader: Reader) -> None:
    """The commands under "When something dies" kill one node and bring the cluster back to five."""
    before = set(reader.compose.nodes())
    reader.types(blocks("When something dies")[0])

    def one_in_place_of_one() -> bool:
        after = set(reader.compose.nodes())
        return len(before - after) == len(after - before) == 1

    until(one_in_place_of_one, 30)


@pytest.mark.docker
def test_the_cluster_can_shrink_and_grow_while_a_job_runs(reader: Reader) -> None:
    """A job outlives the loss of two nodes and their return, and every task of it is done."""
    cluster = reader.compose
    token = cluster.token()
    _, content = cluster.ask("/api/jobs/", token, {"entrypoint": f"python -c '{NAPS}'"})
    job = f"/api/jobs/{content['submission_id']}"
    head = cluster.containers("ray-head")[0]["Name"].strip("/")

    def sums() -> list[str]:
        """Return what each round of tasks came to, so far."""
        return re.findall(r"the sum is (.+)", cluster.ask(f"{job}/logs", token)[1]["logs"])

    # the job goes on until it is told: however slow the steps are, they meet it at work
    try:
        until(lambda: cluster.ask(job, token)[1]["status"] != "PENDING", 120)
        until(lambda: sums() != [], 120)
        assert "3 nodes are ready" in reader.types(blocks("Larger and smaller")[0])
        assert cluster.ask(job, token)[1]["status"] == "RUNNING"
        cluster.scale(NODES)
        assert cluster.ask(job, token)[1]["status"] == "RUNNING"
    finally:
        cluster.inside(head, "touch", "/tmp/enough")
    until(lambda: cluster.ask(job, token)[1]["status"] != "RUNNING", 120)
    found = cluster.ask(job, token)[1]
    assert found["status"] == "SUCCEEDED", found
    assert set(sums()) == {"105"}


# --- several machines -----------------------------------------------------------------------------------


class Machines:
    """Three machines, each of them a plain container of the lab's image, with no Ray started yet."""

    def __init__(self, compose: Compose, folder: Path) -> None:
        self.compose, self.home = compose, folder
        self.network = f"{compose.project}-machines"
        self.names = {address: f"{compose.project}-{place}" for place, address in enumerate(ADDRESSES)}

    def start(self) -> None:
        """Start the machines; the lab is installed on each, under the name that the page gives it."""
        self.compose.run("docker", "network", "create", self.network)
        options = ["--detach", "--init", "--shm-size=256m", "--memory=2g", f"--network={self.network}"]
        for name in self.names.values():
            container = ["--name", name, "--hostname", name, self.compose.image, "sleep", "600"]
            self.compose.run("docker", "run", *options, *container)
            self.compose.run("docker", "exec", name, "ln", "-s", "/opt/lab", ".venv")
            (settings,) = blocks("Settings of every node")
            self.on_container(name, f"cat >cluster.env <<'END'\n{settings}END")
        fake = self.home / "bin" / "ssh"
        fake.parent.mkdir()
        fake.write_text(SSH)
        fake.chmod(0o755)

    def named(self, command: str) -> str:
        """Return a command with the containers' names in place of the page's addresses."""
        for address, name in self.names.items():
            command = command.replace(address, name)
        return command

    def at_home(self, command: str) -> str:
        """Run a block on the reader's own machine, with a home and an ssh of its own."""
        path = os.pathsep.join([str(self.home / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {"HOME": str(self.home), "PATH": path}
        shell = ["bash", "-euo", "pipefail", "-c", self.named(command)]
        done = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def on(self, address: str, command: str) -> str:
        """Run a block on one of the machines."""
        return self.on_container(self.names[address], self.named(command))

    def on_container(self, name: str, command: str) -> str:
        """Run a command in a container as somebody would who has just logged in there."""
        shell = ["env", "-u", "RAY_AUTH_MODE", "-u", "RAY_AUTH_TOKEN_PATH", "bash", "-e", "-c", command]
        return self.compose.run("docker", "exec", name, *shell)

    def remove(self) -> None:
        """Remove containers and network."""
        subprocess.run(["docker", "rm", "--force", *self.names.values()], capture_output=True)
        subprocess.run(["docker", "network", "rm", self.network], capture_output=True)


@pytest.fixture(scope="module")
def machines(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Yield a cluster built by the page's commands: one node on ports of its choice, one on given ports."""
    found = Machines(reader.compose, tmp_path_factory.mktemp("home"))
    try:
        found.start()
        found.at_home(blocks("Make the token")[0])
        head, node, _ = blocks("Start")
        found.on(HEAD, head)
        enter = "\n".join(node.splitlines()[:2])
        (given_ports,) = blocks("Ports and firewall")
        with ThreadPoolExecutor() as pool:
            list(pool.map(found.on, WORKERS, [node, f"{enter}\n{given_ports}"]))
        yield found
    finally:
        found.remove()


@pytest.mark.docker
def test_machines_become_a_cluster(machines: Machines) -> None:
    """The page's `ray start` lines make a cluster of a head and two nodes, and its token is private."""
    *_, status = blocks("Start")
    enter = ". .venv/bin/activate; . ./cluster.env"
    until(lambda: "/4.0 CPU" in machines.on(HEAD, f"{enter}\n{status}"), 20)
    printed = machines.on(HEAD, f"{enter}\n{status}")
    assert printed.split("Active:")[1].split("Pending:")[0].count(" 1 node_") == 3
    for address in ADDRESSES:
        assert machines.on(address, "stat -c %a ~/.ray/auth_token").strip() == "600"


@pytest.mark.docker
def test_a_job_runs_on_the_machines(machines: Machines) -> None:
    """The example, submitted on the head with the copied token, prints [0, 1, 4, 9]."""
    (script,) = blocks("Jobs", "python")
    enter = ". .venv/bin/activate; . ./cluster.env; export RAY_API_SERVER_ADDRESS=http://127.0.0.1:8265"
    machines.on(HEAD, f"mkdir -p squares; cat >squares/squares.py <<'END'\n{script}END")
    assert SQUARES in machines.on(HEAD, f"{enter}; cd squares\n{blocks('By command')[0]}")


@pytest.mark.docker
def test_the_dashboard_is_shown_to_the_head_only(machines: Machines) -> None:
    """Port 8265 answers on the head's loopback, 401 without a token, and not to the next machine."""
    script = "exec 3<>/dev/tcp/{}/8265; printf 'GET /api/jobs/ HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3"
    assert "401 Unauthorized" in machines.on(HEAD, script.format("127.0.0.1"))
    refused = f"({script.format(HEAD)}) 2>/dev/null || echo refused"
    assert machines.on(WORKERS[0], refused) == "refused\n"


@pytest.mark.docker
def test_machines_are_stopped(machines: Machines) -> None:
    """`ray stop` on each machine, the head last, leaves no Ray there."""
    (stop,) = blocks("Stop")
    for address in reversed(ADDRESSES):
        machines.on(address, f". .venv/bin/activate\n{stop}")
        left = machines.on(address, "cat /proc/[0-9]*/comm")
        assert not {"raylet", "gcs_server"} & set(left.split())


@pytest.mark.docker
def test_the_end_is_graceful(reader: Reader) -> None:
    """`docker compose stop` kills no Ray within its time, and `make docker-down` leaves no container."""
    began = time.monotonic()
    reader.types("docker compose stop")
    assert time.monotonic() - began < 40
    assert {one["State"]["ExitCode"] for one in reader.compose.containers()} <= {0, 1, 143}
    reader.types(blocks("The end")[0])
    assert reader.types("docker compose ps --all --quiet") == ""
