"""The address of a jobs server: what is taken for one, what is not, and why it cannot be reached."""

import socket
from collections.abc import Iterator

import pytest

from lab.clusters import addresses
from lab.clusters.addresses import check_jobs_address, check_reachable
from lab.errors import ClusterError


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("127.0.0.1:8265", "http://127.0.0.1:8265"),
        (" http://head.example:8265/ ", "http://head.example:8265"),
        ("HTTP://Head.Example", "http://head.example:8265"),
        ("ray-head", "http://ray-head:8265"),
        ("https://ray.example", "https://ray.example:443"),
        ("https://ray.example:8443", "https://ray.example:8443"),
        ("::1", "http://[::1]:8265"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("http://[fd00::2]:8265", "http://[fd00::2]:8265"),
    ],
)
def test_addresses_come_to_one_form(given: str, address: str) -> None:
    """Scheme and port are filled in, and what is in that form already stays as it is."""
    assert check_jobs_address(given) == address
    assert check_jobs_address(address) == address


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "names no host"),
        ("auto", "names no host"),
        ("local", "names no host"),
        ("ray://head:10001", "of the Ray Client"),
        ("head:10001", "port of the Ray Client"),
        ("head:6379", "port of the GCS"),
        ("http://[::1]:6379", "port of the GCS"),
        ("ftp://head:8265", "begins with ftp://"),
        ("head:99999", "no port between"),
        ("head:0", "no port between"),
        ("head:port", "no port between"),
        ("http://:8265", "no host that could be one"),
        ("two words", "no host that could be one"),
        ("http://[::1", "cannot be read"),
        ("http://head:8265/jobs", "more than a host and a port"),
        ("http://head:8265?token=1", "more than a host and a port"),
    ],
)
def test_other_addresses_are_refused(given: str, why: str) -> None:
    """What is no address of a jobs server gets the reason, and which of Ray's ports is which."""
    with pytest.raises(ClusterError) as caught:
        check_jobs_address(given)
    assert why in str(caught.value)
    assert all(port in str(caught.value) for port in ("8265 is", "6379 is", "10001 is"))


def test_a_password_in_an_address_is_not_repeated() -> None:
    """An address with a user's password is refused without showing it."""
    with pytest.raises(ClusterError, match="more than a host and a port") as caught:
        check_jobs_address("http://someone:secret@head:8265")
    assert "secret" not in str(caught.value)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Yield a socket of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_where_someone_listens_nothing_is_said(listener: socket.socket) -> None:
    """A port that takes connections counts as reachable: there the connection arrives."""
    check_reachable(f"http://127.0.0.1:{listener.getsockname()[1]}")
    listener.settimeout(5.0)
    connection, _ = listener.accept()
    connection.close()


def test_a_refused_connection_is_told(listener: socket.socket) -> None:
    """Where nothing listens, the message names the address and how to start or tunnel to a cluster."""
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    with pytest.raises(ClusterError, match=r"nothing listens there.*make docker-up") as caught:
        check_reachable(address)
    assert address in str(caught.value)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "no machine is known by the name head",
        ),
        (TimeoutError("timed out"), "no answer within 5 s.*firewall"),
        (OSError(113, "No route to host"), "No route to host: look at the network"),
    ],
)
def test_other_failures_are_told(error: OSError, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not known, silence, and a network without a route each get their own message."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(addresses.socket, "create_connection", fail)
    with pytest.raises(ClusterError, match=why):
        check_reachable("http://head:8265")
