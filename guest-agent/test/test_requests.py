"""Opening a connection, questions, and the end."""

import json
import os
import shutil
import time

from protocol_client import ANSWER_S, CREDIT, DATA, END, ME, REQUEST, RESPONSE, channel_frame, frame, hello
from agent_case import AgentTest


class Opening(AgentTest):
    def test_nothing_is_sent_before_a_hello(self):
        stream = self.connect()
        stream.write(frame(REQUEST, b'{"jsonrpc":"2.0","id":1,"method":"system.health"}'))
        with self.assertRaises(TimeoutError):
            stream.receive(0.2)

    def test_garbage_before_hello(self):
        for garbage in (b"K", b"KKKKK", os.urandom(5000).replace(b"K", b"k"), frame(REQUEST, b"{}"), hello(bytes(16))[:-1]):
            stream = self.connect()
            stream.write(garbage)
            stream.open()
            stream.call("system.health")

    def test_a_cut_frame_is_survived(self):
        whole = channel_frame(DATA, 1, 0, 0, bytes(range(1, 201)) * 160)
        for cut in (1, 7, 8, 9, 100, 32000, len(whole) - 1):
            self.host.write(whole[:cut])
            self.host.open()
            self.host.call("system.health")

    def test_a_broken_frame_ends_the_session_until_the_next_hello(self):
        bad_crc = bytearray(frame(REQUEST, b"{}"))
        bad_crc[-1] ^= 1
        for bad in (b"x", bytes(bad_crc), frame(0x33, b""), frame(RESPONSE, b"{}"), b"K\x10\1\0" + bytes(8),
                    b"K\x10\0\0\1\x80\0\0", channel_frame(DATA, 1, 3, 0, b"x"), channel_frame(DATA, 1, 0, 0),
                    channel_frame(CREDIT, 1, 0, 9), channel_frame(END, 1, 1, 0)):
            session = self.host.start("cat", stdin=True)
            self.host.write(bad)
            self.host.send("system.health")
            with self.assertRaises(TimeoutError):
                while True:
                    self.host.receive(0.05)
            self.host.open()
            self.assertFalse([s for s in self.host.call("exec.list")["sessions"] if s["attached"]])
            self.host.call("exec.signal", session=session, signal=9)

    def test_a_second_hello_drops_what_was_under_way(self):
        session = self.host.start("yes")
        self.host.until(lambda: len(self.host.output.get((session, 1), b"")) > 100000)
        self.host.open()
        self.host.settle(0.2)
        self.assertEqual(self.host.call("exec.list")["sessions"][0]["attached"], False)
        self.assertEqual(self.host.call("exec.attach", session=session, stdoutLimit=0, stderrLimit=0)["running"], True)

    def test_the_newest_connection_wins(self):
        session = self.host.start("cat", stdin=True)
        second = self.connect().open()
        with self.assertRaises((EOFError, ConnectionResetError)):
            while True:
                self.host.receive(1)
        self.assertEqual(second.attach(session)["running"], True)
        second.end(session, 0)
        self.assertEqual(second.finish(session)[2], {"code": 0})

    def test_one_byte_at_a_time(self):
        data = hello(b"n" * 16) + frame(REQUEST, b'{"jsonrpc":"2.0","id":5,"method":"system.health"}')
        for byte in data:
            self.host.write(bytes([byte]))
        self.host.await_welcome(b"n" * 16)
        self.assertEqual(self.host.answer(5)["result"]["protocol"], 1)


