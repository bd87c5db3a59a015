"""The line to the worker: JSON lines over the private unix socket named by ``ANTIPHON_SOCKET``.

Several threads may speak and ask at once. What must hold:

C1. Lines never interleave: one lock is held while a line is written.
C2. Every question has an id of its own; the reader thread hands an answer to the one thread that waits
    for that id, and to nobody else.
C3. When the connection ends or the run is cancelled, every waiting question ends too: nobody waits for
    an answer that cannot come.
C4. After a fork the child connects anew at its first use. It shares no socket with its parent, whose
    reader would otherwise take the child's answers.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import socket
import threading
from typing import Any

MAX_LINE_BYTES = 64 * 1024
"""The longest line that the worker accepts, its newline included, except for a result."""

MAX_RESULT_BYTES = 1024 * 1024
"""The longest line that the worker accepts for a result, its newline included."""

_START_TIMEOUT_SECONDS = 30.0


class UnansweredError(Exception):
    """A question ended without an answer."""


def encode(line: dict[str, Any]) -> bytes:
    """Turn a message into a line. Raises ``TypeError`` or ``ValueError`` for what JSON cannot hold."""
    text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


class Channel:
    """One connection to the worker, opened at its first use."""

    def __init__(self, path: str) -> None:
        """Remember where the worker listens; nothing is opened yet."""
        self._path = path
        self._reset()
        os.register_at_fork(after_in_child=self._forget_parent)

    def open(self) -> None:
        """Connect, so that the worker can be heard before anything is said to it. Raises ``OSError``."""
        self._connection()

    def _forget_parent(self) -> None:
        if self._socket is not None:
            os.close(self._socket.detach())
        self._reset()

    def _reset(self) -> None:
        self._socket: socket.socket | None = None
        self._state = threading.Lock()
        self._writing = threading.Lock()
        self._ids = itertools.count(1)
        self._waiting: dict[str, queue.SimpleQueue[str | None]] = {}
        self._start: dict[str, Any] = {}
        self._started = threading.Event()
        self._over = False

    def send(self, line: dict[str, Any], max_bytes: int = MAX_LINE_BYTES) -> None:
        """Write one message.

        Raises ``TypeError`` or ``ValueError`` when it is not JSON or too long, ``OSError`` when the worker
        does not listen.
        """
        data = encode(line)
        if len(data) > max_bytes:
            kind = line["type"]
            raise ValueError(f"the {kind} takes {len(data)} bytes as JSON; at most {max_bytes} are accepted")
        connection = self._connection()
        with self._writing:
            connection.sendall(data)

    def ask(self, prompt: str, password: bool) -> str:
        """Ask the people who watch the run and wait, however long, for one of them to answer.

        Raises ``UnansweredError`` when the question ends without an answer.
        """
        answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._connection()
        with self._state:
            if self._over:
                raise UnansweredError
            # The process id keeps the ids of a forked child apart from those of its parent.
            prompt_id = f"{os.getpid()}-{next(self._ids)}"
            self._waiting[prompt_id] = answer
        try:
            self.send(
                {
                    "type": "input_request",
                    "prompt_id": prompt_id,
                    "prompt": _shortened(prompt),
                    "password": password,
                }
            )
            value = answer.get()
        except OSError as error:
            raise UnansweredError from error
        finally:
            with self._state:
                self._waiting.pop(prompt_id, None)
        if value is None:
            raise UnansweredError
        return value

    def start(self) -> dict[str, Any]:
        """Return what the worker said at the start: ``run_id``, ``task_id``, ``attempt``, ``input``.

        For a flow that is to begin with another message than its own also ``message``.
        """
        self._connection()
        if not self._started.wait(_START_TIMEOUT_SECONDS):
            raise ConnectionError("the worker did not say which run this is")
        return self._start

    def _connection(self) -> socket.socket:
        with self._state:
            if self._socket is None:
                connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                try:
                    connection.connect(self._path)
                except OSError:
                    connection.close()
                    raise
                self._socket = connection
                threading.Thread(target=self._read, args=(connection,), name="antiphon", daemon=True).start()
            return self._socket

    def _read(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as lines:
                for line in lines:
                    self._receive(json.loads(line))
        except (OSError, ValueError):
            pass  # Both mean the same as the end of the stream: nothing more will come.
        self._end()

    def _receive(self, line: dict[str, Any]) -> None:
        kind = line.get("type")
        if kind == "input":
            with self._state:
                waiting = self._waiting.get(str(line.get("prompt_id")))
            if waiting is not None:
                value = line.get("value")
                waiting.put(None if value is None else str(value))
        elif kind == "start":
            self._start = line
            self._started.set()
        elif kind == "cancel":
            # A real signal wakes the main thread out of whatever it waits for; setting a flag would not.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            self._end()

    def _end(self) -> None:
        with self._state:
            self._over = True
            waiting = list(self._waiting.values())
        for answer in waiting:
            answer.put(None)


def _shortened(prompt: str) -> str:
    """Cut a prompt to what fits a line even if each of its characters takes six bytes there."""
    limit = MAX_LINE_BYTES // 8
    return prompt if len(prompt) <= limit else prompt[:limit] + "…"
