"""The files for Kubernetes: against KubeRay's own schemas, against compose, and `make upgrade-helm`."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers import ROOT
from jsonschema import Draft7Validator
from test_compose import services
from test_house import committed, needs_make, script

from lab.clusters.embedded import PINNED_RAY, SETTINGS

FILES = ROOT / "deploy" / "kuberay"
VALUES = yaml.safe_load((FILES / "values.yaml").read_text())
RAY_JOB = yaml.safe_load((FILES / "rayjob.yaml").read_text())
PAGE = (ROOT / "book" / "kubernetes.md").read_text()

SHARED = Path(os.environ.get("LAB_SHARED", ROOT.parent / "shared")) / "kuberay"
needs_schemas = pytest.mark.skipif(
    not SHARED.is_dir(), reason="no folder with KubeRay's schemas beside this one: LAB_SHARED names where"
)


def ray_cluster(values: dict[str, Any]) -> dict[str, Any]:
    """Return the RayCluster that the chart's template makes of the values, as far as they go."""
    head, worker = values["head"], values["worker"]
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": values["fullnameOverride"]},
        "spec": {
            "rayVersion": head["rayVersion"],
            "headGroupSpec": {
                "serviceType": values["service"]["type"],
                "rayStartParams": head["rayStartParams"],
                "template": {"spec": pod("ray-head", head, values)},
            },
            "workerGroupSpecs": [
                {
                    **{key: worker[key] for key in ("groupName", "replicas", "minReplicas", "maxReplicas")},
                    "rayStartParams": worker["rayStartParams"],
                    "template": {"spec": pod("ray-worker", worker, values)},
                }
            ],
        },
    }


def pod(name: str, group: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the pod of a group."""
    image = values["image"]
    container = {
        "name": name,
        "image": f"{image['repository']}:{image['tag']}",
        "imagePullPolicy": image["pullPolicy"],
        "env": values["common"]["containerEnv"] + group.get("containerEnv", []),
        **{key: group[key] for key in ("resources", "securityContext", "volumeMounts")},
    }
    return {
        "securityContext": group["podSecurityContext"],
        "containers": [container],
        "volumes": group["volumes"],
    }


def pods() -> dict[str, dict[str, Any]]:
    """Return every pod of both files, by what it is."""
    spec = RAY_JOB["spec"]
    found = {"submitter": spec["submitterPodTemplate"]["spec"]}
    for name, cluster in (("chart", ray_cluster(VALUES)["spec"]), ("job", spec["rayClusterSpec"])):
        found[f"{name}'s head"] = cluster["headGroupSpec"]["template"]["spec"]
        found[f"{name}'s node"] = cluster["workerGroupSpecs"][0]["template"]["spec"]
    return found


# --- against KubeRay ------------------------------------------------------------------------------------


def closed(schema: Any) -> Any:
    """Return a schema that refuses fields it does not know: Kubernetes would drop them without a word."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    open_to_others = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_to_others:
        schema["additionalProperties"] = False
    return schema


def complaints(kind: str, resource: Any) -> list[str]:
    """Return what is wrong with a resource."""
    schema = closed(json.loads(gzip.decompress((SHARED / f"{kind}.v1.schema.json.gz").read_bytes())))
    Draft7Validator.check_schema(schema)
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(resource)]


@needs_schemas
def test_the_resources_fit_kuberay_s_schemas() -> None:
    """The RayCluster of the values and the RayJob have known fields only, of the right types."""
    assert complaints("raycluster", ray_cluster(VALUES)) == []
    assert complaints("rayjob", RAY_JOB) == []


@needs_schemas
def test_a_wrong_field_would_be_found() -> None:
    """The check does find an unknown field, a wrong type and a value that is none of those allowed."""
    for path, value in (("rayversion", "2"), ("rayVersion", 2), ("authOptions", {"mode": "password"})):
        wrong = ray_cluster(VALUES)
        wrong["spec"][path] = value
        assert complaints("raycluster", wrong)
        spec = {**RAY_JOB["spec"], "rayClusterSpec": wrong["spec"]}
        assert complaints("rayjob", {**RAY_JOB, "spec": spec})


@needs_schemas
def test_the_chart_knows_every_value() -> None:
    """The chart's own values have every key of ours, as a default or as a comment: it ignores all others."""
    (path,) = SHARED.glob("ray-cluster-*.values.yaml")
    text = path.read_text()
    defaults = yaml.safe_load(text)
    assert VALUES.keys() <= defaults.keys()
    for section in ("image", "service", "common", "head", "worker"):
        (lines,) = re.findall(rf"^{section}:\n(.*?)(?=^\w|\Z)", text, flags=re.M | re.S)
        known = defaults[section].keys() | set(re.findall(r"^  # (\w+):", lines, flags=re.M))
        assert VALUES[section].keys() <= known, section


