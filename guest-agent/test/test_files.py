"""Files that are read and written."""

import os
import subprocess

from protocol_client import DATA, END, MUCH, channel_frame, hello
from agent_case import AgentTest


class Files(AgentTest):
    CHANNEL = 1 << 31

    def read(self, path, limit=MUCH):
        result = self.host.call("file.read", channel=self.CHANNEL, path=path, limit=limit)
        self.host.until(lambda: (self.CHANNEL, 1) in self.host.ended)
        self.host.ended.pop((self.CHANNEL, 1))
        self.host.begin.pop((self.CHANNEL, 1))
        return result, bytes(self.host.output.pop((self.CHANNEL, 1)))

    def write(self, path, data, **params):
        self.host.credit.pop(self.CHANNEL, None)
        self.host.call("file.write", channel=self.CHANNEL, path=path, **params)
        self.host.end(self.CHANNEL, self.host.type(self.CHANNEL, data))

    OWNER = {"uid": os.getuid(), "gid": os.getgid()}

    def test_read(self):
        path, data = self.file("data"), os.urandom(1_000_003)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o640)
        result, received = self.read(path)
        self.assertEqual(received, data)
        self.assertEqual((result["sizeBytes"], result["mode"], result["uid"]), (len(data), 0o640, os.getuid()))
        self.assertEqual(result["modifiedAtUnixMs"], os.stat(path).st_mtime_ns // 1_000_000)
        open(path, "wb").close()
        self.assertEqual(self.read(path)[1], b"")
        self.assertTrue(self.read("/proc/self/status")[1].startswith(b"Name:"))

    def test_read_keeps_to_its_credit(self):
        path = self.file("data")
        with open(path, "wb") as file:
            file.write(bytes(100_000))
        self.host.call("file.read", channel=self.CHANNEL, path=path, limit=1234)
        self.host.settle(0.1)
        self.assertEqual(len(self.host.output[self.CHANNEL, 1]), 1234)
        self.assertEqual(self.host.refused("file.read", channel=self.CHANNEL, path=path, limit=0), "conflict")
        self.host.send_credit(self.CHANNEL, 1, 100_000)
        self.host.until(lambda: (self.CHANNEL, 1) in self.host.ended)
        self.assertEqual(self.host.call("file.abort", channel=self.CHANNEL), {})

    def test_read_of_what_is_not_a_file(self):
        os.mkfifo(self.file("fifo"))
        for path, reason in ((self.folder, "os"), (self.file("fifo"), "os"), ("/dev/zero", "os"), (self.file("none"), "not_found")):
            self.assertEqual(self.host.refused("file.read", channel=self.CHANNEL, path=path, limit=0), reason)

    def test_write(self):
        path, data = self.file("a/b/c"), os.urandom(1_000_003)
        self.assertEqual(self.host.refused("file.write", channel=self.CHANNEL, path=path), "not_found")
        self.write(path, data, mode=0o4750, parents=True, **self.OWNER)
        self.assertEqual(self.host.call("file.commit", channel=self.CHANNEL), {"sizeBytes": len(data)})
        with open(path, "rb") as file:
            self.assertEqual(file.read(), data)
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o4750)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["c"])
        stat = self.host.call("file.stat", path=path)
        self.assertEqual((stat["type"], stat["sizeBytes"], stat["mode"]), ("file", len(data), 0o4750))

    def test_write_keeps_what_the_replaced_file_had(self):
        path = self.file("kept")
        with open(path, "w") as file:
            file.write("old")
        os.chmod(path, 0o600)
        self.write(path, b"new")
        self.host.call("file.commit", channel=self.CHANNEL)
        with open(path) as file:
            self.assertEqual(file.read(), "new")
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)

    def test_unfinished_writes_leave_nothing(self):
        path = self.file("kept")
        with open(path, "w") as file:
            file.write("old")
        before = sorted(os.listdir(self.folder))
        for ending in ("abort", "hello", "close"):
            self.write(path, b"new")
            self.assertEqual(len(os.listdir(self.folder)), len(before) + 1)
            if ending == "abort":
                self.host.call("file.abort", channel=self.CHANNEL)
            elif ending == "hello":
                self.host.open()
            else:
                self.host.close()
                self.host = self.connect().open()
            self.assertEqual(sorted(os.listdir(self.folder)), before)
            with open(path) as file:
                self.assertEqual(file.read(), "old")

    def test_commit_before_the_end(self):
        self.host.call("file.write", channel=self.CHANNEL, path=self.file("x"), **self.OWNER)
        self.assertEqual(self.host.refused("file.commit", channel=self.CHANNEL), "conflict")
        self.host.end(self.CHANNEL, 0)
        self.assertEqual(self.host.call("file.commit", channel=self.CHANNEL), {"sizeBytes": 0})

    def test_write_that_fails(self):
        limit = 100_000
        subprocess.run(["prlimit", "--pid", str(self.agent.pid), f"--fsize={limit}"], check=True)
        self.host.call("file.write", channel=self.CHANNEL, path=self.file("big"), **self.OWNER)
        self.host.type(self.CHANNEL, bytes(200_000))
        self.host.until(lambda: self.CHANNEL in self.host.failed)
        self.assertEqual(self.host.failed[self.CHANNEL], 27)
        self.assertEqual(self.host.refused("file.commit", channel=self.CHANNEL), "not_found")
        self.host.credit.pop(self.CHANNEL)
        # Bytes, end and commit in one: the commit may come before the event, and then carries the error itself.
        self.host.call("file.write", channel=self.CHANNEL, path=self.file("big"), **self.OWNER)
        data = [channel_frame(DATA, self.CHANNEL, 0, i * 30_000, bytes(30_000)) for i in range(5)]
        self.host.write(b"".join(data) + channel_frame(END, self.CHANNEL, 0, 150_000))
        self.assertIn(self.host.refused("file.commit", channel=self.CHANNEL), ("os", "not_found"))
        self.assertFalse([name for name in os.listdir(self.folder) if name.startswith(".kelpie")])

    def test_bad_targets(self):
        for path in (self.folder, self.folder + "/", self.file("."), self.file(".."), "/" + "x" * 256):
            self.assertEqual(self.host.refused("file.write", channel=self.CHANNEL, path=path), "os", path)

    def test_bound_of_transfers(self):
        for i in range(16):
            self.host.call("file.write", channel=self.CHANNEL + i, path=self.file(str(i)), **self.OWNER)
        self.assertEqual(self.host.refused("file.write", channel=self.CHANNEL + 16, path=self.file("16")), "busy")

    def test_stat(self):
        os.symlink("none", self.file("link"))
        for path, kind in ((self.folder, "directory"), (self.file("link"), "symlink"), (self.path, "other")):
            self.assertEqual(self.host.call("file.stat", path=path)["type"], kind)

    def test_read_under_a_flood(self):
        session = self.host.start("yes")
        with open(self.file("data"), "wb") as file:
            file.write(bytes(500_000))
        self.assertEqual(len(self.read(self.file("data"))[1]), 500_000)
        self.host.call("exec.signal", session=session, signal=9)
