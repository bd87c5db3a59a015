import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SandboxUnderTest } from "./sandboxed-run.ts";

/*
 * Programs that do their worst. A number in a title is a row of the list of
 * hostile programs that the sandbox was designed against. After each of them
 * nothing may be left, and the worker, which is this process, lives.
 */

let under: SandboxUnderTest;

beforeAll(async () => {
  under = await SandboxUnderTest.open({ firstUid: 40_000 });
});

afterEach(() => {
  under.checkEmpty();
});

afterAll(async () => {
  await under.close();
});

const exited = (code: number) => ({ kind: "exited", code });
const limit = (which: string) => ({ kind: "limit", which });
const briefly = { limits: { wallMs: 700 } };

/** Calls a system call by number and prints what came of it. */
const syscalls = `
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *arguments):
    ctypes.set_errno(0)
    answer = libc.syscall(number, *arguments)
    print(name, errno.errorcode.get(ctypes.get_errno(), 'OK') if answer == -1 else 'OK')
`;

describe("processes", () => {
  test("1: hello", async () => {
    expect(await under.python("print('hello')")).toMatchObject({ end: exited(0), stdout: "hello\n" });
  });

  test("2: a fork bomb ends with its wall time", async () => {
    const { end } = await under.shell(":(){ :|:& };: ; sleep 60", briefly);
    expect(end).toEqual(limit("wall_time"));
  });

  test("3: a fork bomb whose children leave the session ends with its wall time", async () => {
    const source = "import os\nwhile True:\n try:\n  if os.fork() == 0: os.setsid()\n except OSError: pass";
    expect(await under.python(source, briefly)).toMatchObject({ end: limit("wall_time") });
  });

  test("4: a thread bomb is refused threads", async () => {
    const { end, stdout } = await under.python(`
import threading, time, os
count = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except RuntimeError:
    print(count, flush=True)
    os._exit(0)`);
    expect(end).toEqual(exited(0));
    expect(Number(stdout)).toBeLessThan(64);
    expect(Number(stdout)).toBeGreaterThan(30);
  });

  test("17: a busy loop ends with its wall time", async () => {
    expect(await under.python("while True: pass", briefly)).toMatchObject({ end: limit("wall_time") });
  });

  test("19: a program that ignores every signal is killed", async () => {
    const source = `
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
print('ready')
while True: time.sleep(60)`;
    await using program = await under.start({
      command: () => ["/usr/bin/python3", "-u", "-c", source],
    });
    await new Promise((resolve) => program.stdout.once("data", resolve));
    expect(await program.stop({ graceMs: 50 })).toEqual({ kind: "signalled", signal: "SIGKILL" });
  });

  test("20: a daemon does not outlive the program", async () => {
    const source = `
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
os.wait()`;
    expect(await under.python(source)).toMatchObject({ end: exited(0) });
  });

  test("21: a background process that holds the output does not hold up the end", async () => {
    expect(await under.shell("sleep 60 & echo done")).toMatchObject({ end: exited(0), stdout: "done\n" });
  });

  test("22: a program that stops itself ends with its wall time", async () => {
    const source = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)";
    expect(await under.python(source, briefly)).toMatchObject({ end: limit("wall_time") });
  });

  test("23: killing everything kills nothing outside", async () => {
    expect(await under.shell("kill -9 -1; echo alive")).toMatchObject({ end: exited(0), stdout: "alive\n" });
  });

  test("24: the first process of the sandbox cannot be killed from inside", async () => {
    expect(await under.shell("kill -9 1; sleep 0.05; echo alive")).toMatchObject({
      end: exited(0),
      stdout: "alive\n",
    });
  });

  test("32 to 35: how a program died is told as it was, with what it had said", async () => {
    const died = (source: string) => under.python(`import os, signal\nos.write(1, b'partial')\n${source}`);
    expect(await died("os.kill(os.getpid(), signal.SIGSEGV)")).toMatchObject({
      end: { kind: "signalled", signal: "SIGSEGV" },
      stdout: "partial",
    });
    expect(await died("os.abort()")).toMatchObject({ end: { kind: "signalled", signal: "SIGABRT" } });
    expect(await died("import sys; sys.exit(300)")).toMatchObject({ end: exited(44) });
    expect(await died("os._exit(3)")).toMatchObject({ end: exited(3), stdout: "partial" });
  });

  test("36: closing the standard streams does not hide the exit", async () => {
    expect(await under.python("import os\nfor n in range(3): os.close(n)\nos._exit(7)")).toMatchObject({
      end: exited(7),
    });
  });

  test("46: a program that swallows interrupts ends with its wall time", async () => {
    const source = `
import atexit, time
atexit.register(time.sleep, 60)
while True:
    try: time.sleep(60)
    except BaseException: pass`;
    expect(await under.python(source, briefly)).toMatchObject({ end: limit("wall_time") });
  });

  test("wall time does not count while it is paused", async () => {
    await using program = await under.start({ command: () => ["/bin/sleep", "1"], limits: { wallMs: 500 } });
    program.clock.pause();
    expect(await program.exited).toEqual(exited(0));
  });

  test("a program that hears SIGTERM ends itself within its grace", async () => {
    const script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    await using program = await under.start({ command: () => ["/bin/bash", "-c", script] });
    const output = text(program.stdout);
    await new Promise((resolve) => program.stdout.once("data", resolve));
    expect(await program.stop({ graceMs: 10_000 })).toEqual(exited(5));
    expect(await output).toBe("ready\nbye\n");
  });

  test("a command that does not exist says so", async () => {
    await using program = await under.start({ command: () => ["/no/such/program"] });
    expect(await text(program.stderr)).toContain("/no/such/program");
    expect(await program.exited).toEqual(exited(127));
  });

  test("72: arguments that are too long fail the start, not the worker", async () => {
    const start = under.start({ command: () => ["/bin/true", "x".repeat(3_000_000)] });
    await expect(start.then((program) => program[Symbol.asyncDispose]())).rejects.toThrow(/E2BIG/);
  });
});

