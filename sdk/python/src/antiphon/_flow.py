"""Runs a Waldiez flow with Waldiez itself, in an environment that holds the version of it that we pin.

Waldiez prints the exception of a failed flow and goes on, so neither its exit code nor its return value
tells how the flow ended. Therefore the generated module's ``main`` is wrapped where Waldiez loads it, and
what it raises is kept.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import antiphon
from antiphon._first_message import set_first_message, with_first_message
from antiphon._stream import AsyncFlowStream, FlowStream, json_safe

_SUMMARY_FIELDS = ("index", "summary", "last_speaker", "cost", "context_variables")


def run_flow(file: str, message: str | None = None) -> None:
    """Run the flow and hand over a list with a summary of each of its chats.

    A message takes the place of the first one of the flow's own.

    Ends the process with 2 for a file that is no valid flow, with 1 for a flow that fails, with 130 for one
    that is interrupted. Waldiez leaves the whole conversation in ``waldiez_out`` below the current folder.
    """
    # Waldiez names its folder of checkpoints after the user; a sandbox's uid need not have a name.
    os.environ.setdefault("LOGNAME", "antiphon")
    try:
        from waldiez import Waldiez  # noqa: PLC0415
        from waldiez.logger import get_logger  # noqa: PLC0415
    except ImportError as error:
        sys.exit(f"this environment has no Waldiez: {error}")
    # Every module that asks for Waldiez's one logger sets it back to "info", so its level cannot be set.
    get_logger().info = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        flow = Waldiez.load(Path(file))
        chats = flow.flow.ordered_flow
        if message and chats:
            data = json.loads(Path(file).read_text("utf-8"))
            flow = Waldiez.from_dict(with_first_message(data, chats[0]["chat"].id, message))
    except Exception as error:  # Waldiez raises many kinds, all of which mean the same here.
        print(f"not a valid Waldiez flow: {_brief(error)}", file=sys.stderr)
        sys.exit(2)
    results, failures = _run(flow, file, message)
    if failures or not results:
        _end_failed(failures)
    antiphon.result(_summary(results))


def _run(flow: Any, file: str, message: str | None) -> tuple[list[dict[str, Any]], list[BaseException]]:
    from autogen.io import IOStream  # noqa: PLC0415
    from waldiez.running import WaldiezStandardRunner  # noqa: PLC0415

    failures: list[BaseException] = []

    class Runner(WaldiezStandardRunner):
        def _load_module(self, output_file: Path, temp_dir: Path) -> Any:
            try:
                module = super()._load_module(output_file, temp_dir)
            except BaseException as error:
                failures.append(error)
                raise
            if message:
                set_first_message(module, message)
            module.main = _recording(module.main, failures)
            return module

    # The chat of a synchronous flow runs in a thread of ag2's own, which sees only the global default.
    IOStream.set_global_default(AsyncFlowStream() if flow.is_async else FlowStream())
    output_file = Path.cwd() / f"{Path(file).stem}.py"
    options = {"output_path": output_file, "skip_deps": True, "skip_symlinks": True}
    try:
        runner = Runner(flow, waldiez_file=Path(file), **options)
        results = asyncio.run(runner.a_run(**options)) if flow.is_async else runner.run(**options)
        _remove_copies(output_file.parent / "waldiez_out")
    except BaseException as error:
        failures.append(error)
        return [], failures
    return results, failures


def _end_failed(failures: list[BaseException]) -> NoReturn:
    """Say why and end the process at once.

    Without waiting for other threads, that is: an agent's thread may wait for ever for an answer.
    """
    reason = _root(failures[0]) if failures else RuntimeError("it ended without a result")
    interrupted = isinstance(reason, KeyboardInterrupt)
    text = "interrupted" if interrupted else f"{type(reason).__name__}: {reason}"
    print(f"the flow failed: {text}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(130 if interrupted else 1)


def _root(error: BaseException) -> BaseException:
    """Return the exception that all the others were raised from."""
    seen = {id(error)}
    cause = error.__cause__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        error, cause = cause, cause.__cause__
    return error


def _remove_copies(output: Path) -> None:
    """Remove each ``latest``, which without symbolic links is a second copy of the run beside it."""
    for latest in output.glob("*/latest"):
        shutil.rmtree(latest, ignore_errors=True)


def _recording(main: Any, failures: list[BaseException]) -> Any:
    """Wrap a flow's ``main``, asynchronous or not, so that what it raises is kept in the list."""
    if inspect.iscoroutinefunction(main):

        async def recording_async_main(*arguments: Any, **options: Any) -> Any:
            try:
                return await main(*arguments, **options)
            except BaseException as error:
                failures.append(error)
                raise

        return recording_async_main

    def recording_main(*arguments: Any, **options: Any) -> Any:
        try:
            return main(*arguments, **options)
        except BaseException as error:
            failures.append(error)
            raise

    return recording_main


def _summary(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json_safe({field: result.get(field) for field in _SUMMARY_FIELDS}) for result in results]


def _brief(error: Exception) -> str:
    """The first lines of an error: a validation error has several that matter, and may have hundreds."""
    lines = str(error).strip().splitlines()
    return "\n  ".join(lines[:6]) if lines else type(error).__name__
