"""Runs a command on a terminal of its own: what it shows goes to standard output, what comes on standard input is typed.

The first line on standard error is the command's process id; the last says whether the terminal echoes afterwards. Ends
with the command's exit code, or 128 and the number of the signal that ended it.
"""

import fcntl
import os
import select
import struct
import sys
import termios

# The second end, held here too, keeps the terminal's settings to be looked at when the command has gone.
terminal, held = os.openpty()
pid = os.fork()
if pid == 0:
    os.close(terminal)
    os.login_tty(held)
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
print(pid, file=sys.stderr, flush=True)
sources = [terminal, 0]
status = None
while True:
    ready, _, _ = select.select(sources, [], [], 0.02)
    if 0 in ready:
        typed = os.read(0, 4096)
        if typed:
            os.write(terminal, typed)
        else:
            sources.remove(0)
    if terminal in ready:
        os.write(1, os.read(terminal, 4096))
    elif status is not None:
        break
    elif (ended := os.waitpid(pid, os.WNOHANG)) != (0, 0):
        status = ended[1]
print("echo" if termios.tcgetattr(held)[3] & termios.ECHO else "no echo", file=sys.stderr, flush=True)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
