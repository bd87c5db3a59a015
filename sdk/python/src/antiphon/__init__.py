"""What a program that Antiphon runs can say to it.

``input()`` and ``getpass.getpass()`` need nothing from here: Antiphon carries their questions to whoever
watches the run. This module is for the rest::

    import antiphon

    order = antiphon.context().input
    antiphon.progress(0.5, "half of the pages read")
    if antiphon.ask("Publish? ") == "yes":
        antiphon.result({"pages": 12})

The same program also runs without Antiphon: then ``ask`` asks on the terminal, ``result`` prints its value
as JSON on standard output, and ``progress`` and ``message`` print on standard error.

A value that goes through here must be JSON: ``None``, ``bool``, ``int``, finite ``float``, ``str``, and
lists and dictionaries of these. Anything else raises ``TypeError`` or ``ValueError``; ``OSError`` says that
the worker cannot be reached.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antiphon._channel import MAX_RESULT_BYTES, Channel, UnansweredError

__all__ = ["Context", "artifact", "ask", "context", "message", "output_dir", "progress", "result"]

_path = os.environ.get("ANTIPHON_SOCKET")
_channel: Channel | None = Channel(_path) if _path else None


@dataclass(frozen=True)
class Context:
    """What this process is part of."""

    run_id: str
    """The run; empty outside Antiphon."""

    task_id: str
    """The task within the run; the same as ``run_id`` for a program submitted on its own."""

    attempt: int
    """Which try of the task this is, from 1."""

    input: Any
    """The JSON value that the task was started with; ``None`` when there was none."""


def context() -> Context:
    """Return the run, the task, the attempt and the input of this process."""
    if _channel is None:
        return Context(run_id="", task_id="", attempt=1, input=None)
    start = _channel.start()
    return Context(
        run_id=str(start.get("run_id", "")),
        task_id=str(start.get("task_id", "")),
        attempt=int(start.get("attempt", 1)),
        input=start.get("input"),
    )


def result(value: Any) -> None:
    """Hand over the result of this task; the last one given counts.

    It takes effect when the program ends with exit code 0. As JSON it takes at most 1 MiB.
    """
    if _channel is not None:
        _channel.send({"type": "result", "value": value}, MAX_RESULT_BYTES)
        return
    print(json.dumps(value, ensure_ascii=False, allow_nan=False), flush=True)


def progress(fraction: float, label: str = "") -> None:
    """Tell the watchers how far the program is, from 0 to 1, with a few words if you like."""
    if not 0 <= fraction <= 1:
        raise ValueError(f"progress goes from 0 to 1, not to {fraction}")
    if _channel is not None:
        _channel.send({"type": "progress", "fraction": float(fraction), "label": label})
        return
    print(f"[{fraction:4.0%}] {label}".rstrip(), file=sys.stderr, flush=True)


def message(value: Any) -> None:
    """Send the watchers a JSON value of your own, at most 64 KiB; it becomes part of the transcript."""
    if _channel is not None:
        _channel.send({"type": "message", "message": value})
        return
    print(json.dumps(value, ensure_ascii=False, allow_nan=False), file=sys.stderr, flush=True)


def ask(prompt: str, *, password: bool = False) -> str:
    """Ask whoever watches the run and return the answer; any thread may ask.

    A password is shown and stored nowhere on its way. Raises ``EOFError`` when the question ends without an
    answer: it timed out, or the run is being cancelled.
    """
    if _channel is None:
        return getpass.getpass(prompt) if password else input(prompt)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        return _channel.ask(str(prompt), password)
    except UnansweredError:
        raise EOFError("the question ended without an answer") from None


def output_dir() -> Path:
    """Return the folder whose files are kept after the end of the program.

    Outside Antiphon it is ``output`` in the current folder; it is made if it is missing.
    """
    folder = Path(os.environ.get("ANTIPHON_OUTPUT_DIR", "output")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def artifact(path: str | os.PathLike[str], name: str = "") -> None:
    """Announce a file of ``output_dir()`` as finished, under a name for people if you like.

    Every file left there is kept; announcing one tells the watchers before the program ends. Raises
    ``ValueError`` for a path outside that folder.
    """
    folder = output_dir()
    inside = (folder / path).resolve().relative_to(folder.resolve())
    if _channel is not None:
        _channel.send({"type": "artifact", "path": inside.as_posix(), "name": name or inside.name})