@needs_schemas
def test_nothing_of_kuberay_is_copied() -> None:
    """None of the files that the others are checked against is in this repository."""
    foreign = [path.read_bytes() for path in SHARED.iterdir()]
    foreign += [gzip.decompress(content) for content in foreign if content.startswith(b"\x1f\x8b")]
    digests = {hashlib.sha256(content).hexdigest() for content in foreign}
    assert [path for path in committed() if hashlib.sha256(path.read_bytes()).hexdigest() in digests] == []


# --- against the rest of the lab ------------------------------------------------------------------------


def test_the_job_has_the_cluster_of_the_values() -> None:
    """The RayJob's cluster is that of the chart, but for the request, and the token that KubeRay needs."""
    cluster = yaml.safe_load(yaml.safe_dump(RAY_JOB["spec"]["rayClusterSpec"]))
    assert cluster.pop("authOptions") == {"mode": "token", "secretName": "ray-scaling-lab-token"}
    head = cluster["headGroupSpec"]["template"]["spec"]
    assert head["volumes"].pop() == {"name": "request", "configMap": {"name": "ray-scaling-lab-request"}}
    mount = head["containers"][0]["volumeMounts"].pop()
    assert mount == {"name": "request", "mountPath": "/run/lab-request", "readOnly": True}
    assert RAY_JOB["spec"]["entrypoint"] == "python -m lab.experiment.job /run/lab-request/request.json"
    assert cluster == ray_cluster(VALUES)["spec"]


