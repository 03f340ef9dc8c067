"""The house: set-up, shortcuts, workflows and the files around the code."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab.cli import COMMANDS
from lab.measure.environment import code_facts

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EXAMPLE = ROOT / "deploy" / "github" / "compare.yml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PIN = re.compile(r"(?P<name>[a-z0-9.-]+)==(?P<version>[^\s;]+)(?P<marker> ; .+)?")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def read(name: str) -> str:
    """Return the text of one of the project's files."""
    return (ROOT / name).read_text()


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder, free of the variables of a make that runs these tests."""
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
    )


def script(path: Path, text: str) -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder, with a space in its name, that holds what the Makefile's set-up looks at."""
    folder = tmp_path / "a clone"
    (folder / "notebooks" / "profiles").mkdir(parents=True)
    for name in ("single_node.ipynb", "docker.ipynb", "profiles/quick.yaml", "profiles/docker_quick.yaml"):
        (folder / "notebooks" / name).touch()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def installed(clone: Path) -> Path:
    """Return a clone whose set-up is done, with a Python that notes what it is asked and runs FAKE_PYTHON."""
    script(clone / ".venv" / "bin" / "python", '#!/bin/sh\necho "$@" >> asked\neval "$FAKE_PYTHON"\n')
    for name in ("pyvenv.cfg", ".compiled", ".installed-uv", ".installed-report"):
        (clone / ".venv" / name).touch()
    return clone


# --- the Makefile ---------------------------------------------------------------------------------------


def targets() -> set[str]:
    """Return the targets that a person may call."""
    (phony,) = re.findall(r"^\.PHONY: (.+)$", read("Makefile").replace("\\\n", ""), re.MULTILINE)
    return set(phony.split()) - {"known-profile"}


@needs_make
def test_help_lists_every_target() -> None:
    """`make` and `make help` give one line to every target."""
    shown = make(ROOT, "help").stdout
    assert re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE) == [
        line.split(":")[0] for line in read("Makefile").splitlines() if re.match(r"[a-z-]+:.*## ", line)
    ]
    assert {line.split()[1] for line in shown.splitlines()} == targets()
    assert make(ROOT).stdout == shown


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/test.yml"])
def test_targets_that_are_written_about_exist(name: str) -> None:
    """A make command in a document or a script names a target of the Makefile."""
    spans = re.findall(r"`(make [^`]+)`|^(?:.*run: |.*\d+m )?(make .+)$", read(name), re.MULTILINE)
    for command in ["".join(span) for span in spans]:
        words = [word for word in command.split()[1:] if "=" not in word]
        assert set(words) <= targets(), command


@needs_make
def test_an_old_python_is_named(clone: Path) -> None:
    """Python below 3.11 is refused before anything is made, with the version found and the way out."""
    old = script(
        clone / "old python",
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10, 12); '
        'exec(sys.argv[1])" "$2"\n',
    )
    done = make(clone, f"PYTHON={old}", "report")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "3.10.12" in done.stderr
    assert "make PYTHON=python3.12 report" in done.stderr
    assert not (clone / ".venv").exists()


@needs_make
def test_a_missing_python_is_named(clone: Path) -> None:
    """A Python that is not there gets a sentence, not a shell's error."""
    done = make(clone, "PYTHON=python3.99", "report")
    assert done.returncode != 0
    assert "There is no 'python3.99' here" in done.stderr


@needs_make
def test_a_python_without_venv_is_told_what_to_install(clone: Path) -> None:
    """Where Debian left out ensurepip, the error names the package that brings it."""
    bare = script(
        clone / "bare",
        f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"\n',
    )
    done = make(clone, f"PYTHON={bare}", "book")
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
    assert not (clone / ".venv").exists()


@needs_make
def test_an_unknown_profile_is_refused_before_the_set_up(clone: Path) -> None:
    """A misspelt profile lists those that there are, and nothing has been installed."""
    done = make(clone, "PROFILE=quik", "report")
    assert done.returncode != 0
    assert "no profile 'quik'" in done.stderr
    assert "quick" in done.stderr
    assert not (clone / ".venv").exists()