describe("memory and storage", () => {
  test("5: taking all memory ends the program by that limit", async () => {
    const { end } = await under.python("held = []\nwhile True: held.append(bytearray(1 << 20))");
    expect(end).toEqual(limit("memory"));
  });

  test("6: many processes share one bound on memory", async () => {
    const source = `
import os, time
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(b'x') * (40 << 20)
        time.sleep(0.7)
        os._exit(0)
codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(8)]
raise SystemExit(1 if -9 in codes else 0)`;
    expect(await under.python(source)).toMatchObject({ end: limit("memory") });
  });

  test("7: shared mappings are counted", async () => {
    const source =
      "import mmap\nheld = mmap.mmap(-1, 512 << 20)\nfor at in range(0, 512 << 20, 4096): held[at] = 1\nimport time; time.sleep(5)";
    expect(await under.python(source)).toMatchObject({ end: limit("memory") });
  });

  test("8 to 10: every place that a program can fill is bounded", async () => {
    const { end, stdout } = await under.python(`
import os, errno
def fill(folder):
    written = 0
    try:
        for number in range(1000):
            with open(f'{folder}/{number}', 'wb', buffering=0) as file:
                written += file.write(bytes(1 << 20))
    except OSError as error:
        reason = errno.errorcode[error.errno]
    for name in os.listdir(folder):
        if name.isdigit(): os.unlink(f'{folder}/{name}')
    return written >> 20, reason
for folder in ('/dev/shm', '/tmp', '/box'): print(folder, *fill(folder))`);
    expect(stdout.split("\n")).toEqual([
      "/dev/shm 4 ENOSPC",
      "/tmp 8 ENOSPC",
      expect.stringMatching(/^\/box 1[56] ENOSPC$/),
      "",
    ]);
    expect(end).toEqual(exited(0));
  });

  test("11: too many files end the program by that limit", async () => {
    const { end } = await under.python(
      "import time\nfor n in range(5000): open(f'/box/{n}', 'w').close()\ntime.sleep(30)",
    );
    expect(end).toEqual(limit("files"));
  });

  test("13: a file cannot be longer than its limit, even if it is empty", async () => {
    const source = "import os\nos.truncate(os.open('/box/output/x', os.O_CREAT | os.O_RDWR), 1 << 40)";
    const { end, stderr } = await under.python(source);
    expect(end).toEqual(exited(1));
    expect(stderr).toContain("File too large");
  });

  test("48: a home that the program closed is removed all the same", async () => {
    expect(await under.shell("mkdir -p a/b && chmod 000 a/b a . && echo x")).toMatchObject({
      end: exited(0),
    });
  });

  test("73: a folder of great depth is removed", async () => {
    const source = "import os\nfor _ in range(1500):\n os.mkdir('d')\n os.chdir('d')";
    expect(await under.python(source)).toMatchObject({ end: exited(0) });
  });
});

