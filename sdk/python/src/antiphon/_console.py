"""Turns what a program asks on its console into questions to the watchers of its run.

``input()`` and ``getpass.getpass()`` ask with their prompt, which is not printed as well. Reading
``sys.stdin`` (``readline``, iteration, ``read``) asks too, a line at a time and with an empty prompt, for
that is how such a program looks to the person before it. The raw standard input stays what it is: file
descriptor 0, ``sys.__stdin__`` and what child processes inherit.
"""

from __future__ import annotations

import builtins
import getpass
import io
import sys
from typing import Any

import antiphon


class _AskedInput(io.RawIOBase):
    """The bytes of the answers, a line for each question, as a raw stream."""

    def __init__(self) -> None:
        super().__init__()
        self._left = b""

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            try:
                self._left = antiphon.ask("").encode("utf-8", "surrogateescape") + b"\n"
            except EOFError:
                return 0
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def install() -> None:
    """Replace ``input``, ``getpass.getpass`` and ``sys.stdin`` for the whole process."""
    plain_input = builtins.input
    stdin = io.TextIOWrapper(
        io.BufferedReader(_AskedInput()), encoding="utf-8", errors="surrogateescape", line_buffering=True
    )

    def asking_input(prompt: object = "", /) -> str:
        # A program that put its own stream in place of stdin wants to read that one.
        if sys.stdin is not stdin:
            return plain_input(prompt)
        sys.audit("builtins.input", prompt)
        return antiphon.ask(str(prompt))

    def asking_getpass(prompt: str = "Password: ", stream: Any = None, **_: Any) -> str:
        return antiphon.ask(prompt, password=True)

    asking_input.__name__ = asking_input.__qualname__ = "input"
    asking_getpass.__name__ = asking_getpass.__qualname__ = "getpass"
    builtins.input = asking_input
    getpass.getpass = asking_getpass
    sys.stdin = stdin