@needs_make
def test_report_hands_profile_workers_and_run_id_to_papermill(installed: Path) -> None:
    """`make report` passes its variables on as parameters, and then builds the book."""
    done = make(installed, "report", "WORKERS=[1, 2]", "RUN_ID=again")
    assert done.returncode == 0, done.stderr
    asked = (installed / "asked").read_text()
    assert "papermill notebooks/single_node.ipynb out/single_node.ipynb" in asked
    assert "-f notebooks/profiles/quick.yaml -y workers: [1, 2] -r run_id again" in asked
    assert asked.splitlines()[-1] == "-m lab book"


@needs_make
def test_report_takes_any_experiment(installed: Path) -> None:
    """EXPERIMENT names another notebook, with profiles of its own; an unknown one lists those known."""
    assert make(installed, "report", "EXPERIMENT=docker").returncode == 0
    asked = (installed / "asked").read_text()
    assert "notebooks/docker.ipynb out/docker.ipynb -f notebooks/profiles/docker_quick.yaml" in asked
    wrong = make(installed, "report", "EXPERIMENT=podman").stderr
    assert "no experiment 'podman'. Choose one of: docker single_node." in wrong
    wrong = make(installed, "report", "EXPERIMENT=docker", "PROFILE=full").stderr
    assert "no profile 'full' of docker. Choose one of: quick.\n" in wrong
    assert "make report EXPERIMENT=docker PROFILE=quick" in wrong


