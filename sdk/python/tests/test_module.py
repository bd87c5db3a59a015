"""What `import antiphon` offers, with a worker and without."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from fake_worker import SHIM, TIMEOUT_SECONDS, FakeWorker, answers


class WithWorkerTest(unittest.TestCase):
    def test_context_tells_run_task_attempt_and_input(self):
        ended = FakeWorker().run("import antiphon; c = antiphon.context(); print(c)")
        self.assertEqual(ended.stdout, "Context(run_id='run', task_id='task', attempt=2, input={'x': [1]})\n")

    def test_what_it_says_arrives_in_order(self):
        source = (
            "import antiphon\n"
            "antiphon.progress(0.5, 'half')\n"
            "antiphon.message({'ü': [None, '\\u2028']})\n"
            "antiphon.result([1])"
        )
        ended = FakeWorker().run(source)
        self.assertEqual(
            ended.heard,
            [
                {"type": "progress", "fraction": 0.5, "label": "half"},
                {"type": "message", "message": {"ü": [None, "\u2028"]}},
                {"type": "result", "value": [1]},
            ],
            ended.stderr,
        )

    def test_ask_returns_the_answer(self):
        ended = FakeWorker(answers("yes")).run("import antiphon; print(antiphon.ask('sure? '))")
        self.assertEqual(ended.stdout, "yes\n")

    def test_an_artifact_is_named_relative_to_the_output_folder(self):
        source = (
            "import antiphon\n"
            "(antiphon.output_dir() / 'a.txt').write_text('a')\n"
            "antiphon.artifact(antiphon.output_dir() / 'a.txt', 'A')\n"
            "antiphon.artifact('../main.py')"
        )
        ended = FakeWorker().run(source)
        self.assertEqual(ended.heard, [{"type": "artifact", "path": "a.txt", "name": "A"}])
        self.assertIn("ValueError", ended.stderr)

    def test_what_is_no_json_or_too_long_is_refused_where_it_is_said(self):
        for value in ("float('nan')", "object()", "'x' * 70_000"):
            with self.subTest(value):
                ended = FakeWorker().run(
                    f"import antiphon\ntry: antiphon.message({value})\n"
                    "except (TypeError, ValueError): print('refused')"
                )
                self.assertEqual(ended.stdout, "refused\n", ended.stderr)

    def test_a_result_may_be_longer_than_a_message(self):
        ended = FakeWorker().run("import antiphon; antiphon.result('x' * 70_000)")
        self.assertEqual(len(ended.of_type("result")[0]["value"]), 70_000)


class WithoutWorkerTest(unittest.TestCase):
    def run_plain(self, source, stdin=""):
        with tempfile.TemporaryDirectory() as folder:
            environment = {key: value for key, value in os.environ.items() if not key.startswith("ANTIPHON")}
            return subprocess.run(
                [sys.executable, "-c", source],
                input=stdin,
                capture_output=True,
                text=True,
                check=True,
                cwd=folder,
                timeout=TIMEOUT_SECONDS,
                env={**environment, "PYTHONPATH": str(SHIM.parent.parent)},
            )

    def test_a_result_is_printed_as_json(self):
        ended = self.run_plain("import antiphon; antiphon.result({'a': None})")
        self.assertEqual(json.loads(ended.stdout), {"a": None})

    def test_progress_and_messages_go_to_standard_error(self):
        ended = self.run_plain("import antiphon; antiphon.progress(0.25, 'x'); antiphon.message([1])")
        self.assertEqual((ended.stdout, ended.stderr), ("", "[ 25%] x\n[1]\n"))

    def test_ask_asks_on_the_terminal(self):
        ended = self.run_plain("import antiphon; print(antiphon.ask('? '))", stdin="typed\n")
        self.assertEqual(ended.stdout, "? typed\n")

    def test_there_is_a_context_and_an_output_folder(self):
        ended = self.run_plain("import antiphon; print(antiphon.context().input, antiphon.output_dir())")
        self.assertTrue(ended.stdout.startswith("None "))
        self.assertEqual(Path(ended.stdout.split()[1]).name, "output")


if __name__ == "__main__":
    unittest.main()
