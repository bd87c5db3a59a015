"""Runs a Python file as ``python FILE`` would: as ``__main__``, with its own folder first on the path."""

from __future__ import annotations

import sys
import types
from collections.abc import Collection
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NoReturn

_OWN_FOLDER = str(Path(__file__).parent)


def run_program(file: str, arguments: list[str], preloaded: Collection[str]) -> None:
    """Run the file with these arguments to its end.

    Modules besides the preloaded ones make way for those of the program's that have the same name.
    What it raises is reported by its own ``sys.excepthook``, without a frame of ours, and ends the process
    with 1, or 130 after an interrupt. ``SystemExit`` is passed on as it is.
    """
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __file__=file,
        __builtins__=__builtins__,
        __cached__=None,
        __loader__=SourceFileLoader("__main__", file),
    )
    sys.modules["__main__"] = main
    sys.argv = [file, *arguments]
    folder = Path(file).absolute().parent
    _make_way(folder, preloaded)
    sys.path.insert(0, str(folder))
    try:
        code = compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        _end_with(error)


def _make_way(folder: Path, preloaded: Collection[str]) -> None:
    """Forget what we imported under a name that the program's folder has too; we keep our own references."""
    local = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()} - {"antiphon"}
    for name in [name for name in sys.modules if name not in preloaded]:
        if name.partition(".")[0] in local:
            del sys.modules[name]


def _end_with(error: BaseException) -> NoReturn:
    """Report an exception the way Python reports one that nobody caught, and end the process."""
    _strip(error, set())
    sys.excepthook(type(error), error, error.__traceback__)
    sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


def _strip(error: BaseException | None, seen: set[int]) -> None:
    """Take our frames out of the tracebacks of an exception and of all that led to it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_own_frames(error.__traceback__)
    _strip(error.__cause__, seen)
    _strip(error.__context__, seen)


def _without_own_frames(traceback: types.TracebackType | None) -> types.TracebackType | None:
    entries = []
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
            entries.append(traceback)
        traceback = traceback.tb_next
    stripped = None
    for entry in reversed(entries):
        stripped = types.TracebackType(stripped, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return stripped
