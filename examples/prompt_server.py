"""A stand-in for a server of a language model, with a capacity that is known: no model, only its times.

It answers SLOTS prompts at once, each with TOKENS_PER_SECOND; the others wait in line. Of 10 prompts one is
answered "503 busy" the first time, and of 50 one is refused for good. It ends by itself when nobody asks.

Run it: python examples/prompt_server.py, which prints its port; examples/prompts.py does so by itself.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

SLOTS = 2
TOKENS_PER_SECOND = 1000  # of one slot
IDLE_SECONDS = 10.0
PORT_FILE = Path(tempfile.gettempdir(), f"prompt_server-{os.getuid()}.port")


def output_tokens(number: int) -> int:
    """Return how long the answer to a prompt is: most are short, few are long, 20 to 400 tokens."""
    return min(400, int(20 * Random(number).paretovariate(1.0)))


class Server(ThreadingHTTPServer):
    """The server, and what it counts."""

    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.slots = threading.Semaphore(SLOTS)
        self.lock = threading.Lock()
        self.facts = {"inside": 0, "most_inside": 0, "busy": 0, "refused": 0, "answered": 0, "tokens": 0}
        self.last_asked = time.monotonic()

    def count(self, **changes: int) -> None:
        """Add to the facts."""
        with self.lock:
            for name, change in changes.items():
                self.facts[name] += change
            self.facts["most_inside"] = max(self.facts["most_inside"], self.facts["inside"])
            self.last_asked = time.monotonic()

    def service_actions(self) -> None:
        """End when nobody has asked for a while; the server calls this twice a second."""
        if not self.facts["inside"] and time.monotonic() - self.last_asked > IDLE_SECONDS:
            threading.Thread(target=self.shutdown).start()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    wbufsize = 1 << 16  # head and body of an answer leave together

    def do_GET(self) -> None:
        """Tell what was counted so far."""
        self.reply(200, dict(self.server.facts))

    def do_POST(self) -> None:
        """Answer one prompt, once a slot is free."""
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number, attempt = prompt["number"], prompt["attempt"]
        if number % 50 == 49:
            self.server.count(refused=1)
            self.reply(400, {"error": f"prompt {number} is too long"})
        elif number % 10 == 3 and attempt == 1:
            self.server.count(busy=1)
            self.reply(503, {"error": "busy"})
        else:
            self.reply(200, self.generate(number))

    def generate(self, number: int) -> dict[str, object]:
        """Hold a slot as long as the answer takes."""
        tokens = output_tokens(number)
        with self.server.slots:
            self.server.count(inside=1)
            time.sleep(tokens / TOKENS_PER_SECOND)
            self.server.count(inside=-1, answered=1, tokens=tokens)
        return {"text": " ".join(f"w{(number + k) % 100}" for k in range(tokens)), "tokens": tokens}

    def reply(self, status: int, content: dict[str, object]) -> None:
        """Send an answer."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def serve() -> None:
    """Serve until nobody asks; the port stands in a file, and is the first line printed."""
    with Server() as server:
        port = server.server_address[1]
        new = PORT_FILE.with_suffix(f".{os.getpid()}")
        new.write_text(str(port))
        new.replace(PORT_FILE)
        print(port, flush=True)
        server.serve_forever()


def start() -> None:
    """Start a server that outlives the caller, and return once it listens."""
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    # a process between the two ends at once: the server is no child of the caller's, and is not ended with it
    subprocess.run(
        [sys.executable, __file__, "--start"], stdout=subprocess.DEVNULL, check=True, timeout=30, **quiet
    )


if __name__ == "__main__":
    if "--start" in sys.argv:
        server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert server.stdout is not None
        raise SystemExit(0 if server.stdout.readline() else 1)
    serve()
