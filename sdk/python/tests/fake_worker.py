"""A worker small enough for a test: it listens on a socket, keeps what it hears and answers as told."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

SHIM = Path(__file__).parent.parent / "src" / "antiphon" / "__main__.py"
TIMEOUT_SECONDS = 20


@dataclass
class Ended:
    """How a program ended, and what it said on each way."""

    code: int
    stdout: str
    stderr: str
    heard: list

    def of_type(self, kind):
        return [line for line in self.heard if line["type"] == kind]


class FakeWorker:
    """Runs one program beside it. `answer` gets each question and returns the lines to reply with."""

    def __init__(self, answer=lambda question: []):
        self._answer = answer
        self._heard = []
        self._readers = []
        self._is_over = threading.Event()

    def run(self, source, kind="program", name="main.py", python=sys.executable, stdin="", siblings=None):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.write_text(source, encoding="utf-8")
            for sibling, text in (siblings or {}).items():
                (Path(folder) / sibling).write_text(text, encoding="utf-8")
            path = os.path.join(folder, "worker.sock")
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen()
                accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
                accepting.start()
                done = subprocess.run(
                    [python, "-I", "-u", str(SHIM), kind, str(file)],
                    input=stdin,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=TIMEOUT_SECONDS,
                    cwd=folder,
                    env={"PATH": os.environ["PATH"], "ANTIPHON_SOCKET": path, "HOME": folder},
                )
                # Whatever the program connected waits before this one, which wakes who accepts.
                self._is_over.set()
                with socket.socket(socket.AF_UNIX) as last:
                    last.connect(path)
                    accepting.join(TIMEOUT_SECONDS)
            for reader in self._readers:
                reader.join(TIMEOUT_SECONDS)
        return Ended(done.returncode, done.stdout, done.stderr, self._heard)

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            if self._is_over.is_set():
                listener.setblocking(False)
            reader = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._readers.append(reader)
            reader.start()

    def _serve(self, connection):
        with connection, contextlib.suppress(ConnectionResetError):
            self._say(
                connection,
                {"type": "start", "run_id": "run", "task_id": "task", "attempt": 2, "input": {"x": [1]}},
            )
            for line in connection.makefile("rb"):
                heard = json.loads(line)
                self._heard.append(heard)
                if heard["type"] == "input_request":
                    for reply in self._answer(heard):
                        self._say(connection, reply)

    @staticmethod
    def _say(connection, line):
        # A program may end before it reads what it is told; what it said is there all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(json.dumps(line).encode() + b"\n")


def answers(*values):
    """Answer the questions in order, each with the next value; `None` closes one without an answer."""
    left = list(values)

    def answer(question):
        value = left.pop(0) if left else None
        return [reply(question, value)]

    return answer


def reply(question, value):
    """Return the line that answers a question."""
    return {"type": "input", "prompt_id": question["prompt_id"], "value": value, "closed": value is None}