class Requests(AgentTest):
    def raw(self, text):
        self.host.write(frame(REQUEST, text))
        while True:
            kind, payload = self.host.next_frame()
            if kind == RESPONSE:
                answer = json.loads(payload)
                return answer["id"], answer["error"]["code"], answer["error"]["data"]["reason"]

    def test_bad_requests(self):
        for text in (b"", b"{", b"[" * 9 + b"]" * 9, b'"\xff"', b'{"a":"\\u0000"}', b"\0", b"[" * 32768):
            self.assertEqual(self.raw(text), (None, -32700, "parse"))
        for text in (b"[]", b"1", b"{}", b'{"jsonrpc":"2.0","method":"x"}', b'{"jsonrpc":"2.0","id":0,"method":"x"}',
                     b'{"jsonrpc":"2.0","id":2147483648,"method":"x"}', b'{"jsonrpc":"2.0","id":"1","method":"x"}'):
            self.assertEqual(self.raw(text), (None, -32600, "invalid_request"))
        for text in (b'{"id":3,"method":"x"}', b'{"jsonrpc":"2.0","id":3}', b'{"jsonrpc":"2.0","id":3,"method":1}'):
            self.assertEqual(self.raw(text), (3, -32600, "invalid_request"))
        self.assertEqual(self.raw(b'{"jsonrpc":"2.0","id":3,"method":"exec.nope"}'), (3, -32601, "unknown_method"))
        self.assertEqual(self.raw(b'{"jsonrpc":"2.0","id":3,"method":"exec.list","params":[]}'), (3, -32602, "invalid_params"))

    def test_bad_params_of_each_method(self):
        bad = {
            "exec.start": [{}, {"argv": []}, {"argv": [""]}, {"argv": [1]}, {"argv": "ls"}, {"argv": ["a"] * 257},
                           {"argv": ["a"], "env": {"": "x"}}, {"argv": ["a"], "env": {"a=b": "x"}}, {"argv": ["a"], "env": {"a": 1}},
                           {"argv": ["a"], "env": {str(i): "" for i in range(257)}}, {"argv": ["a"], "cwd": "relative"},
                           {"argv": ["a"], "user": 7}, {"argv": ["a"], "user": "u" * 33}, {"argv": ["a"], "tty": {}},
                           {"argv": ["a"], "tty": {"rows": 0, "columns": 1}}, {"argv": ["a"], "tty": True}, {"argv": ["a"], "stdin": 1},
                           {"argv": ["a"], "timeoutMs": -1}, {"argv": ["a"], "timeoutMs": 1.5}, {"argv": ["a"], "attach": {}},
                           {"argv": ["a"], "attach": {"stdoutLimit": 1}}],
            "exec.attach": [{}, {"session": 1}, {"session": "1", "stdoutLimit": 0, "stderrLimit": 0},
                            {"session": 1, "stdoutLimit": 0, "stderrLimit": 0, "stdoutOffset": -1}],
            "exec.detach": [{}, {"session": 0}, {"session": 1 << 32}],
            "exec.signal": [{}, {"session": 1}, {"session": 1, "signal": 0}, {"session": 1, "signal": 65}],
            "exec.resize": [{}, {"session": 1, "rows": 1}, {"session": 1, "rows": 1, "columns": 0}],
            "exec.forget": [{}],
            "file.read": [{}, {"channel": 1, "path": "/x", "limit": 0}, {"channel": 1 << 31, "path": "x", "limit": 0},
                          {"channel": 1 << 31, "path": "/" + "x" * 4095, "limit": 0}, {"channel": 1 << 31, "path": "/x"}],
            "file.write": [{}, {"channel": 1 << 32, "path": "/x"}, {"channel": 1 << 31, "path": ""},
                           {"channel": 1 << 31, "path": "/x", "mode": 0o10000}, {"channel": 1 << 31, "path": "/x", "uid": -1},
                           {"channel": 1 << 31, "path": "/x", "uid": (1 << 32) - 1}, {"channel": 1 << 31, "path": "/x", "parents": 1}],
            "file.commit": [{}], "file.abort": [{"channel": 5}], "file.stat": [{}, {"path": "relative"}],
            "system.repair": [{}, {"unixNs": "1", "seed": "AAAA", "generation": 1}, {"unixNs": "1", "seed": "A" * 64, "generation": 0},
                              {"unixNs": "-1", "seed": "A" * 64, "generation": 1},
                              {"unixNs": "1", "seed": "A" * 64, "generation": 1, "hostname": "a b"},
                              {"unixNs": "1", "seed": "A" * 64, "generation": 1, "machineId": "A" * 32},
                              {"unixNs": "1", "seed": "A" * 64, "generation": 1, "rehearse": 1}],
            "system.setClock": [{}, {"unixNs": 5}, {"unixNs": ""}, {"unixNs": "9" * 19}, {"unixNs": "1x"}],
            "system.reseed": [{}, {"seed": ""}, {"seed": "A" * 40}, {"seed": "A" * 688}, {"seed": "*" * 64}],
        }
        for method, tries in bad.items():
            for params in tries:
                self.assertEqual(self.host.refused(method, **params), "invalid_params", (method, params))

    def test_not_found(self):
        for method in ("exec.detach", "exec.forget"):
            self.assertEqual(self.host.refused(method, session=99), "not_found")
        self.assertEqual(self.host.refused("file.commit", channel=1 << 31), "not_found")
        self.assertEqual(self.host.call("file.abort", channel=1 << 31), {})
        self.assertEqual(self.host.refused("exec.start", argv=["true"], user="nobody-of-that-name"), "not_found")
        self.assertEqual(self.host.refused("file.stat", path=self.file("none")), "not_found")

    def test_unknown_members_and_nulls_are_ignored(self):
        session = self.host.start("true", timeoutMs=None, tty=None, more={"x": [1]})
        self.assertEqual(self.host.finish(session)[2], {"code": 0})

    def test_too_many_in_flight_are_busy(self):
        params = {"argv": ["true"], "user": ME, "cwd": "/"}
        numbers = range(1, 101)
        requests = [{"jsonrpc": "2.0", "id": n, "method": "exec.start", "params": params} for n in numbers]
        # In one write, so that the agent finds them all at once.
        self.host.write(b"".join(frame(REQUEST, json.dumps(request).encode()) for request in requests))
        reasons = [self.host.answer(n).get("error", {"data": {"reason": None}})["data"]["reason"] for n in numbers]
        self.assertTrue(set(reasons) <= {None, "busy"}, set(reasons))
        self.assertGreaterEqual(reasons.count(None), 64)

    def test_health(self):
        health = self.host.call("system.health")
        self.assertEqual((health["protocol"], health["generation"], health["sessions"]), (1, 0, 0))
        self.assertLess(abs(health["unixMs"] - time.time() * 1000), 1000)
        self.assertGreater(health["memoryTotalBytes"], health["memoryAvailableBytes"])
        with open(self.generation) as file:
            self.assertEqual(file.read(), "0\n")

    def test_sync_does_not_delay_others(self):
        self.host.send("system.sync")
        self.assertEqual(self.host.call("exec.list"), {"sessions": []})
        self.assertEqual(self.host.answer(1)["result"], {})


class Ending(AgentTest):
    def tearDown(self):
        self.assertEqual(self.agent.wait(ANSWER_S), 0)
        shutil.rmtree(self.folder)

    def test_power_off_answers_first(self):
        self.host.start("sleep", "100")
        self.assertEqual(self.host.call("system.powerOff"), {})
        self.host.close()
