"""A program runs as `python FILE` would run it."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from fake_worker import TIMEOUT_SECONDS, FakeWorker


class ProgramTest(unittest.TestCase):
    def test_it_is_main_with_its_own_folder_first_on_the_path(self):
        source = (
            "import sys, os, helper, __main__\n"
            "print(__name__, sys.argv == [__file__], sys.path[0] == os.path.dirname(__file__),"
            " __main__.__file__ == __file__, helper.word)"
        )
        ended = FakeWorker().run(source, siblings={"helper.py": "word = 'found'"})
        self.assertEqual(ended.stdout, "__main__ True True True found\n")

    def test_its_modules_named_like_the_standard_library_are_its_own_and_not_ours(self):
        source = "import json, antiphon\nantiphon.result(json.mine)"
        ended = FakeWorker().run(source, siblings={"json.py": "mine = 'yes'", "queue.py": "1 / 0"})
        self.assertEqual(ended.code, 0, ended.stderr)
        self.assertEqual(ended.of_type("result"), [{"type": "result", "value": "yes"}])

    def test_tracebacks_and_exit_codes_are_those_of_python_itself(self):
        sources = [
            "def f(): 1 / 0\nf()",
            "try: 1 / 0\nexcept Exception as e: raise ValueError('second') from e",
            "def broken(:\n  pass",
            "import sys; sys.exit(7)",
            "import sys; sys.exit('words')",
            "raise SystemExit",
            "import atexit; atexit.register(print, 'at the end'); 1 / 0",
            "import threading; threading.Thread(target=print, args=('thread',)).start()",
            "import sys; sys.excepthook = lambda *_: print('own hook'); 1 / 0",
            "# -*- coding: latin-1 -*-\nprint(ascii('é'))",
        ]
        for source in sources:
            with self.subTest(source), tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "main.py"
                file.write_text(source, encoding="utf-8")
                plain = subprocess.run(
                    [sys.executable, "-u", str(file)],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=TIMEOUT_SECONDS,
                )
                ended = FakeWorker().run(source)
                self.assertEqual((ended.code, ended.stdout), (plain.returncode, plain.stdout))
                self.assertEqual(_without_folder(ended.stderr), _without_folder(plain.stderr))

    def test_a_process_pool_finds_what_the_program_defines(self):
        source = (
            "import multiprocessing as mp\n"
            "def double(n): return 2 * n\n"
            "if __name__ == '__main__':\n"
            "    with mp.get_context('spawn').Pool(1) as pool: print(pool.map(double, [1, 2]))"
        )
        ended = FakeWorker().run(source)
        self.assertEqual(ended.stdout, "[2, 4]\n", ended.stderr)

    def test_our_frames_are_not_in_the_traceback_of_a_closed_question(self):
        ended = FakeWorker(lambda _: [{"type": "cancel"}]).run("input()")
        self.assertNotIn("antiphon/", ended.stderr)
        self.assertIn("KeyboardInterrupt", ended.stderr)

    def test_a_file_that_is_no_flow_is_refused_by_name(self):
        ended = FakeWorker().run("{}", kind="waldiez", name="broken.waldiez")
        self.assertNotEqual(ended.code, 0)
        self.assertIn("Waldiez", ended.stderr)


def _without_folder(text):
    return [line.split('main.py"')[-1] for line in text.splitlines()]


if __name__ == "__main__":
    unittest.main()
