"""Gives a Waldiez flow another first message.

Waldiez takes one for some kinds of flows and leaves it out for others, so it is put where each kind reads
its own: into the flow's first chat, and into the variable in which the generated module keeps it.
"""

from __future__ import annotations

import copy
from typing import Any

_VARIABLE = "__INITIAL_MSG__"


def with_first_message(data: dict[str, Any], chat_id: str, message: str) -> dict[str, Any]:
    """Return a copy of a flow's file in which the chat of this id begins with the message.

    A chat that looks its answer up in documents goes on doing so, for the message.
    """
    changed = copy.deepcopy(data)
    for chat in changed["data"]["chats"]:
        if chat.get("id") != chat_id:
            continue
        own = chat["data"].get("message")
        own = own if isinstance(own, dict) else {}
        context = own.get("context") or {}
        if own.get("type") == "rag_message_generator":
            chat["data"]["message"] = {**own, "context": {**context, "problem": message}}
        else:
            first = {"type": "string", "content": message, "useCarryover": False, "context": context}
            chat["data"]["message"] = first
    return changed


def set_first_message(module: Any, message: str) -> None:
    """Set what a generated module says first, where it keeps that as text.

    Groups without a person have it nowhere else; where it stands in a chat as well, Waldiez spoils
    characters beyond the first 65,536 on the way.
    """
    current = getattr(module, _VARIABLE, module)
    if current is None or isinstance(current, str):
        setattr(module, _VARIABLE, message)
