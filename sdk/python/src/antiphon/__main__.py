"""Entry point of every Python program that Antiphon runs.

Started as ``python -I -u <here>/__main__.py KIND FILE [ARGUMENT ...]`` where KIND is ``program`` (a Python
file, which gets the arguments) or ``waldiez`` (a Waldiez flow). ``-I`` keeps the program's folder off the
path until all that we need is imported, so that a ``json.py`` of the user's replaces none of ours.
"""

import sys

# What Python itself had loaded; all that comes after was loaded for us.
_PRELOADED = frozenset(sys.modules)

import signal  # noqa: E402
from pathlib import Path  # noqa: E402

# At the end: whatever the program or its environment brings under the same name comes first.
sys.path.append(str(Path(__file__).resolve().parent.parent))

import antiphon  # noqa: E402
from antiphon import _console, _program  # noqa: E402


def main() -> None:
    """Run what the arguments name."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("program", "waldiez"):
        sys.exit("usage: __main__.py program|waldiez FILE [ARGUMENT ...]")
    kind, file, *arguments = sys.argv[1:]
    # A process started in the background of a shell inherits "ignore", and then could not be cancelled.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if antiphon._channel is not None:
        _console.install()
        antiphon._channel.open()
    if kind == "program":
        _program.run_program(file, arguments, _PRELOADED)
        return
    from antiphon import _flow  # noqa: PLC0415 (needs packages that only a flow's environment has)

    message = antiphon._channel.start().get("message") if antiphon._channel is not None else None
    _flow.run_flow(file, message)


if __name__ == "__main__":
    main()
