"""One agent per test, on a Unix socket, with a host connected."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

from protocol_client import ANSWER_S, Stream


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kelpie-agent-")
        self.path = os.path.join(self.folder, "agent")
        self.generation = os.path.join(self.folder, "generation")
        self.agent = subprocess.Popen([os.environ["KELPIE_AGENT"], "--listen-unix", self.path, "--generation-file", self.generation])
        self.streams = []
        self.wait_for(self.is_served)
        self.host = self.connect().open()

    def tearDown(self):
        for stream in self.streams:
            stream.close()
        self.assertIsNone(self.agent.poll(), "the agent died")
        self.agent.terminate()
        self.assertEqual(self.agent.wait(ANSWER_S), 0)
        shutil.rmtree(self.folder)

    def connect(self):
        self.streams.append(Stream(self.path))
        return self.streams[-1]

    def is_served(self):
        """The socket has its name a moment before anybody listens."""
        try:
            Stream(self.path).close()
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def wait_for(self, condition):
        deadline = time.monotonic() + ANSWER_S
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def is_running(self, session):
        listed = {entry["session"]: entry for entry in self.host.call("exec.list")["sessions"]}
        return listed[session]["running"]

    def file(self, name):
        return os.path.join(self.folder, name)

    def agent_memory(self):
        with open(f"/proc/{self.agent.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def agent_cpu(self):
        with open(f"/proc/{self.agent.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