@needs_make
def test_a_failed_experiment_ends_with_its_message(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a failure the user sees the whole message and no traceback; the book is not built; make fails."""
    (installed / "log").write_text(
        "Traceback (most recent call last):\n  File x\npapermill.exceptions.PapermillExecutionError: \n"
        "Cell In[2], line 4\n\nlab.errors.ParameterError: workers is 0:\naccepted is 1 to 256\n\n"
    )
    monkeypatch.setenv("FAKE_PYTHON", "cat log >&2; exit 1")
    done = make(installed, "report")
    assert done.returncode != 0
    assert "ParameterError: workers is 0:\naccepted is 1 to 256\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert "out/single_node.log" in done.stderr
    assert "lab book" not in (installed / "asked").read_text()


@needs_make
def test_ctrl_c_ends_with_the_way_to_go_on(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C, which reaches make and papermill alike, ends in the command that goes on with the run."""
    begun = "mkdir -p data/single_node/mine; sleep 0.1; touch data/single_node/mine/tasks.csv"
    monkeypatch.setenv("FAKE_PYTHON", f"trap 'sleep 0.2; exit 1' INT; {begun}; kill -INT 0; exit 2")
    done = make(installed, "report")
    assert done.returncode != 0
    assert "To go on: make report PROFILE=quick RUN_ID=mine\n" in done.stderr
    assert "lab book" not in (installed / "asked").read_text()


@needs_make
def test_own_hands_work_items_and_workers_to_the_command(installed: Path) -> None:
    """`make own` is `lab run` and then `lab book`."""
    done = make(installed, "own", "WORK=my job.py:work", "ITEMS=my job.py:items", "WORKERS=1,2")
    assert done.returncode == 0, done.stderr
    run = "-m lab run my job.py:work --items my job.py:items --workers 1,2"
    assert (installed / "asked").read_text().splitlines() == [run, "-m lab book"]


@needs_make
def test_own_work_that_fails_has_no_book(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `lab run` fails, make fails with it, and no book is built."""
    monkeypatch.setenv("FAKE_PYTHON", "exit 1")
    assert make(installed, "own", "WORK=my_job.py:work").returncode != 0
    assert (installed / "asked").read_text() == "-m lab run my_job.py:work\n"


@needs_make
def test_a_dead_kernel_ends_with_the_end_of_the_log(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a failure that is not the lab's own the end of the log is shown."""
    monkeypatch.setenv("FAKE_PYTHON", "echo 'nbclient.exceptions.DeadKernelError: Kernel died' >&2; exit 1")
    done = make(installed, "report")
    assert done.returncode != 0
    assert "DeadKernelError: Kernel died" in done.stderr


# --- dependencies ---------------------------------------------------------------------------------------


def test_the_lock_holds_names_versions_and_markers_only() -> None:
    """No line of requirements.lock is anything but a pinned name, so no address can hide in it."""
    lines = read("requirements.lock").splitlines()
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert [line for line in lines if "/" in line or "@" in line] == []


def test_the_lock_pins_every_direct_dependency() -> None:
    """Every dependency of pyproject.toml, extras included, is pinned to a version that it accepts."""
    pins: dict[str, set[str]] = {}
    for found in map(PIN.fullmatch, read("requirements.lock").splitlines()):
        assert found is not None
        pins.setdefault(found["name"], set()).add(found["version"])
    extras = PROJECT["optional-dependencies"].values()
    for text in [*PROJECT["dependencies"], *(one for extra in extras for one in extra)]:
        wanted = Requirement(text)
        versions = pins.get(canonicalize_name(wanted.name), set())
        assert versions, f"{text} is not in requirements.lock: make lock"
        assert all(wanted.specifier.contains(version) for version in versions), text


def test_conda_installs_this_project_with_the_lock() -> None:
    """environment.yml brings a Python that the project accepts, and pip installs the rest as it is pinned."""
    environment = yaml.safe_load(read("environment.yml"))
    *conda, last = environment["dependencies"]
    (python,) = [one for one in conda if one.startswith("python=")]
    assert Requirement("python" + PROJECT["requires-python"]).specifier.contains(python.split("=")[1])
    assert "pip" in conda
    assert last["pip"] == ["-c requirements.lock", "-e .[report]"]


def test_the_book_keeps_out_of_the_virtual_environment() -> None:
    """Jupyter Book's `only_build_toc_files` overlooks hidden folders such as .venv: all are excluded."""
    assert ".*" in yaml.safe_load(read("_config.yml"))["exclude_patterns"]


# --- workflows and CI -----------------------------------------------------------------------------------


def workflow(path: Path) -> dict[Any, Any]:
    """Return a workflow as data."""
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict)
    return content


def test_there_are_two_workflows() -> None:
    """One workflow tests, one publishes."""
    assert [path.name for path in WORKFLOWS] == ["pages.yml", "test.yml"]


def test_the_example_of_a_workflow_is_one_to_copy() -> None:
    """It has least permissions and an end, takes no foreign text for code, and calls commands that exist."""
    content = workflow(EXAMPLE)
    assert content["permissions"] == {"contents": "read"}
    (job,) = content["jobs"].values()
    assert job["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert job["timeout-minutes"] <= 60
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert not any("${{" in command for command in commands)
    asked = [command.split()[1:] for command in commands if command.startswith(".venv/bin/lab ")]
    assert [words[0] for words in asked] == ["run", "compare"]
    assert all(words[0] in COMMANDS for words in asked)
    assert "pull_request_target" not in EXAMPLE.read_text()


@pytest.mark.parametrize("path", [*WORKFLOWS, EXAMPLE], ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_id(path: Path) -> None:
    """Every action is named by 40 hexadecimal digits, with the version beside it."""
    used = re.findall(r"uses: (.+)$", path.read_text(), re.MULTILINE)
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_least_permissions_and_an_end(path: Path) -> None:
    """A workflow may read the code; only the deploying job may do more, and every job has a time limit."""
    content = workflow(path)
    assert content["permissions"] == {"contents": "read"}
    assert "concurrency" in content
    more = {name: job["permissions"] for name, job in content["jobs"].items() if "permissions" in job}
    assert more == ({"deploy": {"pages": "write", "id-token": "write"}} if path.name == "pages.yml" else {})
    assert all(job["timeout-minutes"] <= 60 for job in content["jobs"].values())
    assert "pull_request_target" not in path.read_text()
    assert "secrets." not in path.read_text()


def test_pages_are_built_from_the_data_and_checked() -> None:
    """The publishing workflow builds the book alone, wants its first page, and deploys from main only."""
    jobs = workflow(ROOT / ".github" / "workflows" / "pages.yml")["jobs"]
    commands = [step["run"] for step in jobs["build"]["steps"] if "run" in step]
    assert commands == ["make book", "test -f _build/html/index.html"]
    assert jobs["deploy"]["needs"] == "build"
    assert jobs["deploy"]["if"] == "github.ref == 'refs/heads/main'"


def test_ci_runs_the_readme_s_test_command() -> None:
    """What CI runs is what the README tells a newcomer to run."""
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert re.search(r"\bmake test$", read(".ci/run"), re.MULTILINE)
    assert "\nmake test\n" in read("README.md")


# --- documents ------------------------------------------------------------------------------------------


def committed() -> list[Path]:
    """Return the files that are, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    """Return name and text of every committed file that is text; measured rows hold no prose."""
    found = []
    for path in committed():
        content = path.read_bytes()
        if b"\0" not in content and path.suffix != ".csv":
            found.append((str(path.relative_to(ROOT)), content.decode("utf-8", "replace")))
    return found


def test_no_file_holds_a_path_of_a_developer_s_machine() -> None:
    """A path that exists on one machine only does not leave it; tests and images may name made-up homes."""
    machine = re.compile(r"(?<![\w.*}$)-])/(?:work|farm|root|tmp/bash_jobs[.\d]*|mnt)/\w")
    home = re.compile(r"(?<![\w.*}$)-])/(?:home|Users)/\w")
    for name, text in texts():
        assert machine.search(text) is None, name
        if not name.startswith(("tests/", "docker/")):
            assert home.search(text) is None, name


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the user's configuration, never the project's."""
    hosts = [("pypi", "org"), ("pythonhosted", "org"), ("deb", "debian", "org"), ("registry", "npmjs", "org")]
    named = re.compile("|".join(re.escape(".".join(host)) for host in hosts))
    assert [name for name, text in texts() if named.search(text)] == []


def test_the_citation_can_be_read() -> None:
    """CITATION.cff is version 1.2.0 of the format and tells the version and license of the project."""
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "abstract"} <= citation.keys()
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert citation["authors"][0]["name"] in read("LICENSE")


def test_the_readme_shows_both_ways() -> None:
    """The README gives the two commands, the three plain ones, and a picture with words beside it."""
    readme = read("README.md")
    for command in (
        "make report",
        "make test",
        "conda env create -f environment.yml",
        "papermill notebooks/single_node.ipynb out.ipynb"
        ' -f notebooks/profiles/full.yaml -p workers "[1,2,4]"',
        "jupyter-book build .",
    ):
        assert f"\n{command}\n" in readme
    assert re.search(r"!\[[^\]]{20,}\]\(book/images/report\.png\)", readme)


def test_the_readme_leads_with_one_s_own_work() -> None:
    """The first screen shows a whole job, that of examples/first.py, and what is typed to measure it."""
    readme = read("README.md")
    job = read("examples/first.py").split('"""', 2)[2].strip()
    assert f"```python\n{job}\n```" in readme
    measured = "lab run my_job.py:work --items my_job.py:items --workers 1,2,4"
    for command in ("make setup", measured, "lab book"):
        assert f"\n{command}\n" in readme
    assert readme.index("lab run my_job.py:work") < readme.index("make report")


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link of the documents at the root points to a file that is there."""
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", read(name)):
            assert (ROOT / target).exists(), f"{name}: {target}"


def test_the_changelog_has_a_place_for_what_is_next() -> None:
    """Changes are noted under Unreleased as they are made."""
    assert "\n## [Unreleased]\n" in read("CHANGELOG.md")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_scripts_of_the_image_keep_their_line_ends_in_any_clone(tmp_path: Path) -> None:
    """A clone that turns line ends, as on Windows, leaves those of what a container or make runs."""
    clone = tmp_path / "crlf"
    command = [
        "git",
        "clone",
        "--quiet",
        "--depth",
        "1",
        "-c",
        "core.autocrlf=true",
        ROOT.as_uri(),
        str(clone),
    ]
    subprocess.run(command, check=True, timeout=120)
    kept = [*(clone / "docker").iterdir(), clone / "Makefile", *clone.rglob("*.py")]
    assert b"\r" in (clone / "README.md").read_bytes()
    assert [path for path in kept if b"\r\n" in path.read_bytes()] == []
    (measured, *_) = clone.glob("data/single_node/*/trials.csv")
    assert measured.read_bytes() == (ROOT / measured.relative_to(clone)).read_bytes()


def test_a_lab_that_is_not_installed_has_its_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by PYTHONPATH alone, without the metadata of a package, the lab says so in place of a version."""

    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert code_facts()["version"] == "not installed"
