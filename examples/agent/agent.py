"""An agent that remembers: its conversation is in its memory, its notes are in a workspace, and a checkpoint has both.

    agent.py serve                 the agent, on /run/agent.sock
    agent.py ask "my name is Ada"  what a person says to it
    agent.py save > state          what it knows, for a checkpoint
    agent.py load < state          starts the agent with it, and returns when it answers

`agent.json` beside it is what Kelpie reads in /etc/kelpie/checkpoint.d.
"""

import json
import os
import socket
import subprocess
import sys
import time

SOCKET = "/run/agent.sock"
PID_FILE = "/run/agent.pid"
NOTES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "notes")
START_SECONDS = 30


def answer(conversation, text):
    """A very small mind: it knows what it was told, and on what it runs."""
    words = text.rstrip(".?! ").split()
    if text.startswith("my name is "):
        return f"hello, {words[-1]}"
    if text.startswith("what is my name"):
        names = [said.rstrip(".?! ").split()[-1] for said in conversation if said.startswith("my name is ")]
        return f"you are {names[-1]}" if names else "you did not say"
    if text.startswith("where are you"):
        model = os.environ.get("AGENT_MODEL", "no model")
        return f"on {os.uname().machine}, with {model}"
    return f"I have heard {len(conversation) + 1} things"


def serve():
    state = json.loads(sys.stdin.read() or "{}")
    conversation = state.get("conversation", [])
    os.makedirs(NOTES, exist_ok=True)
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    server = socket.socket(socket.AF_UNIX)
    server.bind(SOCKET)
    server.listen()
    with open(PID_FILE, "w") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            asked = json.loads(stream.readline())
            if asked["act"] == "save":
                reply = {"conversation": conversation}
            else:
                reply = {"answer": answer(conversation, asked["text"])}
                conversation.append(asked["text"])
                with open(os.path.join(NOTES, f"{len(conversation):04}.txt"), "w") as note:
                    note.write(f"{asked['text']}\n{reply['answer']}\n")
            stream.write(json.dumps(reply) + "\n")


def call(request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(SOCKET)
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            return json.loads(stream.readline())


def load():
    """The agent lives on when this ends, and holds none of our output open."""
    state = sys.stdin.read()
    agent = subprocess.Popen(
        [sys.executable, os.path.abspath(__file__), "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    agent.stdin.write(state.encode())
    agent.stdin.close()
    deadline = time.monotonic() + START_SECONDS
    while agent.poll() is None and time.monotonic() < deadline:
        try:
            call({"act": "save"})
            return
        except OSError:
            time.sleep(0.02)
    sys.exit("the agent did not start")


def main():
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["ask", text]:
            print(call({"act": "ask", "text": text})["answer"])
        case ["save"]:
            print(json.dumps(call({"act": "save"})))
        case ["load"]:
            load()
        case _:
            sys.exit(__doc__)


main()
