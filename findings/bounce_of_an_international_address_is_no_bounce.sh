#!/usr/bin/env bash
#
# A mail server tells of an address outside ASCII with the type utf-8 (RFC 6533). flufl.bounce, which Mailman uses, knows the type rfc822
# only: the report of a mailbox that is not there names nobody, so a list or a clinic goes on writing to it. A full mailbox (4.2.2)
# and one that does not exist (5.1.1) come out in the same set, as permanent.
#
# Installs flufl.bounce==4.0 into a temporary folder and ends with 0 while the behaviour is as written here.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check flufl.bounce==4.0
seen=$("$tmp/venv/bin/python" - <<'PY'
import email
from flufl.bounce import all_failures

REPORT = """\
From: MAILER-DAEMON@mx.example.net
To: bounces@clinic.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: {kind}; {address}
Action: failed
Status: {status}

--b--
"""
for kind, address, status in [
    ("rfc822", "anne@example.org", "5.1.1"),
    ("rfc822", "anne@example.org", "4.2.2"),
    ("utf-8", "anne@example.org", "5.1.1"),
    ("utf-8", "hélène@example.org", "5.1.1"),
]:
    temporary, permanent = all_failures(email.message_from_string(REPORT.format(**locals())))
    print(f"{kind}; {status}: temporary {len(temporary)}, permanent {len(permanent)}")
PY
)
wanted=$(cat <<'SEEN'
rfc822; 5.1.1: temporary 0, permanent 1
rfc822; 4.2.2: temporary 0, permanent 1
utf-8; 5.1.1: temporary 0, permanent 0
utf-8; 5.1.1: temporary 0, permanent 0
SEEN
)
echo "with flufl.bounce==4.0:"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ] || { printf 'this was seen before:\n%s\n' "$wanted"; exit 1; }
