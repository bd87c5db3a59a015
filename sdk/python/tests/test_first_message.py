"""What a flow says first."""

import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from antiphon._first_message import set_first_message, with_first_message


def _flow(message):
    chats = [
        {"id": "one", "data": {"message": message}},
        {"id": "two", "data": {"message": {"type": "none"}}},
    ]
    return {"data": {"chats": chats}}


def _first(message):
    changed = with_first_message(_flow(message), "one", "hello")
    return changed["data"]["chats"][0]["data"]["message"]


class FirstMessageTest(unittest.TestCase):
    def test_takes_the_place_of_every_other_kind_and_keeps_the_context(self):
        expected = {"type": "string", "content": "hello", "useCarryover": False, "context": {}}
        for own in ({"type": "none"}, {"type": "method", "content": "def f(): ..."}, "short", None):
            self.assertEqual(_first(own), expected)
        context = {"n": 1}
        own = {"type": "string", "content": "own", "context": context}
        self.assertEqual(_first(own), {**expected, "context": context})

    def test_is_looked_up_by_a_chat_that_looks_things_up(self):
        own = {"type": "rag_message_generator", "content": "x", "context": {"problem": "old", "n_results": 3}}
        expected = {**own, "context": {"problem": "hello", "n_results": 3}}
        self.assertEqual(_first(own), expected)

    def test_leaves_other_chats_and_the_given_flow_as_they_are(self):
        given = _flow({"type": "none"})
        changed = with_first_message(given, "one", "hello")
        self.assertEqual(given, _flow({"type": "none"}))
        self.assertEqual(changed["data"]["chats"][1], given["data"]["chats"][1])

    def test_is_set_in_a_module_only_where_that_keeps_a_text(self):
        for own, expected in (("own", "hi \U0001f600"), (None, "hi \U0001f600"), ([{}], [{}]), (len, len)):
            module = SimpleNamespace(__INITIAL_MSG__=own)
            set_first_message(module, "hi \U0001f600")
            self.assertEqual(module.__INITIAL_MSG__, expected)
        nothing = SimpleNamespace()
        set_first_message(nothing, "hi")
        self.assertEqual(vars(nothing), {})


if __name__ == "__main__":
    unittest.main()
