"""Commands and what becomes of their output."""

import os
import pwd
import time
import unittest

from protocol_client import DATA, ME, MUCH, RING, channel_frame, hello
from agent_case import AgentTest


class Sessions(AgentTest):
    def test_output_and_exit(self):
        out, err, exit = self.host.run("sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((out, err, exit), (b"out\n", b"err\n", {"code": 7}))
        self.assertEqual(self.host.run("sh", "-c", "kill -11 $$")[2], {"signal": 11})

    def test_no_such_command(self):
        answer = self.host.ask("exec.start", argv=["/no/such"], user=ME, cwd="/")
        self.assertEqual(answer["error"]["data"], {"reason": "not_executable", "errno": 2})
        answer = self.host.ask("exec.start", argv=["true"], user=ME, cwd="/no/such")
        self.assertEqual(answer["error"]["data"], {"reason": "not_executable", "errno": 2})
        answer = self.host.ask("exec.start", argv=["/etc/passwd"], user=ME, cwd="/")
        self.assertEqual(answer["error"]["data"], {"reason": "not_executable", "errno": 13})
        self.assertEqual(self.host.call("exec.list"), {"sessions": []})

    def test_environment(self):
        out = self.host.run("env", env={"A": "é=1", "LANG": "de"})[0].decode()
        environment = dict(line.split("=", 1) for line in out.splitlines())
        me = pwd.getpwuid(os.getuid())
        self.assertEqual((environment["A"], environment["LANG"], environment["HOME"]), ("é=1", "de", me.pw_dir))
        self.assertEqual((environment["USER"], environment["SHELL"]), (me.pw_name, me.pw_shell))
        self.assertNotIn("TERM", environment)
        self.assertEqual(self.host.run("pwd", cwd="/usr")[0], b"/usr\n")

    def program(self, name, text, mode=0o755):
        path = self.file(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def test_program_is_looked_for_in_path(self):
        self.program("one/kelpie-try", "#!/bin/sh\necho one $0", mode=0o644)
        two = self.program("two/kelpie-try", "#!/bin/sh\necho two $0 $1")
        path = f"{self.file('none')}:{self.file('one')}:{self.file('two')}"
        out = self.host.run("kelpie-try", "x", env={"PATH": "/never", "A": "1"} | {"PATH": path})[0].decode()
        self.assertEqual(out, f"two {two} x\n")
        # The only one that there is may not be executed.
        answer = self.host.ask("exec.start", argv=["kelpie-try"], user=ME, cwd="/", env={"PATH": path[: path.rindex(":")]})
        self.assertEqual(answer["error"]["data"], {"reason": "not_executable", "errno": 13})
        # An empty folder is the one where the command begins, and a name with a slash is not looked for.
        for env, name in (({"PATH": ""}, "kelpie-try"), ({"PATH": "/never"}, "./kelpie-try")):
            out = self.host.run(name, "y", cwd=self.file("two"), env=env)[0].decode()
            self.assertEqual(out.split(" ")[::2], ["two", "y\n"])
        answer = self.host.ask("exec.start", argv=["n" * 300], user=ME, cwd="/")
        self.assertEqual(answer["error"]["data"], {"reason": "not_executable", "errno": 36})
        answer = self.host.ask("exec.start", argv=["true"], user=ME, cwd="/", env={"PATH": "/" * 5000})
        self.assertEqual(answer["error"]["data"], {"reason": "not_executable", "errno": 2})

    def test_script_that_does_not_say_of_what(self):
        script = self.program("script", "echo script $0 $1")
        self.assertEqual(self.host.run(script, "x")[0].decode(), f"script {script} x\n")
        out = self.host.run("script", "y", env={"PATH": f"/never:{self.folder}:/usr/bin"})[0].decode()
        self.assertEqual(out, f"script {script} y\n")

    def test_largest_request(self):
        env = {f"V{i}": "x" * 40 for i in range(256)}
        out = self.host.run("sh", "-c", 'env | grep -c ^V; echo "$#"', *["y" * 30] * 253, env=env)[0]
        self.assertEqual(out, b"256\n252\n")

    def test_children_inherit_nothing(self):
        self.host.start("cat", stdin=True)
        out = self.host.run("ls", "/proc/self/fd")[0]
        self.assertEqual(out, b"0\n1\n2\n3\n")  # 3: the folder that ls reads
        out = self.host.run("cat", "/proc/self/status")[0].decode()
        status = dict(line.split(":\t", 1) for line in out.splitlines())
        self.assertEqual((int(status["SigBlk"], 16), int(status["SigIgn"], 16)), (0, 0))
        self.assertEqual(self.host.run("sh", "-c", "umask")[0], b"0022\n")

    @unittest.skipUnless(os.getuid() == 0, "needs root")
    def test_other_user(self):
        self.assertEqual(self.host.run("id", "-u", user="12345")[0], b"12345\n")
        self.assertEqual(self.host.run("id", user="daemon")[0].split(b" ")[:2], [b"uid=1(daemon)", b"gid=1(daemon)"])

    def test_stdin(self):
        session = self.host.start("cat", stdin=True)
        data = os.urandom(500_000)
        self.host.end(session, self.host.type(session, data))
        self.assertEqual(self.host.finish(session), (data, b"", {"code": 0}))

    def test_no_stdin(self):
        self.assertEqual(self.host.run("cat"), (b"", b"", {"code": 0}))

    def test_stdin_of_a_command_that_does_not_read(self):
        session = self.host.start("sh", "-c", "exec <&-; echo closed; sleep 100", stdin=True)
        self.host.until(lambda: self.host.output.get((session, 1)) == b"closed\n")
        self.host.type(session, bytes(300_000))  # needs credit again and again
        self.host.call("exec.signal", session=session, signal=15)
        self.assertEqual(self.host.finish(session)[2], {"signal": 15})

    def test_stdin_beyond_its_credit_breaks_the_session(self):
        session = self.host.start("sleep", "100", stdin=True)
        self.host.until(lambda: session in self.host.credit)
        offset = 0
        while offset < 300_000:
            self.host.write(channel_frame(DATA, session, 0, offset, bytes(30_000)))
            offset += 30_000
        self.host.open()
        self.assertFalse(self.host.call("exec.list")["sessions"][0]["attached"])

    def test_tty(self):
        session = self.host.start("sh", "-c", "tty >/dev/null && echo $TERM; stty size; read x; stty size; cat",
                                  tty={"rows": 24, "columns": 80}, stdin=True)
        self.host.until(lambda: (session, 2) in self.host.ended and self.host.output.get((session, 1), b"").count(b"\n") == 2)
        self.assertEqual(self.host.ended[session, 2], 0)
        self.host.call("exec.resize", session=session, rows=50, columns=132)
        offset = self.host.type(session, b"go\n")
        self.host.until(lambda: b"50 132" in self.host.output[session, 1])
        offset = self.host.type(session, b"abc", offset)
        self.host.end(session, offset)
        out, err, exit = self.host.finish(session)
        self.assertEqual((err, exit), (b"", {"code": 0}))
        self.assertEqual([line for line in out.split(b"\r\n") if line not in (b"go", b"")],
                         [b"xterm-256color", b"24 80", b"50 132", b"abcabc"])

    def test_tty_interrupt_and_hangup(self):
        session = self.host.start("cat", tty={"rows": 1, "columns": 1}, stdin=True)
        self.host.type(session, b"\x03")
        self.assertEqual(self.host.finish(session)[2], {"signal": 2})
        self.assertEqual(self.host.refused("exec.resize", session=session, rows=1, columns=1), "conflict")

    def test_signal_goes_to_the_group(self):
        session = self.host.start("sh", "-c", "sleep 100 & echo $!; wait")
        self.host.until(lambda: self.host.output.get((session, 1), b"").endswith(b"\n"))
        child = int(self.host.output[session, 1])
        self.host.call("exec.signal", session=session, signal=15)
        self.assertEqual(self.host.finish(session)[2], {"signal": 15})
        # Whoever inherits it reaps it, a moment later.
        self.wait_for(lambda: not os.path.exists(f"/proc/{child}"))
        self.assertEqual(self.host.refused("exec.signal", session=session, signal=15), "conflict")

    def test_timeout(self):
        self.assertEqual(self.host.run("sleep", "100", timeoutMs=100)[2], {"signal": 15, "timedOut": True})
        out, _, exit = self.host.run("sh", "-c", "trap 'echo term; exit 3' TERM; sleep 100 & wait", timeoutMs=100)
        self.assertEqual((out, exit), (b"term\n", {"code": 3, "timedOut": True}))

    def test_timeout_of_a_command_that_ignores_sigterm(self):
        begun = time.monotonic()
        self.assertEqual(self.host.run("sh", "-c", "trap '' TERM; while :; do sleep 1; done", timeoutMs=100)[2],
                         {"signal": 9, "timedOut": True})
        self.assertGreater(time.monotonic() - begun, 2)

    def test_background_child_holds_the_pipe(self):
        begun = time.monotonic()
        session = self.host.start("sh", "-c", "(sleep 1; echo late) & echo early")
        self.assertEqual(self.host.finish(session)[0], b"early\n")
        took = time.monotonic() - begun
        self.assertGreater(took, 0.2)
        self.assertLess(took, 0.9)
        self.wait_for(lambda: self.host.call("exec.list")["sessions"][0]["stdoutBytes"] == len("early\nlate\n"))
        self.host.attach(session)
        self.assertEqual(self.host.finish(session)[0], b"early\nlate\n")

    def test_detach_and_attach_with_offsets(self):
        session = self.host.start("sh", "-c", "echo 0123456789; read x; echo done", stdin=True)
        self.host.until(lambda: self.host.output.get((session, 1)) == b"0123456789\n")
        self.assertEqual(self.host.refused("exec.attach", session=session, stdoutLimit=0, stderrLimit=0), "conflict")
        self.host.call("exec.detach", session=session)
        self.host.call("exec.detach", session=session)
        answer = self.host.attach(session, stdoutOffset=4)
        self.assertEqual(answer, {"stdoutOffset": 4, "stderrOffset": 0, "stdinOffset": 0, "stdinLimit": 65536,
                                  "running": True, "exit": None})
        self.host.type(session, b"x\n")
        self.assertEqual(self.host.finish(session)[0], b"456789\ndone\n")
        answer = self.host.attach(session, stdoutOffset=999)
        self.assertEqual((answer["stdoutOffset"], answer["running"], answer["exit"]), (16, False, {"code": 0}))
        self.host.finish(session)
        self.host.attach(session)
        self.assertEqual(self.host.finish(session)[0], b"0123456789\ndone\n")

    def test_stdin_survives_the_connection(self):
        session = self.host.start("cat", stdin=True)
        self.host.type(session, b"one ")
        self.host.call("system.health")  # it has been taken
        second = self.connect().open()
        answer = second.attach(session, stdoutOffset=0)
        self.assertEqual(answer["stdinOffset"], 4)
        second.end(session, second.type(session, b"two", 4))
        self.assertEqual(second.finish(session)[0], b"one two")

    def test_ring_overflow_when_not_attached(self):
        session = self.host.start("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' a; echo end", limits=None)
        self.wait_for(lambda: not self.is_running(session))
        answer = self.host.attach(session, stdoutOffset=10)
        self.assertEqual(answer["stdoutOffset"], 3000004 - RING)
        out = self.host.finish(session)[0]
        self.assertEqual(out, b"a" * (RING - 4) + b"end\n")

    def test_a_slow_reader_loses_nothing_and_slows_the_command(self):
        expected = b"".join(b"%d\n" % i for i in range(1, 400_001))
        window = 50_000
        session = self.host.start("seq", "1", "400000", limits=(window, 0))
        self.host.settle(0.3)
        self.assertEqual(len(self.host.output[session, 1]), window)
        listed = self.host.call("exec.list")["sessions"][0]
        self.assertTrue(listed["running"])
        self.assertLess(listed["stdoutBytes"], RING)
        while session not in self.host.exits:
            self.host.send_credit(session, 1, len(self.host.output[session, 1]) + window)
            self.host.step()
        self.assertEqual(self.host.finish(session)[0], expected)

    def test_a_broken_connection_loses_nothing(self):
        expected = b"".join(b"%d\n" % i for i in range(1, 400_001))
        host, received, window = self.host, b"", 200_000
        session = host.start("seq", "1", "400000", limits=(window, window))
        for turn in range(30):
            while session not in host.exits and len(host.output.get((session, 1), b"")) < 100_000:
                host.step()
                host.send_credit(session, 1, host.begin.get((session, 1), 0) + len(host.output.get((session, 1), b"")) + window)
            received += bytes(host.output[session, 1])
            if session in host.exits:
                break
            if turn % 2:
                host.close()
                host = self.connect()
            host.open()
            answer = host.attach(session, limit=len(received) + window, stdoutOffset=len(received))
            self.assertEqual(answer["stdoutOffset"], len(received))
        self.assertEqual(received, expected)

    def test_a_flood_delays_nobody_and_grows_nothing(self):
        sessions = [self.host.start("yes", str(i), limits=(MUCH, MUCH) if i % 2 else None) for i in range(8)]
        before = self.agent_memory()
        for _ in range(20):
            begun = time.monotonic()
            self.host.call("system.health")
            self.assertLess(time.monotonic() - begun, 2)
            for memory in self.host.output.values():
                self.assertLess(len(memory), 1 << 30)
        self.assertEqual(self.host.run("echo", "hello")[0], b"hello\n")
        time.sleep(1)  # unread now: the queue to the host is full
        self.assertLess(self.agent_memory() - before, 40 << 20)
        self.host.open()
        for session in sessions:
            self.host.call("exec.signal", session=session, signal=9)

    def test_thousands_of_orphans(self):
        out = self.host.run("sh", "-c", "i=0; while [ $i -lt 2000 ]; do (true &) ; i=$((i+1)); done; echo ok")[0]
        self.assertEqual(out, b"ok\n")
        self.wait_for(lambda: not self.children())

    def children(self):
        with open(f"/proc/{self.agent.pid}/task/{self.agent.pid}/children") as file:
            return file.read().split()

    def test_bound_of_sessions(self):
        first = self.host.run("true") and 1
        running = [self.host.start("sleep", "100", limits=None) for _ in range(63)]
        listed = self.host.call("exec.list")["sessions"]
        self.assertEqual(len(listed), 64)
        running.append(self.host.start("sleep", "100", limits=None))  # pushes out the ended one
        self.assertEqual(self.host.refused("exec.forget", session=first), "not_found")
        self.assertEqual(self.host.refused("exec.start", argv=["true"], user=ME), "busy")
        self.assertEqual(self.host.refused("exec.forget", session=running[0]), "conflict")
        self.host.call("exec.signal", session=running[0], signal=9)
        self.wait_for(lambda: not self.is_running(running[0]))
        self.host.call("exec.forget", session=running[0])
        self.assertEqual(self.host.run("true")[2], {"code": 0})
        for session in running[1:]:
            self.host.call("exec.signal", session=session, signal=9)

    def test_list_of_the_longest_commands_fits_a_frame(self):
        for _ in range(64):
            self.host.start("sh", "-c", "exec sleep 100", "\x01" * 300, "ü" * 300, limits=None)
        listed = self.host.call("exec.list")["sessions"]
        self.assertEqual(len(listed), 64)
        self.assertEqual((listed[0]["argv"], listed[0]["argvCut"]), (["sh", "-c", "exec sleep 100"], True))
        for session in listed:
            self.host.call("exec.signal", session=session["session"], signal=9)

    def test_all_rings_full_stay_within_memory(self):
        script = "head -c 1200000 /dev/zero; head -c 1200000 /dev/zero >&2"
        for _ in range(64):
            self.host.start("sh", "-c", script, limits=None)
        self.wait_for(lambda: not any(s["running"] for s in self.host.call("exec.list")["sessions"]))
        held = self.agent_memory()
        self.assertGreater(held, 128 << 20)
        if "sanitized" not in os.environ["KELPIE_AGENT"]:
            self.assertLess(held, 150 << 20)
        for session in range(1, 65):
            self.host.call("exec.forget", session=session)
        self.assertLess(self.agent_memory(), held - (120 << 20))

    def test_idle_agent_sleeps(self):
        session = self.host.start("yes", limits=(1000, 0))  # blocked for want of credit
        self.host.run("sh", "-c", "sleep 1 & exec >&- 2>&-")
        self.host.settle(0.3)
        before = self.agent_cpu()
        time.sleep(0.5)
        self.assertLess(self.agent_cpu() - before, 0.05)
        self.host.call("exec.signal", session=session, signal=9)
