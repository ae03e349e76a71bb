"""A real mail system (Postfix and Dovecot) in a folder of its own: takes mail with TLS and a password, refuses, puts
off, delivers, and gives back what it could not deliver. Needs root, as Postfix does.

    mail_system.py DIR   prints one line of JSON as soon as mail is taken, and runs until its input ends;
                         "stop" and "start" on its input stop and start Postfix, answered by "done"

Recipients:
    …@mail.test      delivered; reject@ is refused (550 5.1.1), full@ and defer@ are put off (4xx),
                     flakyN@ is put off N times (greylisting)
    …@gone.test      taken, then given back: no such mailbox (5.1.1)
    …@full.test      taken, then given back: the mailbox is full (5.2.2)
    …@policy.test    taken, then given back: refused by rules (5.7.1)
What is given back to bounces+TAG@clinic.test lies in the mailbox of bounces@clinic.test, behind IMAP.
"""
import collections
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

folder = os.path.abspath(sys.argv[1])
PASSWORD = "secret & more"
os.makedirs(folder, exist_ok=True)
os.chmod(folder, 0o755)
for name in ("run", "mail", "queue", "data"):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
subprocess.run(["chown", "mail:mail", f"{folder}/mail"], check=True)
subprocess.run(["chown", "postfix", f"{folder}/data"], check=True)


class Greylist(socketserver.StreamRequestHandler):
    """Postfix's policy protocol."""
    seen = collections.Counter()

    def handle(self):
        fields = {}
        for line in self.rfile:
            name, _, value = line.decode().strip().partition("=")
            if name:
                fields[name] = value
                continue
            to = fields.get("recipient", "")
            flaky = re.match(r"flaky(\d+)\D*@mail\.test", to)
            self.seen[to] += 1
            again = flaky and self.seen[to] <= int(flaky[1])
            self.wfile.write(f"action={'450 4.2.0 Greylisted' if again else 'DUNNO'}\n\n".encode())
            fields = {}


REFUSALS = {"gone": "550 5.1.1 No such user", "full": "552 5.2.2 Mailbox full", "policy": "554 5.7.1 Not accepted here"}


class FarSide(socketserver.StreamRequestHandler):
    """The mail server of patients whose mail comes back: takes the sender, and refuses every recipient."""

    def handle(self):
        self.wfile.write(b"220 far.test\r\n")
        for line in self.rfile:
            words = line.decode().strip().lower()
            answer = "250 ok"
            if words.startswith("rcpt"):
                answer = REFUSALS[re.search(r"@(\w+)\.test", words)[1]]
            elif words.startswith("quit"):
                answer = "221 bye"
            self.wfile.write((answer + "\r\n").encode())


far_side = socketserver.ThreadingTCPServer(("127.0.0.1", 0), FarSide)
far_side.daemon_threads = True
threading.Thread(target=far_side.serve_forever, daemon=True).start()
policy = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greylist)
policy.daemon_threads = True
threading.Thread(target=policy.serve_forever, daemon=True).start()


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


submission, submissions, imaps = free_ports(3)


def write(name, text):
    with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
        file.write(text)


subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
     "-keyout", f"{folder}/key.pem", "-out", f"{folder}/ca.pem", "-subj", "/CN=localhost",
     "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
    check=True, capture_output=True)

write("users", f"app@clinic.test:{{PLAIN}}{PASSWORD}\nbounces@clinic.test:{{PLAIN}}{PASSWORD}\n")
write("dovecot.conf", f"""
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{folder}/ca.pem
ssl_key = <{folder}/key.pem
auth_mechanisms = plain login
auth_username_format = %Lu
first_valid_uid = 1
recipient_delimiter = +
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener auth-postfix {{
    mode = 0666
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
auth_failure_delay = 0
""")
write("rcpt.pcre", r"""/^reject.*@mail\.test$/  550 5.1.1 No such user here
/^full.*@mail\.test$/    452 4.2.2 Mailbox full
/^defer.*@mail\.test$/   450 4.7.1 Try again later
""")
write("transport", "".join(f"{name}.test smtp:[127.0.0.1]:{far_side.server_address[1]}\n" for name in REFUSALS))
write("main.cf", f"""
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mail.clinic.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
smtpd_tls_chain_files = {folder}/key.pem, {folder}/ca.pem
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/run/auth-postfix
smtpd_tls_auth_only = yes
virtual_mailbox_domains = mail.test, clinic.test
virtual_mailbox_maps = static:all
virtual_transport = lmtp:unix:{folder}/run/lmtp
transport_maps = texthash:{folder}/transport
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access pcre:{folder}/rcpt.pcre,
  check_policy_service inet:127.0.0.1:{policy.server_address[1]}, permit_sasl_authenticated, reject
disable_dns_lookups = yes
smtp_dns_support_level = disabled
smtp_host_lookup = native
minimal_backoff_time = 2s
maximal_backoff_time = 5s
queue_run_delay = 2s
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 100
smtpd_hard_error_limit = 200
smtpd_client_connection_rate_limit = 0
recipient_delimiter = +
alias_maps =
local_recipient_maps =
""")
services = ["pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
            "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite", "flush unix n - n 1000? 0 flush",
            "showq unix n - n - - showq", "postlog unix-dgram n - n - 1 postlogd"]
services += [f"{name} unix - - n - 0 bounce" for name in ("bounce", "defer", "trace")]
services += [f"{name} unix - - n - 1 {name}" for name in ("verify", "proxymap", "anvil", "scache")]
services += [f"{name} unix - - n - - {name}" for name in ("smtp", "error", "discard", "lmtp")]
services += ["relay unix - - n - - smtp", "retry unix - - n - - error", "proxywrite unix - - n - 1 proxymap"]
services += [f"{submission} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes",
             f"{submissions} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes"]
write("master.cf", "\n".join(services) + "\n")


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
dovecot = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", f"{folder}/dovecot.conf"], **quiet)
try:
    subprocess.run(["/usr/sbin/postfix", "-c", folder, "start"], check=True, **quiet)
    for _ in range(200):
        if all(map(listens, (submission, submissions, imaps))):
            break
        time.sleep(0.05)
    else:
        raise SystemExit("the mail system did not start; see " + folder)
    ready = {"starttls_port": submission, "implicit_tls_port": submissions, "imaps_port": imaps, "password": PASSWORD,
             "ca": f"{folder}/ca.pem", "mail": f"{folder}/mail"}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        subprocess.run(["/usr/sbin/postfix", "-c", folder, line.strip()], check=True, **quiet)
        while listens(submission) != (line.strip() == "start"):
            time.sleep(0.05)
        print("done", flush=True)
finally:
    subprocess.run(["/usr/sbin/postfix", "-c", folder, "stop"], check=False, **quiet)
    dovecot.send_signal(signal.SIGTERM)
    dovecot.wait()
