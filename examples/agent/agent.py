"""An agent that remembers: its conversation is in its memory, its notes are in a workspace, and a checkpoint has both.

    agent.py load < state          starts the agent, on /run/agent.requests, with what it knew
    agent.py ask "my name is Ada"  what a person says to it
    agent.py save > state          what it knows: a line for each thing said

`agent.json` beside it is what Kelpie reads in /etc/kelpie/checkpoint.d. It imports only what is in Python itself: a fresh guest compiles every other module, and
`socket` alone takes an emulated one as long as Python takes to start. So it is asked through pipes that have names.
"""

import os
import sys

REQUESTS = "/run/agent.requests"
END = "\0\n"
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
    """The agent lives on when this ends, and holds none of our output open. Who asks it at once waits: its pipe is there."""
    conversation = sys.stdin.read().splitlines()
    os.makedirs(NOTES, exist_ok=True)
    if os.path.exists(REQUESTS):
        os.unlink(REQUESTS)
    os.mkfifo(REQUESTS, 0o600)
    # For writing too, so that it does not end with the first who asks.
    requests = os.open(REQUESTS, os.O_RDWR)
    if os.fork() > 0:
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    with open(PID_FILE, "w") as file:
        file.write(f"{os.getpid()}\n")
    for request in open(requests):
        reply, act, text = request.rstrip("\n").split(" ", 2)
        tell(reply, conversation if act == "save" else [hear(conversation, text)])


def hear(conversation, text):
    reply = answer(conversation, text)
    conversation.append(text)
    try:
        with open(os.path.join(NOTES, f"{len(conversation):04}.txt"), "w") as note:
            note.write(f"{text}\n{reply}\n")
    except OSError as error:
        return f"{reply} (not noted: {error.strerror})"
    return reply


def tell(path, lines):
    try:
        with open(pipe_of_a_reader(path), "w") as stream:
            stream.writelines(f"{line}\n" for line in lines)
            stream.write(END)
    except OSError:
        return  # Whoever asked has left.


def pipe_of_a_reader(path):
    """Waits for nobody: whoever reads from it has opened it before."""
    pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    os.set_blocking(pipe, True)
    return pipe


def call(act, text):
    reply = f"/run/agent.{os.getpid()}"
    os.mkfifo(reply, 0o600)
    try:
        # For writing too, so that it does not end before it begins.
        with open(os.open(reply, os.O_RDWR)) as stream:
            with open(pipe_of_a_reader(REQUESTS), "w") as requests:
                requests.write(f"{reply} {act} {text}\n")
            for line in iter(stream.readline, END):
                sys.stdout.write(line)
    finally:
        os.unlink(reply)


match sys.argv[1:]:
    case ["load"]:
        load()
    case ["ask", text]:
        call("ask", text)
    case ["save"]:
        call("save", "")
    case _:
        sys.exit(__doc__)