def test_the_settings_are_those_of_compose() -> None:
    """Head and nodes have the environment that they have on Docker, and so SETTINGS."""
    for name, service in (("chart's head", "ray-head"), ("chart's node", "ray-worker")):
        found = {one["name"]: one["value"] for one in pods()[name]["containers"][0]["env"]}
        assert found == services()[service]["environment"]
        assert SETTINGS.items() - found.items() == {("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")}
    assert VALUES["head"]["rayVersion"] == PINNED_RAY
    assert VALUES["head"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize("name", pods())
def test_pods_may_do_little(name: str) -> None:
    """No pod runs as root, may become it, has a capability or writes to its image; memory has a limit."""
    found = pods()[name]
    (container,) = found["containers"]
    user = {key: found["securityContext"][key] for key in ("runAsNonRoot", "runAsUser")}
    assert user == {"runAsNonRoot": True, "runAsUser": 10001}
    assert "--uid 10001" in (ROOT / "docker" / "Dockerfile").read_text()
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    mounted = {one["name"]: one for one in container["volumeMounts"]}
    assert mounted.keys() == {one["name"] for one in found["volumes"]}
    assert mounted["temporary"]["mountPath"] == "/tmp"


@pytest.mark.parametrize("name", pods())
def test_the_token_is_a_file_out_of_a_secret(name: str) -> None:
    """Where the image looks for the token, the Secret's is mounted; only the pod's own group may read it."""
    (volume,) = [one["secret"] for one in pods()[name]["volumes"] if one["name"] == "token"]
    assert volume == {
        "secretName": "ray-scaling-lab-token",
        "items": [{"key": "auth_token", "path": "token"}],
        "defaultMode": 0o440,
    }
    (mount,) = [one for one in pods()[name]["containers"][0]["volumeMounts"] if one["name"] == "token"]
    assert f"RAY_AUTH_TOKEN_PATH={mount['mountPath']}/token" in (ROOT / "docker" / "Dockerfile").read_text()
    assert mount["readOnly"]


@pytest.mark.parametrize("group", ["head", "worker"])
def test_the_object_store_fits_into_the_shared_memory(group: str) -> None:
    """Ray is given 90 % of /dev/shm, as on Docker, which is within the memory of the pod."""
    (volume,) = [one for one in VALUES[group]["volumes"] if one["name"] == "shared-memory"]
    assert volume["emptyDir"]["medium"] == "Memory"
    size = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi")) * 2**20
    assert int(VALUES[group]["rayStartParams"]["object-store-memory"]) == size * 9 // 10
    assert size < int(VALUES[group]["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30
    assert VALUES[group]["resources"]["requests"] == VALUES[group]["resources"]["limits"]


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_no_token_no_registry_and_no_open_door(path: Path) -> None:
    """The files hold no secret and no address, and open nothing to the outside of the cluster."""
    text = path.read_text()
    assert not re.search(r"[0-9a-fA-F]{16,}|stringData|kind: Secret|RAY_AUTH_TOKEN\b|https?://", text)
    assert not re.search(r"LoadBalancer|NodePort|hostPort|hostNetwork|[iI]ngress|privileged", text)
    images = re.findall(r"(?:repository: |image: (?:&\w+ )?)(\w\S*)", text)
    assert images
    assert not [one for one in images if "/" in one]


def test_the_page_names_what_is_there() -> None:
    """Names, versions and commands of the page are those of the files; it says what was not tried."""
    makefile = (ROOT / "Makefile").read_text()
    (version,) = re.findall(r"^kuberay = (\S+)$", makefile, flags=re.M)
    (charts,) = re.findall(r"^charts = (\S+)$", makefile, flags=re.M)
    assert re.findall(r"--repo (\S+) --version (\S+)", PAGE) == [(charts, version)] * 2
    job = RAY_JOB["metadata"]["name"]
    for name in (
        f"service/{VALUES['fullnameOverride']}-head-svc 8265",
        f"--selector ray.io/cluster={VALUES['fullnameOverride']}",
        f"--follow job/{job} ",
        f"rayjob/{job} configmap/ray-scaling-lab-request",
        "configmap ray-scaling-lab-request --from-file=request.json",
        "ray-scaling-lab-token --from-file=auth_token=/dev/stdin",
        "`&image`",
    ):
        assert name in PAGE
    assert "&image " in (FILES / "rayjob.yaml").read_text()
    assert job != VALUES["fullnameOverride"], "their head services would have the same name"
    assert "not tried on a Kubernetes cluster" in PAGE


# --- make upgrade-helm, with tools that do as they are told ---------------------------------------------

KNOWS_RAY = 'case "$*" in *api-resources*) echo rayclusters.ray.io;; esac\n'


def upgrade(folder: Path, *arguments: str, kubectl: str | None = KNOWS_RAY, helm: bool = True) -> Any:
    """Run `make upgrade-helm` in a folder where `helm` notes what it is asked and `kubectl` is as given."""
    shutil.copy(ROOT / "Makefile", folder)
    for tool in ("make", "sh", "grep"):
        found = shutil.which(tool)
        assert found is not None
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / tool).symlink_to(found)
    if helm:
        script(folder / "bin" / "helm", '#!/bin/sh\nprintf "%s\\n" "$@" >asked\n')
    if kubectl is not None:
        script(folder / "bin" / "kubectl", f"#!/bin/sh\n{kubectl}")
    command = [folder / "bin" / "make", "--no-print-directory", "upgrade-helm", *arguments]
    environment = {"PATH": str(folder / "bin")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@needs_make
def test_upgrade_helm_asks_for_the_pinned_chart(tmp_path: Path) -> None:
    """helm is asked for one version of the official chart with our values, and nothing on top of them."""
    done = upgrade(tmp_path)
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().split("\n")[:-1]
    assert asked[:4] == ["upgrade", "--install", "ray-scaling-lab", "ray-cluster"]
    options = dict(zip(asked[4::2], asked[5::2], strict=True))
    assert re.fullmatch(r"\d+\.\d+\.\d+", options.pop("--version"))
    assert options.pop("--repo").startswith("https://")
    assert options == {"--namespace": "ray-scaling-lab", "--values": "deploy/kuberay/values.yaml"}
    assert "port-forward service/ray-scaling-lab-head-svc 8265" in done.stdout


@needs_make
def test_upgrade_helm_takes_image_nodes_and_namespace(tmp_path: Path) -> None:
    """IMAGE is split at its last colon, for a registry may have a port; NODES and NAMESPACE are passed on."""
    done = upgrade(tmp_path, "IMAGE=registry.example:5000/a/lab:1", "NODES=3", "NAMESPACE=mine")
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text()
    assert "--set-string\nimage.repository=registry.example:5000/a/lab\n--set-string\nimage.tag=1\n" in asked
    assert "--set\nworker.replicas=3\n" in asked
    assert "--namespace\nmine\n" in asked


@needs_make
@pytest.mark.parametrize("image", ["lab", "lab:", "registry.example:5000/lab"])
def test_an_image_without_a_tag_is_told(tmp_path: Path, image: str) -> None:
    """A name without a tag, where a port may look like one, is refused before anything is asked."""
    done = upgrade(tmp_path, f"IMAGE={image}")
    assert done.returncode != 0
    assert f"IMAGE is '{image}': give name and tag" in done.stderr
    assert not (tmp_path / "asked").exists()


@needs_make
@pytest.mark.parametrize(
    ("kubectl", "words"),
    [
        (None, ["There is no 'kubectl' here"]),
        ("echo connection refused >&2; exit 1", ["connection refused", "No Kubernetes cluster answers"]),
        ("exit 0", ["has no KubeRay operator", "helm install kuberay-operator"]),
        (
            f'{KNOWS_RAY}case "$*" in *secret*) exit 1;; esac',
            [
                "has no Secret",
                "kubectl create namespace ray-scaling-lab",
                '"$(openssl rand -hex 32)" | kubectl',
            ],
        ),
    ],
)
def test_what_lacks_is_told(tmp_path: Path, kubectl: str | None, words: list[str]) -> None:
    """Without kubectl, cluster, operator or token the target says what to do, and asks helm nothing."""
    done = upgrade(tmp_path, kubectl=kubectl)
    assert done.returncode != 0
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "asked").exists()


@needs_make
def test_a_missing_helm_is_told(tmp_path: Path) -> None:
    """Without helm the target says so."""
    done = upgrade(tmp_path, helm=False)
    assert done.returncode != 0
    assert "There is no 'helm' here" in done.stderr
