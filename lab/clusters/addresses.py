"""The address of a cluster's jobs server: which of Ray's ports it is, and whether Ray answers there."""

import contextlib
import dataclasses
import http.client
import ipaddress
import json
import os
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from lab.errors import ClusterError, TokenError

JOBS_PORT = 8265
PORTS = (
    "Ray's ports: 8265 is the dashboard and takes jobs over HTTP, which the lab needs, as in "
    "http://127.0.0.1:8265; 6379 is the GCS, for `ray start --address`; 10001 is the Ray Client, `ray://`"
)
HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 6.0
JOBS = "/api/jobs/"
TOKEN_ADVICE = (
    "the cluster's token (compose: make docker-token) belongs into the environment variable RAY_AUTH_TOKEN, "
    "into the file that RAY_AUTH_TOKEN_PATH names, or into ~/.ray/auth_token"
)


def check_jobs_address(text: str) -> str:
    """Return the address as `http(s)://host:port`, or raise `ClusterError` saying which port is which.

    Without a scheme it is http; without a port it is 8265, and 443 behind https.
    """
    given = text.strip()
    if given in ("", "auto", "local"):
        raise _refusal(given, "names no host: the lab asks for the one where the cluster's head is")
    parts = _split(given)
    if parts.scheme == "ray":
        raise _refusal(given, "is an address of the Ray Client")
    if parts.scheme not in ("http", "https"):
        raise _refusal(given, f"begins with {parts.scheme}://, not with http:// or https://")
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise _refusal("", "has more than a host and a port")
    port = _port(given, parts)
    if port in (6379, 10001):
        raise _refusal(given, f"has the port of {'the GCS' if port == 6379 else 'the Ray Client'}")
    return f"{parts.scheme}://{_host(given, parts.hostname or '')}:{port}"


def check_reachable(address: str) -> None:
    """Connect to an address that has been checked, or raise `ClusterError` saying why it cannot be."""
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_SECONDS).close()
    except (socket.gaierror, UnicodeError):
        why = f"no machine is known by the name {parts.hostname}: look for a slip, or give its IP address"
    except ConnectionRefusedError:
        why = (
            "nothing listens there: start the cluster (compose: make docker-up), or the tunnel or "
            "port-forward that leads to it; its head must listen there (`ray start --dashboard-host`)"
        )
    except TimeoutError:
        why = (
            f"no answer within {CONNECT_SECONDS:.0f} s: the machine is off or a firewall is between; "
            "an SSH tunnel (`ssh -L 8265:127.0.0.1:8265 HOST`) leads past it"
        )
    except OSError as error:
        why = f"{error.strerror or error}: look at the network between here and there"
    else:
        return
    raise ClusterError(f"cannot reach the cluster at {address}: {why}")


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """The jobs server at an address that has been checked, and the token that it asks for."""

    address: str
    token: str | None = dataclasses.field(repr=False)

    def headers(self) -> dict[str, str]:
        """Return the headers that show the token."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    def ask(self, method: str, path: str, body: Any = None, seconds: float = REQUEST_SECONDS) -> Any:
        """Send a request to this address alone and return the JSON of its answer, or raise `ClusterError`."""
        content = None if body is None else json.dumps(body).encode()
        return self._content(path, *self._answer(method, path, content, "application/json", seconds))

    def upload(self, path: str, content: bytes, seconds: float) -> None:
        """Put bytes to this address, or raise `ClusterError`."""
        status, text = self._answer("PUT", path, content, "application/octet-stream", seconds)
        if status != 200:
            raise ClusterError(
                f"the head at {self.address} answers {status} to {path}: {text.strip()[-200:]}"
            )

    def _answer(
        self, method: str, path: str, content: bytes | None, kind_of: str, seconds: float
    ) -> tuple[int, str]:
        parts = urlsplit(self.address)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        headers = {"Content-Type": kind_of, **self.headers()}
        try:
            with contextlib.closing(kind(parts.hostname or "", parts.port, timeout=seconds)) as connection:
                connection.request(method, path, content, headers)
                answer = connection.getresponse()
                return answer.status, answer.read().decode(errors="replace")
        except OSError as error:
            raise ClusterError(
                f"the head at {self.address} does not answer ({str(error) or type(error).__name__}): look "
                "whether it runs (compose: docker compose ps) and whether the way there is open"
            ) from error
        except http.client.HTTPException as error:
            raise self.stranger("its answer is no HTTP") from error

    def stranger(self, found: str) -> ClusterError:
        """Return the error for a server that is not Ray's."""
        return ClusterError(
            f"what listens at {self.address} is not Ray's jobs server ({found}): give the address of the "
            "dashboard, port 8265 if no other was chosen, of a Ray that has one (`ray[default]`)"
        )

    def _content(self, path: str, status: int, text: str) -> Any:
        if status == 401:
            raise TokenError(f"the cluster at {self.address} wants a token: {TOKEN_ADVICE}")
        if status == 403:
            raise TokenError(
                f"the cluster at {self.address} refuses this token, it has another: {TOKEN_ADVICE}"
            )
        if status != 200 and path.startswith(JOBS):
            last = text.strip().rpartition("\n")[2]
            raise ClusterError(f"the head at {self.address} answers {status} to {path}: {last}")
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if status != 200 or not isinstance(content, dict | list):
            raise self.stranger(f"its answer to {path} is {status}, {text.strip()[:60]!r}")
        return content


def _split(given: str) -> SplitResult:
    if "://" not in given:
        given = f"http://[{given}]" if _is_ipv6(given) else f"http://{given}"
    try:
        return urlsplit(given)
    except ValueError:
        raise _refusal(given, "cannot be read") from None


def _port(given: str, parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _refusal(given, "has no port between 1 and 65535")
    return port or (443 if parts.scheme == "https" else JOBS_PORT)


def _host(given: str, host: str) -> str:
    if _is_ipv6(host):
        return f"[{host}]"
    if not HOST.fullmatch(host):
        raise _refusal(given, "has no host that could be one")
    return host


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _refusal(given: str, why: str) -> ClusterError:
    return ClusterError(f"the cluster's address {f'{given!r} ' if given else ''}{why}. {PORTS}")


def token_from_environment() -> str | None:
    """Return the token where Ray looks for it: RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named).expanduser() if named else Path.home() / ".ray" / "auth_token"
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        if not named:
            return None
        why = "there is no such file"
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
    source = "the file that RAY_AUTH_TOKEN_PATH names" if named else "Ray's own file of the token"
    raise TokenError(f"cannot read {path}, {source}: {why}; {TOKEN_ADVICE}")
