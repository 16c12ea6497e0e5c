"""An agent that remembers: its conversation is in its memory, its notes are in a workspace, and a checkpoint has both.

    agent.py load < state          starts the agent, on /run/agent.sock, with what it knew
    agent.py ask "my name is Ada"  what a person says to it
    agent.py save > state          what it knows: a line for each thing said

`agent.json` beside it is what Kelpie reads in /etc/kelpie/checkpoint.d. It imports little, since a fresh guest reads every module for the first time.
"""

import os
import socket
import sys

SOCKET = "/run/agent.sock"
PID_FILE = "/run/agent.pid"
NOTES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "notes")


def answer(conversation, text):
    """A very small mind: it knows what it was told, and on what it runs."""
    last_word = text.rstrip(".?! ").split(" ")[-1]
    if text.startswith("my name is "):
        return f"hello, {last_word}"
    if text.startswith("what is my name"):
        names = [said.rstrip(".?! ").split(" ")[-1] for said in conversation if said.startswith("my name is ")]
        return f"you are {names[-1]}" if names else "you did not say"
    if text.startswith("where are you"):
        return f"on {os.uname().machine}, with {os.environ.get('AGENT_MODEL', 'no model')}"
    return f"I have heard {len(conversation) + 1} things"


def load():
    """The agent lives on when this ends, and holds none of our output open. Who asks it at once waits: its socket is there."""
    conversation = sys.stdin.read().splitlines()
    os.makedirs(NOTES, exist_ok=True)
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    server = socket.socket(socket.AF_UNIX)
    server.bind(SOCKET)
    server.listen()
    if os.fork() > 0:
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    with open(PID_FILE, "w") as file:
        file.write(f"{os.getpid()}\n")
    serve(server, conversation)


def serve(server, conversation):
    while True:
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            act, _, text = stream.readline().rstrip("\n").partition(" ")
            if act == "save":
                stream.writelines(f"{said}\n" for said in conversation)
                continue
            reply = answer(conversation, text)
            conversation.append(text)
            with open(os.path.join(NOTES, f"{len(conversation):04}.txt"), "w") as note:
                note.write(f"{text}\n{reply}\n")
            stream.write(f"{reply}\n")


def call(line):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(SOCKET)
        with connection.makefile("rw") as stream:
            stream.write(f"{line}\n")
            stream.flush()
            sys.stdout.write(stream.read())


match sys.argv[1:]:
    case ["load"]:
        load()
    case ["ask", text]:
        call(f"ask {text}")
    case ["save"]:
        call("save")
    case _:
        sys.exit(__doc__)
