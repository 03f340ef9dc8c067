"""The log of a job as it grows, over a web socket of the cluster's head."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Mapping
from typing import Self

from lab.clusters.addresses import REQUEST_SECONDS


class Tail:
    """The log of a job as it grows, read by a thread with its own event loop: a notebook's is taken."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._read(url, headers))
        self._thread = threading.Thread(target=self._run, name="tail of a job's log", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the reading."""
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(REQUEST_SECONDS)

    def next(self, seconds: float) -> str | None:
        """Return the next piece of text, an empty one where none comes in time, or None after the end."""
        try:
            return self._texts.get(timeout=seconds)
        except queue.Empty:
            return ""

    def _run(self) -> None:
        try:
            with contextlib.closing(self._loop):
                self._loop.run_until_complete(asyncio.wait([self._task]))
        finally:
            self._texts.put(None)

    async def _read(self, url: str, headers: Mapping[str, str]) -> None:
        import aiohttp  # Ray brings it

        patience = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS)
        # why it breaks is of no interest: the head is asked for the job's status next
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with aiohttp.ClientSession(headers=headers, timeout=patience) as session:
                # no heartbeat and no closing handshake: Ray's head does not read, and so answers neither
                socket = await session.ws_connect(url, max_msg_size=0)
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._texts.put(message.data)
