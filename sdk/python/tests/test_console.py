"""What a program asks on its console reaches the worker, and the answer the program."""

import unittest

from fake_worker import FakeWorker, answers, reply


class InputTest(unittest.TestCase):
    def test_input_asks_with_its_prompt_and_does_not_print_it(self):
        ended = FakeWorker(answers("Ada")).run("print('hello', input('name? '))")
        self.assertEqual(ended.stdout, "hello Ada\n")
        [question] = ended.of_type("input_request")
        self.assertEqual((question["prompt"], question["password"]), ("name? ", False))

    def test_getpass_asks_for_a_password(self):
        ended = FakeWorker(answers("secret")).run("import getpass; print(len(getpass.getpass('pin? ')))")
        self.assertEqual(ended.stdout, "6\n")
        [question] = ended.of_type("input_request")
        self.assertEqual((question["prompt"], question["password"]), ("pin? ", True))
        self.assertNotIn("secret", ended.stdout + ended.stderr)

    def test_what_was_printed_before_a_question_is_out_when_it_is_asked(self):
        source = "import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=False)\n"
        ended = FakeWorker(answers("a")).run(source + "print('before', end=''); input(); print('after')")
        self.assertEqual(ended.stdout, "beforeafter\n")

    def test_a_closed_question_is_the_end_of_the_input(self):
        ended = FakeWorker(answers(None)).run("try: input()\nexcept EOFError: print('eof')")
        self.assertEqual(ended.stdout, "eof\n")

    def test_reading_stdin_asks_a_line_at_a_time_until_a_question_is_closed(self):
        source = "import sys\nprint([sys.stdin.readline()] + [line for line in sys.stdin])"
        ended = FakeWorker(answers("a", "b", "ü", None)).run(source)
        self.assertEqual(ended.stdout, "['a\\n', 'b\\n', 'ü\\n']\n")
        self.assertEqual({question["prompt"] for question in ended.of_type("input_request")}, {""})

    def test_input_reads_a_stream_that_the_program_put_in_place_of_stdin(self):
        ended = FakeWorker().run("import io, sys\nsys.stdin = io.StringIO('mine\\n')\nprint(input())")
        self.assertEqual(ended.stdout, "mine\n")
        self.assertEqual(ended.of_type("input_request"), [])

    def test_a_child_process_reads_the_raw_standard_input(self):
        ended = FakeWorker().run("import subprocess; subprocess.run(['cat'])", stdin="raw")
        self.assertEqual(ended.stdout, "raw")

    def test_threads_that_ask_at_once_each_get_their_own_answer(self):
        open_questions = []

        def answer_in_reverse(question):
            open_questions.append(question)
            if len(open_questions) < 5:
                return []
            return [reply(each, each["prompt"].upper()) for each in reversed(open_questions)]

        source = (
            "from concurrent.futures import ThreadPoolExecutor\n"
            "with ThreadPoolExecutor(5) as pool: print(list(pool.map(input, 'abcde')))"
        )
        ended = FakeWorker(answer_in_reverse).run(source)
        self.assertEqual(ended.stdout, "['A', 'B', 'C', 'D', 'E']\n")

    def test_a_forked_child_asks_over_a_connection_of_its_own(self):
        source = (
            "import os\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    print(input('child? '), flush=True)\n"
            "    os._exit(0)\n"
            "os.waitpid(child, 0)\n"
            "print(input('parent? '))"
        )
        ended = FakeWorker(answers("from the child", "from the parent")).run(source)
        self.assertEqual(ended.stdout, "from the child\nfrom the parent\n")


class CancelTest(unittest.TestCase):
    def test_a_cancel_interrupts_the_main_thread_in_the_middle_of_a_question(self):
        ended = FakeWorker(lambda _: [{"type": "cancel"}]).run(
            "try: input()\nexcept KeyboardInterrupt: print('interrupted')"
        )
        self.assertEqual(ended.stdout, "interrupted\n")

    def test_a_cancel_ends_the_questions_of_other_threads(self):
        source = (
            "import signal, threading\n"
            "signal.signal(signal.SIGINT, lambda *_: None)\n"
            "def ask():\n"
            "    try: input('thread? ')\n"
            "    except EOFError: print('ended')\n"
            "asking = threading.Thread(target=ask)\n"
            "asking.start()\n"
            "asking.join()\n"
        )
        ended = FakeWorker(lambda _: [{"type": "cancel"}]).run(source)
        self.assertEqual(ended.stdout, "ended\n")

    def test_an_interrupt_that_nobody_catches_exits_with_130(self):
        ended = FakeWorker(lambda _: [{"type": "cancel"}]).run("input()")
        self.assertEqual(ended.code, 130)


if __name__ == "__main__":
    unittest.main()
