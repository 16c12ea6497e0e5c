"""Real work in a VM whose memory is published: a service with data in memory, a database on disk, and requests to it.

    python3 -c SOURCE

It reads the system's files (page cache), compiles some of them (heap), keeps documents, and then answers requests over HTTP that read and change
some of them and write to an SQLite file, until it is killed. It prints `ready` once it serves.
"""

import ast
import glob
import http.client
import http.server
import json
import os
import random
import sqlite3
import threading

DOCUMENTS = 170_000
SOURCES = 60
CHUNK_BYTES = 1 << 20
PAUSE_S = 0.02

random.seed(1)
for path in glob.glob("/usr/lib/**", recursive=True):
    if os.path.isfile(path):
        with open(path, "rb") as file:
            while file.read(CHUNK_BYTES):
                pass
trees = []
for path in sorted(glob.glob("/usr/lib/python3*/**/*.py", recursive=True)):
    with open(path, "rb") as file:
        source = file.read()
    if len(trees) < SOURCES:
        try:
            trees.append(ast.parse(source))
        except (SyntaxError, ValueError):
            pass  # some of the library's own test data is broken on purpose
words = [node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)]
documents = [
    {"id": number, "words": random.choices(words, k=24), "score": random.random()} for number in range(DOCUMENTS)
]

database = sqlite3.connect("/root/work.db", check_same_thread=False)
database.execute("create table if not exists answers (id integer primary key, body text)")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        document = documents[int(self.path[1:])]
        document["score"] += 1
        document["words"] = random.sample(document["words"], len(document["words"]))
        body = json.dumps(document).encode()
        database.execute("insert into answers (body) values (?)", (body,))
        database.commit()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
while True:
    connection = http.client.HTTPConnection("127.0.0.1", 8000)
    connection.request("GET", f"/{random.randrange(DOCUMENTS)}")
    connection.getresponse().read()
    connection.close()
    threading.Event().wait(PAUSE_S)
