"""Lists what is in the image as CycloneDX JSON: Debian's packages and Python's. `make sbom` runs it inside.

docker run --rm -i --entrypoint python IMAGE - IMAGE <docker/sbom.py >_build/sbom.cdx.json
"""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

FORMAT = "${Package}\t${Version}\t${Architecture}\n"


def debian_packages() -> list[dict[str, str]]:
    """Return Debian's packages, each with its package URL."""
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )
    distribution = f"{release['ID']}-{release['VERSION_ID']}".replace('"', "")
    listed = subprocess.run(["dpkg-query", "-W", "-f", FORMAT], capture_output=True, text=True, check=True)
    lines = (line.split("\t") for line in listed.stdout.splitlines())
    return [
        component(name, version, f"deb/debian/{name}@{quote(version)}?arch={arch}&distro={distribution}")
        for name, version, arch in lines
    ]


def python_packages() -> list[dict[str, str]]:
    """Return Python's packages, by the name that the index has."""
    found = {(one.metadata["Name"], one.version) for one in importlib.metadata.distributions()}
    return [
        component(name, version, f"pypi/{re.sub('[-_.]+', '-', name).lower()}@{quote(version)}")
        for name, version in found
    ]


def component(name: str, version: str, url: str) -> dict[str, str]:
    """Return one package as CycloneDX has it."""
    return {
        "type": "library",
        "bom-ref": f"pkg:{url}",
        "name": name,
        "version": version,
        "purl": f"pkg:{url}",
    }


def main() -> None:
    """Print the list for the image that is named."""
    packages = sorted([*debian_packages(), *python_packages()], key=lambda one: one["purl"])
    image = {"type": "container", "bom-ref": "image", "name": sys.argv[1]}
    print(
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.6",
                "version": 1,
                "metadata": {"component": image},
                "components": packages,
            },
            indent=2,
        )
    )


main()
