"""An SMTP server for the tests: takes every mail, keeps it in memory, and misbehaves on request.

    python smtp_sink.py --dir DIR

makes a certificate in DIR with `openssl`, listens on free ports of 127.0.0.1, and prints one line of JSON when it is
ready:

    {"host": "127.0.0.1", "plain_port": 1, "starttls_port": 2, "implicit_tls_port": 3, "silent_port": 4,
     "control": "http://127.0.0.1:5", "ca": "DIR/ca.pem", "user": "postern", "password": "…"}

  plain_port         no TLS, no sign-in: a relay on the same machine
  starttls_port      STARTTLS, then AUTH, both required (530 otherwise)
  implicit_tls_port  TLS from the first byte, then AUTH, required
  silent_port        takes the connection and never says a word

Signing in: `user` with `password` works. The user "busy" gets 454 whatever the password; everyone else gets 535.

Faults are chosen by the recipient, so that tests that run at the same time don't meet: the part of the address before
"+" or "@" names the fault, the rest is the test's own (reject+ada7@example.org):

  defer, flaky  451 at RCPT             data4   451 after DATA
  full          452 at RCPT             data5   554 after DATA
  reject        550 at RCPT             drop    takes the mail after DATA, then cuts the connection without an answer
  droprcpt      cuts at RCPT            slow    answers DATA after 5 s
  hang          never answers RCPT      hangdata  never answers DATA
  late          takes the mail after DATA, and answers 5 s later
  latercpt, latedata, latebody, laterset, latequit
                answers RCPT, DATA, the end of the mail, RSET or QUIT 2 s late, and goes on as if nothing were wrong
  latemail      the same of MAIL; here, as nobody knows the recipient yet, it is the sender's name

A number after the name (flaky2, drop1) means: only for that address's first so many attempts.

Over HTTP at `control`, on loopback (`to` and `user` are optional filters):

  GET /messages?to=ADDRESS   the mails taken, oldest first
  GET /attempts?to=ADDRESS   every RCPT, oldest first, with the last answer given ("reply": null = none)
  GET /sign-ins?user=NAME    every AUTH, with "ok"

It ends by SIGTERM, or by itself when the process that started it has gone.
"""

import argparse
import asyncio
import collections
import email
import email.policy
import json
import os
import re
import secrets
import signal
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

HOST = "127.0.0.1"
USER = "postern"
BUSY_USER = "busy"
SLOW_SECONDS = 5
LATE_SECONDS = 2

AT_RCPT = {
    "defer": "451 4.7.1 Greylisted, try later",
    "flaky": "451 4.3.0 Temporary failure",
    "full": "452 4.2.2 Mailbox full",
    "reject": "550 5.1.1 No such user",
}
AT_DATA = {
    "data4": "451 4.3.0 Temporary failure",
    "data5": "554 5.7.1 Looks like spam",
}
# the names that end in a digit come first, so that "data4" is not read as "data", 4 times
FAULT = re.compile(
    r"(data4|data5|defer|flaky|full|reject|droprcpt|drop|slow|hangdata|hang"
    r"|latemail|latercpt|latedata|latebody|laterset|latequit|late)(\d*)$"
)


class Records:
    """All that has happened. Written by the SMTP loop, read by the control's threads."""

    def __init__(self):
        self.messages = []
        self.attempts = []
        self.sign_ins = []
        self.attempts_by_address = collections.Counter()

    def attempt(self, listener, session, address):
        self.attempts_by_address[address] += 1
        attempt = {
            "at": time.time(),
            "to": address,
            "listener": listener,
            "user": session.auth_data,
            "reply": None,
        }
        self.attempts.append(attempt)
        return attempt

    def fault_for(self, address):
        """The fault that this address asks for on its present attempt, or None."""
        name = re.split(r"[+@]", address, maxsplit=1)[0].lower()
        match = FAULT.match(name)
        if not match:
            return None
        times = match.group(2)
        if times and self.attempts_by_address[address] > int(times):
            return None
        return match.group(1)


