"""Prompts to a language model's server that runs on each node: unequal lengths, retries and failures.

The server is examples/prompt_server.py, a stand-in without a model. `set_up` starts it once on each node,
where none answers yet; it ends by itself. To ask a server of your own, change `request`.

Known beforehand: a server has 2 slots of 1000 tokens a second: a node gives at most 2000 tokens a second,
however many workers wait. Of 200 prompts 4 fail for good (2 %), 20 are asked twice, and the answers have
15,704 tokens.
Run it: lab run examples/prompts.py:work --workers 1,2,4
"""

import fcntl
import http.client
import json
import time
from hashlib import blake2b
from typing import Any

import prompt_server

from lab import Workload

ATTEMPTS = 4
TIMEOUT_SECONDS = 120.0


def ask(prompt: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one prompt; a busy server is asked again, a refused prompt is an error."""
    began = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        status, answer = post({**prompt, "attempt": attempt})
        if status == 200:
            return {**answer, "attempts": attempt, "latency_seconds": time.monotonic() - began}
        if status != 503:
            raise ValueError(answer["error"])
        time.sleep(0.01 * 2**attempt)
    raise TimeoutError(f"prompt {prompt['number']}: the server was busy {ATTEMPTS} times")


def post(prompt: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Send one prompt to this node's server, which is started again if it has ended meanwhile."""
    try:
        return request("POST", json.dumps(prompt))
    except OSError:
        set_up()
        return request("POST", json.dumps(prompt))


def request(method: str, body: str | None = None) -> tuple[int, dict[str, Any]]:
    """Return status and content of one request; raises `OSError` where no server answers."""
    port = int(prompt_server.PORT_FILE.read_text())
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, "/", body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def set_up() -> None:
    """Start this node's server unless one answers: of all workers that come at once, one starts it."""
    with open(prompt_server.PORT_FILE.with_suffix(".lock"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed
        try:
            request("GET")
        except OSError:
            prompt_server.start()


def tokens(answer: dict[str, Any]) -> int:
    """Return what throughput counts."""
    return int(answer["tokens"])


def digest(answer: dict[str, Any]) -> str:
    """Return what must be equal on every engine: the text, and not how long it took."""
    return blake2b(answer["text"].encode(), digest_size=8).hexdigest()


items = [{"number": number, "text": "Tell me more. " * (1 + number % 30)} for number in range(200)]
work = Workload(
    ask, items, unit="tokens", units=tokens, digest=digest, set_up=set_up, words="Asks a model's server."
)
