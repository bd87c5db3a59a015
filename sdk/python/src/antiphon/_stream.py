"""The input and output stream that ag2 uses while a flow runs.

What agents say and do are ag2 events; each goes to the watchers once, as a ``message``, and is not printed
as well. What is printed goes to standard output like any print. What is asked becomes a question.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import antiphon
from antiphon._channel import MAX_LINE_BYTES, encode

_FIRST_MESSAGE = "Enter your message to start the conversation: "

# Long texts of an event that does not fit a line are cut to this; the whole stays in waldiez_out.
_SHORT_TEXT_CHARACTERS = 1000


class FlowStream:
    """An ``autogen.io.IOStream`` for flows that run synchronously."""

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        """Print; a JSON object, by which Waldiez tells programs about the flow, is a message instead."""
        told = _json_object(objects)
        if told is not None:
            send_message(told if "type" in told else {"type": "flow_info", "content": told})
            return
        print(*objects, sep=sep, end=end, flush=flush)

    def send(self, event: Any) -> None:
        """Pass an ag2 event on."""
        if event.type == "print":
            content = event.content
            self.print(*content.objects, sep=content.sep, end=content.end)
            return
        send_message(_plain(event))

    def input(self, prompt: str = "", *, password: bool = False) -> str:
        """Ask; a question that ends without an answer is answered with nothing, as Waldiez does."""
        try:
            return antiphon.ask(_FIRST_MESSAGE if prompt.strip() == ">" else prompt, password=password)
        except EOFError:
            return ""


class AsyncFlowStream(FlowStream):
    """The same for flows that run in an event loop, which goes on while a question is open."""

    async def input(self, prompt: str = "", *, password: bool = False) -> str:  # type: ignore[override]
        """Ask without holding up the other agents."""
        return await asyncio.to_thread(FlowStream.input, self, prompt, password=password)


def send_message(value: dict[str, Any]) -> None:
    """Send a JSON value to the watchers, cut down if it is too long for a line."""
    # 100 bytes are more than enough for the envelope that surrounds it.
    if len(encode(value)) + 100 > MAX_LINE_BYTES:
        value = {**_shortened(value), "truncated": True}
    if len(encode(value)) + 100 > MAX_LINE_BYTES:
        value = {"type": value.get("type"), "truncated": True}
    antiphon.message(value)


def json_safe(value: Any) -> Any:
    """Return the value with everything that JSON cannot hold turned into text."""
    return json.loads(json.dumps(value, default=str, allow_nan=True), parse_constant=str)


def _plain(event: Any) -> dict[str, Any]:
    try:
        dumped = event.model_dump(mode="json", fallback=str)
    except Exception:  # A field of a tool's own type; its text is better than a flow that fails.
        dumped = {"type": event.type, "content": str(event.content)}
    return json_safe(dumped)


def _json_object(objects: tuple[Any, ...]) -> dict[str, Any] | None:
    if len(objects) != 1 or not isinstance(objects[0], str) or not objects[0].startswith("{"):
        return None
    try:
        value = json.loads(objects[0])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _SHORT_TEXT_CHARACTERS:
        return f"{value[:_SHORT_TEXT_CHARACTERS]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [_shortened(item) for item in value[:100]]
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return value
