"""A host that is written from docs/PROTOCOL.md alone, apart from the agent's code and from the TypeScript client."""

import json
import os
import socket
import struct
import time
import zlib


HELLO, WELCOME, REQUEST, RESPONSE, EVENT, DATA, END, CREDIT = 0x01, 0x02, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22
OPENING_ZEROS = 32784
RING = 1024 * 1024
MUCH = 1 << 40
ANSWER_S = 10
ME = str(os.getuid())


def frame(kind, payload):
    head = struct.pack("<BBHI", 0x4B, kind, 0, len(payload)) + payload
    return head + struct.pack("<I", zlib.crc32(head))


def hello(nonce):
    return frame(HELLO, b"KELPIE-HELLO\0\0\0\1" + nonce)


def channel_frame(kind, channel, stream, offset, data=b""):
    return frame(kind, struct.pack("<IBxxxQ", channel, stream, offset) + data)


class Stream:
    """One connection; frames in, frames out."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.bytes = bytearray()
        self.last_id = 0
        self.output = {}  # (session or channel, stream) → bytes received
        self.begin = {}  # … → offset of the first of them
        self.ended = {}  # … → offset of END
        self.credit = {}  # channel → limit of stream 0
        self.exits = {}  # session → exit
        self.failed = {}  # channel → errno
        self.answers = {}

    def write(self, data):
        self.socket.settimeout(ANSWER_S)
        self.socket.sendall(data)

    def receive(self, timeout=ANSWER_S):
        self.socket.settimeout(timeout)
        part = self.socket.recv(65536)
        if not part:
            raise EOFError
        self.bytes += part

    def open(self):
        nonce = os.urandom(16)
        self.write(bytes(OPENING_ZEROS) + hello(nonce))
        self.await_welcome(nonce)
        return self

    def await_welcome(self, nonce):
        start = frame(WELCOME, nonce + bytes(24))[:24]
        while (at := self.bytes.find(start)) < 0 or len(self.bytes) < at + 52:
            self.receive()
        welcome = bytes(self.bytes[at + 8 : at + 48])
        assert struct.unpack("<I", self.bytes[at + 48 : at + 52])[0] == zlib.crc32(self.bytes[at : at + 48])
        assert struct.unpack("<I", welcome[16:20])[0] == 1
        del self.bytes[: at + 52]

    def next_frame(self, timeout=ANSWER_S):
        while len(self.bytes) < 8 or len(self.bytes) < 12 + struct.unpack("<I", self.bytes[4:8])[0]:
            self.receive(timeout)
        length = struct.unpack("<I", self.bytes[4:8])[0]
        whole = bytes(self.bytes[: 12 + length])
        del self.bytes[: 12 + length]
        assert whole[0] == 0x4B and whole[2:4] == b"\0\0" and length <= 32768, whole[:16]
        assert zlib.crc32(whole[:-4]) == struct.unpack("<I", whole[-4:])[0]
        return whole[1], whole[8:-4]

    def step(self, timeout=ANSWER_S):
        kind, payload = self.next_frame(timeout)
        if kind == RESPONSE:
            answer = json.loads(payload)
            self.answers[answer["id"]] = answer
        elif kind == EVENT:
            event = json.loads(payload)
            assert event["jsonrpc"] == "2.0" and "id" not in event
            params = event["params"]
            if event["method"] == "exec.exited":
                session = params["session"]
                assert (session, 1) in self.ended and (session, 2) in self.ended, "exec.exited before END"
                self.exits[session] = params["exit"]
            else:
                assert event["method"] == "file.failed", event
                self.failed[params["channel"]] = params["errno"]
        else:
            channel, stream, offset = struct.unpack("<IBxxxQ", payload[:16])
            key = (channel, stream)
            if kind == CREDIT:
                assert stream == 0 and offset > self.credit.get(channel, 0)
                self.credit[channel] = offset
            elif kind == DATA:
                assert key not in self.ended and len(payload) > 16
                begin = self.begin.setdefault(key, offset)
                received = self.output.setdefault(key, bytearray())
                assert offset == begin + len(received), "a hole in the output"
                received += payload[16:]
            else:
                assert kind == END and key not in self.ended
                received = self.output.setdefault(key, bytearray())
                assert offset == self.begin.setdefault(key, offset) + len(received)
                self.ended[key] = offset

    def settle(self, seconds):
        """Takes what comes until nothing has come for a while."""
        try:
            while True:
                self.step(seconds)
        except TimeoutError:
            pass

    def until(self, condition):
        deadline = time.monotonic() + ANSWER_S
        while not condition():
            assert time.monotonic() < deadline
            self.step()

    def send(self, method, **params):
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        self.write(frame(REQUEST, json.dumps(request, ensure_ascii=False).encode()))
        return self.last_id

    def answer(self, number):
        self.until(lambda: number in self.answers)
        return self.answers.pop(number)

    def ask(self, method, **params):
        return self.answer(self.send(method, **params))

    def call(self, method, **params):
        answer = self.ask(method, **params)
        assert "error" not in answer, answer
        return answer["result"]

    def refused(self, method, **params):
        error = self.ask(method, **params)["error"]
        assert isinstance(error["message"], str) and error["message"]
        return error["data"]["reason"]

    def start(self, *argv, limits=(MUCH, MUCH), **params):
        attach = {"attach": {"stdoutLimit": limits[0], "stderrLimit": limits[1]}} if limits else {}
        return self.call("exec.start", **({"argv": list(argv), "user": ME, "cwd": "/"} | attach | params))["session"]

    def attach(self, session, limit=MUCH, **params):
        for stream in (1, 2):
            for memory in (self.output, self.begin, self.ended):
                memory.pop((session, stream), None)
        self.exits.pop(session, None)
        self.credit.pop(session, None)
        return self.call("exec.attach", session=session, stdoutLimit=limit, stderrLimit=limit, **params)

    def finish(self, session):
        self.until(lambda: session in self.exits)
        return bytes(self.output[session, 1]), bytes(self.output[session, 2]), self.exits[session]

    def run(self, *argv, **params):
        return self.finish(self.start(*argv, **params))

    def type(self, session, data, offset=0):
        """Sends stdin as credit allows; returns the offset after it."""
        while data:
            self.until(lambda: self.credit.get(session, 0) > offset)
            part = data[: min(32752, self.credit[session] - offset)]
            self.write(channel_frame(DATA, session, 0, offset, part))
            data, offset = data[len(part) :], offset + len(part)
        return offset

    def end(self, channel, offset):
        self.write(channel_frame(END, channel, 0, offset))

    def send_credit(self, channel, stream, limit):
        self.write(channel_frame(CREDIT, channel, stream, limit))

    def close(self):
        self.socket.close()