class Handler:
    """What aiosmtpd calls while it speaks SMTP on one listener."""

    def __init__(self, listener, records):
        self.listener = listener
        self.records = records

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.records.attempts_by_address[address] += 1
        if self.records.fault_for(address) == "latemail":
            await asyncio.sleep(LATE_SECONDS)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        attempt = self.records.attempt(self.listener, session, address)
        fault = self.records.fault_for(address)
        session.late = fault
        if fault == "latercpt":
            await asyncio.sleep(LATE_SECONDS)
        if fault == "hang":
            await asyncio.Event().wait()
        if fault == "droprcpt":
            server.transport.abort()
            return "421 never sent"
        if fault in AT_RCPT:
            attempt["reply"] = AT_RCPT[fault]
            return attempt["reply"]
        envelope.rcpt_tos.append(address)
        if not hasattr(envelope, "attempts"):
            envelope.attempts = []
        envelope.attempts.append(attempt)
        return "250 OK"

    async def handle_RSET(self, server, session, envelope):
        if getattr(session, "late", None) == "laterset":
            await asyncio.sleep(LATE_SECONDS)
        return "250 OK"

    async def handle_QUIT(self, server, session, envelope):
        if getattr(session, "late", None) == "latequit":
            await asyncio.sleep(LATE_SECONDS)
        return "221 Bye"

    async def handle_DATA(self, server, session, envelope):
        faults = {self.records.fault_for(address) for address in envelope.rcpt_tos}

        def answer(reply):
            for attempt in envelope.attempts:
                attempt["reply"] = reply
            return reply

        if "hangdata" in faults:
            await asyncio.Event().wait()
        for fault, reply in AT_DATA.items():
            if fault in faults:
                return answer(reply)
        if "slow" in faults:
            await asyncio.sleep(SLOW_SECONDS)
        self.records.messages.append(self.read(session, envelope))
        if "late" in faults:
            await asyncio.sleep(SLOW_SECONDS)
        if "latebody" in faults:
            await asyncio.sleep(LATE_SECONDS)
        if "drop" in faults:
            server.transport.abort()
            return "250 never sent"
        return answer("250 2.0.0 Queued")

    def read(self, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)

        def part(kind):
            body = mail.get_body((kind,))
            return body.get_content() if body else None

        return {
            "at": time.time(),
            "from": envelope.mail_from,
            "to": list(envelope.rcpt_tos),
            "listener": self.listener,
            "user": session.auth_data,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "text": part("plain"),
            "html": part("html"),
            "attachments": [a.get_filename() for a in mail.iter_attachments()],
            "raw": envelope.content.decode("utf-8", "replace"),
        }


class Sink(SMTP):
    """Answers the word DATA late on request: aiosmtpd asks a handler only after the mail has come."""

    async def smtp_DATA(self, arg):
        if getattr(self.session, "late", None) == "latedata":
            await asyncio.sleep(LATE_SECONDS)
        await super().smtp_DATA(arg)


def authenticator(password, records):
    def check(server, session, envelope, mechanism, data):
        name = data.login.decode("utf-8", "replace") if isinstance(data, LoginPassword) else None
        ok = name == USER and data.password == password.encode()
        records.sign_ins.append({"at": time.time(), "user": name, "ok": ok})
        if ok:
            return AuthResult(success=True, auth_data=name)
        # "handled" would mean that an answer has gone out already; without a message aiosmtpd answers 535
        busy = "454 4.7.0 Temporary authentication failure" if name == BUSY_USER else None
        return AuthResult(success=False, handled=False, message=busy)

    return check


def make_certificate(folder):
    """A throwaway authority and a server certificate that it signed; gives (ca, certificate, key) paths."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    certificate, key, request = folder / "server.pem", folder / "server.key", folder / "server.csr"
    extensions = folder / "server.ext"
    extensions.write_text(
        f"subjectAltName=IP:{HOST},DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
    )

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=Postern test authority")
    openssl("req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", certificate,
            "-days", "2", "-extfile", extensions)
    return ca, certificate, key


def control_server(records):
    lists = {
        "/messages": (records.messages, "to"),
        "/attempts": (records.attempts, "to"),
        "/sign-ins": (records.sign_ins, "user"),
    }

    class Control(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            if url.path not in lists:
                self.send_error(404)
                return
            rows, filter_by = lists[url.path]
            wanted = parse_qs(url.query).get(filter_by)
            chosen = [row for row in list(rows) if not wanted or matches(row[filter_by], wanted[0])]
            body = json.dumps(chosen).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    def matches(value, wanted):
        return wanted in value if isinstance(value, list) else value == wanted

    server = ThreadingHTTPServer((HOST, 0), Control)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


async def serve(folder):
    parent = os.getppid()
    records = Records()
    password = secrets.token_urlsafe(12)
    ca, certificate, key = make_certificate(folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    open_servers = []

    async def listen(protocol, **options):
        server = await loop.create_server(protocol, HOST, 0, **options)
        open_servers.append(server)
        return server.sockets[0].getsockname()[1]

    def smtp(listener, **options):
        return lambda: Sink(Handler(listener, records), hostname="sink.test", loop=loop, enable_SMTPUTF8=True, **options)

    sign_in = {"authenticator": authenticator(password, records), "auth_required": True}
    ready = {
        "host": HOST,
        "plain_port": await listen(smtp("plain")),
        "starttls_port": await listen(smtp("starttls", tls_context=tls, require_starttls=True, **sign_in)),
        "implicit_tls_port": await listen(smtp("implicit_tls", auth_require_tls=False, **sign_in), ssl=tls),
        "silent_port": await listen(asyncio.Protocol),
        "control": "http://{}:{}".format(*control_server(records).server_address),
        "ca": str(ca),
        "user": USER,
        "password": password,
    }
    print(json.dumps(ready), flush=True)

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    while not ended.is_set() and os.getppid() == parent:
        try:
            await asyncio.wait_for(ended.wait(), timeout=1)
        except asyncio.TimeoutError:
            pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--dir", required=True, type=Path, help="an existing folder for the certificate")
    asyncio.run(serve(arguments.parse_args().dir))


if __name__ == "__main__":
    main()