describe("output and input", () => {
  test.each([
    ["14: a flood of lines", "while True: print('x' * 80)", "stdout"],
    ["15: an endless line", "import sys\nwhile True: sys.stdout.write('x' * 4096)", "stdout"],
    ["16: a flood of errors", "import sys\nwhile True: sys.stderr.write('x' * 4096)", "stderr"],
  ] as const)("%s is ended by its reader and names that limit", async (_, source, stream) => {
    const ran = await under.python(source);
    expect(ran.end).toEqual(limit("output"));
    expect(ran[stream].length).toBeLessThan(2 * 1024 * 1024);
  });

  test("a reader that does not read stops the program, and loses nothing", async () => {
    const source = "import sys\nfor n in range(30000): print(f'{n:09}')\nopen('/box/output/done', 'w')";
    await using program = await under.start({
      command: () => ["/usr/bin/python3", "-c", source],
      limits: { wallMs: 10_000 },
    });
    await expect(
      Promise.race([program.exited, new Promise((resolve) => setTimeout(resolve, 300, "running"))]),
    ).resolves.toBe("running");
    const output = await text(program.stdout);
    expect(output).toHaveLength(300_000);
    expect(await program.exited).toEqual(exited(0));
  });

  test("37: bytes arrive as they were written", async () => {
    await using program = await under.start({
      command: () => ["/usr/bin/python3", "-c", "import os; os.write(1, bytes(range(256)))"],
    });
    const chunks: Buffer[] = [];
    for await (const chunk of program.stdout as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
  });

  test("43: input that is never read does not trouble the worker", async () => {
    await using program = await under.start({ command: () => ["/bin/sleep", "0.2"], stdin: "open" });
    program.stdin?.write(Buffer.alloc(8 * 1024 * 1024));
    expect(await program.exited).toEqual(exited(0));
  });

  test("44: input is read to its end", async () => {
    await using program = await under.start({ command: () => ["/usr/bin/wc", "-c"], stdin: "open" });
    program.stdin?.end(Buffer.alloc(300_000));
    expect(await text(program.stdout)).toBe("300000\n");
  });

  test("45: a closed input is at its end at once", async () => {
    expect(await under.python("input()")).toMatchObject({
      end: exited(1),
      stderr: expect.stringContaining("EOFError"),
    });
  });

  test("60: the standard streams can be opened by name", async () => {
    expect(await under.shell("echo out > /dev/stdout; echo err | tee /dev/stderr >/dev/null")).toMatchObject({
      end: exited(0),
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  test("68: what was written before a hard exit is kept", async () => {
    const { stdout } = await under.python("import os\nos.write(1, b'x' * 60000)\nos._exit(0)");
    expect(stdout).toHaveLength(60_000);
  });
});

describe("what a program can see", () => {
  test("25: no process, environment or command line but its own", async () => {
    const { stdout } = await under.python(
      `
import os
for pid in filter(str.isdigit, os.listdir('/proc')):
    print('process', pid, open(f'/proc/{pid}/environ').read() + open(f'/proc/{pid}/cmdline').read())`,
      { variables: { MINE: "42" } },
    );
    expect(stdout.match(/^process/gm)).toHaveLength(2);
    expect(stdout).toContain("MINE=42");
    for (const name of ["VITEST", "NODE_ENV", "npm_", under.directory]) expect(stdout).not.toContain(name);
  });

  test("26 and 71: no secret, device or other run", async () => {
    const paths = [
      "/etc/shadow",
      "/root",
      "/home",
      "/var",
      "/run/docker.sock",
      "/dev/vda",
      "/dev/kmsg",
      "/dev/kvm",
      "/dev/vsock",
      "/sys",
    ];
    const { stdout } = await under.shell(
      `for path in ${[...paths, under.directory].join(" ")}; do test -e $path && echo $path; done; ls -A /`,
    );
    const shown = stdout.trim().split("\n");
    expect(shown.filter((line) => line.startsWith("/"))).toEqual([]);
    expect(shown).toEqual(expect.arrayContaining(["box", "inputs", "proc", "usr"]));
  });

  test("27: no network, not even the host's own", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as { port: number };
    const { stdout } = await under.python(`
import socket, errno
for kind, address in ((socket.SOCK_STREAM, ('127.0.0.1', ${port})), (socket.SOCK_DGRAM, ('192.0.2.1', 53))):
    try: socket.socket(socket.AF_INET, kind).connect(address); print('connected')
    except OSError as error: print(errno.errorcode[error.errno])`);
    server.close();
    expect(stdout).toBe("ECONNREFUSED\nENETUNREACH\n");
  });

  test("28: no socket of a kind that leaves its namespace", async () => {
    const { stdout } = await under.python(`
import socket
for family in (40, 17, 38, 31, 44):
    try: socket.socket(family, socket.SOCK_DGRAM); print(family, 'open')
    except OSError: pass
print('end')`);
    expect(stdout).toBe("end\n");
  });

  test("51 and 52: no descriptor of the worker, and no variable besides its own", async () => {
    const { stdout } = await under.python(`
import os
def target(fd):
    try: return os.readlink(f'/proc/self/fd/{fd}')
    except OSError: return None
print([target(fd) for fd in os.listdir('/proc/self/fd') if int(fd) > 2 and target(fd) not in (None, '/dev/null')])
print(sorted(name for name in os.environ if not name.startswith('ANTIPHON_')))`);
    expect(stdout).toBe("[]\n['HOME', 'LANG', 'PATH', 'PWD']\n");
  });
});

describe("what a program can do", () => {
  test("29: no call that reaches the kernel's rarer corners", async () => {
    const calls: Record<string, number> =
      process.arch === "arm64"
        ? {
            unshare: 97,
            mount: 40,
            ptrace: 117,
            chroot: 51,
            personality: 92,
            bpf: 280,
            keyctl: 219,
            io_uring_setup: 425,
            userfaultfd: 282,
            perf_event_open: 241,
            setns: 268,
          }
        : {
            unshare: 272,
            mount: 165,
            ptrace: 101,
            chroot: 161,
            personality: 135,
            bpf: 321,
            keyctl: 250,
            io_uring_setup: 425,
            userfaultfd: 323,
            perf_event_open: 298,
            setns: 308,
          };
    const source = Object.entries(calls).map(([name, number]) => `call('${name}', ${number}, 0, 0, 0, 0, 0)`);
    const { stdout } = await under.python(`${syscalls}\n${source.join("\n")}\ncall('clone3', 435, 0, 0)`);
    const names = Object.keys(calls);
    expect(stdout.trim().split("\n")).toEqual([...names.map((name) => `${name} EPERM`), "clone3 ENOSYS"]);
  });

  test("30: no write outside its own places", async () => {
    const paths = [
      "/usr/x",
      "/etc/x",
      "/x",
      "/dev/x",
      "/inputs/x",
      "/run/antiphon/x",
      "/proc/sys/kernel/core_pattern",
      "/inputs/main.py",
    ];
    const { stdout } = await under.python(`
import os
for path in ${JSON.stringify(paths)}:
    try: os.open(path, os.O_WRONLY | os.O_CREAT); print('wrote', path)
    except OSError: pass
print('end')`);
    expect(stdout).toBe("end\n");
  });

  test("31: no rights by a setuid program", async () => {
    const { end, stdout } = await under.shell(
      "su -c id < /dev/null; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status",
    );
    expect(end).toEqual(exited(0));
    expect(stdout).toMatch(/^CapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\n$/);
  });

  test("54: the filter holds for the sandbox's first process, too", async () => {
    expect(await under.shell("grep Seccomp: /proc/1/status")).toMatchObject({ stdout: "Seccomp:\t2\n" });
  });

  test("55 and 56: no typing into a terminal, no clock, no priority", async () => {
    const { stdout } = await under.python(`${syscalls}
import fcntl, time
try: fcntl.ioctl(0, 0x5412, b'x')
except OSError as error: print(errno.errorcode[error.errno])
for act in (lambda: time.clock_settime(time.CLOCK_REALTIME, 0), lambda: os.nice(-5), lambda: open('/dev/tty')):
    try: act(); print('done')
    except OSError as error: print(errno.errorcode[error.errno])`);
    expect(stdout).toBe("EPERM\nEPERM\nEPERM\nENXIO\n");
  });

  test("LD_PRELOAD is the program's own affair", async () => {
    const { stdout } = await under.shell("echo $LD_PRELOAD", { variables: { LD_PRELOAD: "/box/none.so" } });
    expect(stdout).toBe("/box/none.so\n");
  });
});

describe("what a program leaves", () => {
  test("47: only plain files are taken from among traps", async () => {
    const { artifacts, refused } = await under.python(`
import os, socket
os.chdir('output')
open('good', 'w').write('good')
os.symlink('/etc/passwd', 'link'); os.symlink('..', 'up'); os.mkfifo('fifo')
socket.socket(socket.AF_UNIX).bind('socket')
open('one', 'w'); os.link('one', 'two')
for name in (b'new\\nline', b'\\xff', b'-rf', 'a\\u202eb'.encode()): os.close(os.open(name, os.O_CREAT))
try: os.mknod('device', 0o20666, os.makedev(1, 3)); print('made')
except OSError: pass
os.makedirs('/'.join('d' * 30))`);
    expect(artifacts.map(({ path }) => path).sort()).toEqual(["_rf", "a_b", "good", "new_line", "\ufffd"]);
    const good = artifacts.find(({ path }) => path === "good");
    expect(good?.sizeBytes).toBe(4);
    expect(refused.map(({ path, why }) => `${path.slice(0, 6)} ${why}`).sort()).toEqual([
      "d/d/d/ too deep",
      "fifo not a plain file",
      "link linked",
      "one linked",
      "socket not a plain file",
      "two linked",
      "up linked",
    ]);
  });

  test("49: an output folder that became a link is not followed", async () => {
    const { artifacts, refused } = await under.shell("rmdir output && ln -s /etc output");
    expect(artifacts).toEqual([]);
    expect(refused).toEqual([{ path: "output", why: "not a plain file" }]);
  });

  test("the shortest program's files are found and read", async () => {
    await using program = await under.start({
      command: () => ["/bin/sh", "-c", "echo kept > output/x; echo '{}' > $ANTIPHON_RESULT_FILE"],
    });
    await program.exited;
    const { artifacts } = await program.collect();
    expect(await text((await artifacts[0]?.open()) ?? program.stdout)).toBe("kept\n");
    expect(Buffer.from((await program.resultFile(100)) ?? []).toString()).toBe("{}\n");
    expect(await program.resultFile(2)).toBeUndefined();
  });

  test("78: a link to the world outside leads nowhere in the next run", async () => {
    await under.shell("ln -s /oldroot/tmp /box/inputs; ln -s / /box/output/root; ln -s /oldroot /tmp/x");
    const { stdout } = await under.shell("ls -A /box /tmp");
    expect(stdout).toBe("/box:\noutput\n\n/tmp:\n");
  });
});

describe("the channel", () => {
  const connect = `
import json, os, socket
def connected():
    one = socket.socket(socket.AF_UNIX)
    one.connect(os.environ['ANTIPHON_SOCKET'])
    return one
line = lambda value: json.dumps(value).encode() + b'\\n'
`;

  test("38: a question is answered", async () => {
    await using program = await under.start({
      command: ({ inputs }) => ["/usr/bin/python3", `${inputs}/main.py`],
      inputs: new Map([
        [
          "main.py",
          Buffer.from(`${connect}
one = connected()
replies = one.makefile()
print(json.loads(replies.readline())['type'])
one.sendall(line({'type': 'input_request', 'prompt_id': 'p', 'prompt': 'name? '}))
print(json.loads(replies.readline())['value'])`),
        ],
      ]),
    });
    const output = text(program.stdout);
    for await (const message of program.channel) {
      expect(message).toEqual({ type: "input_request", promptId: "p", prompt: "name? ", password: false });
      program.channel.send({ type: "input", promptId: "p", value: "Ada" });
    }
    expect(await output).toBe("start\nAda\n");
  });

  test("39: garbage is dropped, the rest is heard", async () => {
    const { messages, droppedLines, end } = await under.python(`${connect}
one = connected()
for text in (b'x', b'{"type":"admin"}', b'{"type":"message","message":{"__proto__":1}}', b'[' * 60000, b'\\xff\\x00'):
    one.sendall(text + b'\\n')
one.sendall(line({'type': 'result', 'value': 1}))
one.recv(1)`);
    expect(messages).toEqual([{ type: "result", value: 1 }]);
    expect(droppedLines).toBe(5);
    expect(end).toEqual(exited(0));
  });

  test("40: an endless line takes no memory", async () => {
    const { end, droppedLines } = await under.python(`${connect}
one = connected()
for _ in range(64): one.sendall(b'x' * (1 << 20))
one.sendall(b'\\n')
one.recv(1)`);
    expect(end).toEqual(exited(0));
    expect(droppedLines).toBe(1);
  });

  test("41: a flood of messages waits for its reader", async () => {
    const source = `${connect}
one = connected()
while True: one.sendall(line({'type': 'message', 'message': 'x' * 1000}))`;
    await using program = await under.start({
      command: () => ["/usr/bin/python3", "-c", source],
      limits: { wallMs: 1000 },
    });
    expect(await program.exited).toEqual(limit("wall_time"));
    let waiting = 0;
    for await (const _ of program.channel) waiting += 1;
    expect(waiting).toBeLessThan(4000);
  });

  test("42: closing the channel does not end the program", async () => {
    expect(await under.python(`${connect}\nconnected().close()\nprint('on')`)).toMatchObject({
      stdout: "on\n",
    });
  });

  test("what a program says right before its end is heard", async () => {
    for (let round = 0; round < 10; round += 1) {
      const source = `${connect}\nconnected().sendall(line({'type': 'result', 'value': ${round}}))\nos._exit(0)`;
      expect((await under.python(source)).messages).toEqual([{ type: "result", value: round }]);
    }
  });
});
