#!/usr/bin/env bash
#
# The other HL7 v2 library for Python, on a result whose lines end with CR LF, gives a message that has its header and nothing else,
# and no error: patient, order and results are gone. With LF alone it stops at the version, into which it reads the next line.
#
# Installs hl7apy==1.3.5 into a temporary folder and ends with 0 while the behaviour is as written here.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check hl7apy==1.3.5
seen=$("$tmp/venv/bin/python" - <<'PY'
from hl7apy.exceptions import UnsupportedVersion
from hl7apy.parser import parse_message

message = "\r".join([
    r"MSH|^~\&|LAB|SOUTH|POSTERN|CLINIC|20260101120000||ORU^R01^ORU_R01|1|P|2.5",
    "PID|1||123||TREMBLAY^ANNE",
    "OBR|1|||1^GLUCOSE",
    "OBX|1|NM|GLU||5.5|mmol/L",
]) + "\r"
for name, end in [("CR", "\r"), ("CR LF", "\r\n"), ("LF", "\n")]:
    try:
        print(f"{name}:", [part.name for part in parse_message(message.replace("\r", end)).children])
    except UnsupportedVersion as refused:
        print(f"{name}: refused:", " ".join(str(refused).split()))
PY
)
wanted=$(cat <<'SEEN'
CR: ['MSH', 'ORU_R01_PATIENT_RESULT']
CR LF: ['MSH']
LF: refused: The version 2.5 PID is not supported
SEEN
)
echo "with hl7apy==1.3.5:"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ] || { printf 'this was seen before:\n%s\n' "$wanted"; exit 1; }
