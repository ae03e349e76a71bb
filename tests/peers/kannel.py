"""A real Kannel (bearerbox and smsbox) in a folder of its own, behind it a text centre that speaks SMPP 3.4.

    kannel.py DIR        prints one line of JSON as soon as texts are taken, and runs until its input ends

The last digits of the recipient choose what the centre does:
    01  refuses it (ESME_RINVDSTADR)
    02  asks to wait once (ESME_RTHROTTLED), then takes it
    03  takes it, then reports that it was not delivered
    else takes it and reports that it was delivered

At "control":
GET  /texts      everything that the centre took
POST /forward    the body is the address that texts coming in are given to, with Kannel's %p, %b, %I and %C as its query
POST /text       {"from", "to", "text"}: a phone sends a text, as UCS-2 where it holds other letters than ASCII's
"""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
texts, tries, forward, esme = [], {}, [""], []


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


# ------------------------------------------------------------------------------------------------ the centre (SMPP)

BIND, SUBMIT, DELIVER, ENQUIRE, UNBIND, ANSWER = 0x9, 0x4, 0x5, 0x15, 0x6, 0x80000000


def packet(command, status, sequence, body=b""):
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def words(body, at):
    end = body.index(0, at)
    return body[at:end].decode("latin-1"), end + 1


def deliver(source, target, text, report):
    body = b"\0" + b"\1\1" + source.encode() + b"\0" + b"\1\1" + target.encode() + b"\0"
    coding, coded = (0, text.encode()) if text.isascii() else (8, text.encode("utf-16-be"))
    body += bytes([4 if report else 0, 0, 0]) + b"\0\0" + bytes([0, 0, coding, 0, len(coded)]) + coded
    connection, lock = esme[-1]
    with lock:
        connection.sendall(packet(DELIVER, 0, int(time.monotonic() * 1000) & 0x7FFFFFFF, body))


def submitted(body):
    """Status and number of a text, and what is reported on it later."""
    _, at = words(body, 0)
    source, at = words(body, at + 2)
    target, at = words(body, at + 2)
    at += 3
    _, at = words(body, at)
    _, at = words(body, at)
    wanted, _, coding, _, length = body[at:at + 5]
    text = body[at + 5:at + 5 + length]
    tries[target] = tries.get(target, 0) + 1
    if target.endswith("01"):
        return 0x0B, "", None
    if target.endswith("02") and tries[target] == 1:
        return 0x58, "", None
    number = f"m{len(texts) + 1}"
    texts.append({"to": target, "from": source, "coding": coding, "text": text.decode("utf-16-be" if coding == 8 else "latin-1")})
    state = "UNDELIV" if target.endswith("03") else "DELIVRD"
    report = f"id:{number} sub:001 dlvrd:001 submit date:2603041402 done date:2603041403 stat:{state} err:000 text:"
    return 0, number, (target, source, report) if wanted & 1 else None


def talk(connection):
    lock = threading.Lock()
    stream = connection.makefile("rb")
    while head := stream.read(16):
        length, command, _, sequence = struct.unpack(">IIII", head)
        body = stream.read(length - 16)
        status, answer, report = 0, b"", None
        if command & ANSWER:
            continue
        if command == BIND:
            answer = b"centre\0"
            esme.append((connection, lock))
        elif command == SUBMIT:
            status, number, report = submitted(body)
            answer = number.encode() + b"\0"
        with lock:
            connection.sendall(packet(command | ANSWER, status, sequence, b"" if status else answer))
        if report:
            threading.Timer(0.1, deliver, (*report, True)).start()
        if command == UNBIND:
            break


def centre(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


# -------------------------------------------------------------------------------------------------------- control


class Control(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, body, kind="text/plain; charset=utf-8"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/texts":
            return self.answer(200, json.dumps(texts).encode(), "application/json")
        # a text that came in, from Kannel: handed on as it is
        try:
            with urllib.request.urlopen(forward[0] + "?" + self.path.partition("?")[2], timeout=5) as answer:
                self.answer(200, answer.read())
        except OSError:
            self.answer(503, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/forward":
            forward[0] = body
        else:
            text = json.loads(body)
            deliver(text["from"], text["to"], text["text"], False)
        self.answer(200, b"")


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=centre, args=(listener,), daemon=True).start()
control = ThreadingHTTPServer(("127.0.0.1", 0), Control)
threading.Thread(target=control.serve_forever, daemon=True).start()

# --------------------------------------------------------------------------------------------------------- Kannel

admin, boxes, sendsms = free_ports(3)
address = f"http://127.0.0.1:{control.server_address[1]}"
with open(f"{folder}/kannel.conf", "w", encoding="utf-8") as conf:
    conf.write(f"""group = core
admin-port = {admin}
admin-password = admin
admin-interface = 127.0.0.1
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
box-deny-ip = "*.*.*.*"
log-file = {folder}/bearerbox.log
log-level = 1
dlr-storage = internal
sms-resend-freq = 1
sms-resend-retry = 3

group = smsc
smsc = smpp
smsc-id = centre
host = 127.0.0.1
port = {listener.getsockname()[1]}
transceiver-mode = 1
smsc-username = esme
smsc-password = secret
system-type = ""
reconnect-delay = 1
my-number = 15550100

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
sendsms-chars = "0123456789 +-"
global-sender = 15550100
log-file = {folder}/smsbox.log
log-level = 1

group = sendsms-user
username = postern
password = "secret & more"
max-messages = 4
concatenation = 1
user-deny-ip = "*.*.*.*"
user-allow-ip = 127.0.0.1

group = sms-service
keyword = default
catch-all = true
get-url = "{address}/in?from=%p&text=%b&id=%I&charset=%C"
max-messages = 3
concatenation = 1
omit-empty = true
""")


def start(program):
    return subprocess.Popen([program, f"{folder}/kannel.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def wait(ready):
    for _ in range(200):
        if ready():
            return
        time.sleep(0.05)
    raise SystemExit("Kannel did not start; see " + folder)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


programs = [start("/usr/sbin/bearerbox")]
try:
    wait(lambda: listens(boxes))
    programs.append(start("/usr/sbin/smsbox"))
    wait(lambda: listens(sendsms) and bool(esme))
    url = f"http://127.0.0.1:{sendsms}/cgi-bin/sendsms"
    print(json.dumps({"url": url, "user": "postern", "password": "secret & more", "control": address}), flush=True)
    sys.stdin.read()
finally:
    for program in reversed(programs):
        program.send_signal(signal.SIGKILL)
        program.wait()
