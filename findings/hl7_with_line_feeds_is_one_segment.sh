#!/usr/bin/env bash
#
# Results arrive as HL7 v2 in files, whose lines many programs end with LF or CR LF; the standard wants CR. python-hl7 takes each
# without a word: with LF the whole message becomes its first segment (every result is gone), with CR LF the segments keep
# the line feed in their names and cannot be found by name. Give it segments that end in CR.
#
# Installs hl7==0.4.5 into a temporary folder and ends with 0 while the behaviour is as written here.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check hl7==0.4.5
seen=$("$tmp/venv/bin/python" - <<'PY'
import hl7

message = "\r".join([
    r"MSH|^~\&|LAB|SOUTH|POSTERN|CLINIC|20260101120000||ORU^R01|1|P|2.5",
    "PID|1||123||TREMBLAY^ANNE",
    "OBX|1|NM|GLU||5.5|mmol/L",
    "OBX|2|NM|NA||140|mmol/L",
])
for name, end in [("CR", "\r"), ("LF", "\n"), ("CR LF", "\r\n")]:
    parsed = hl7.parse(message.replace("\r", end))
    try:
        results = len(parsed.segments("OBX"))
    except KeyError:
        results = "none found"
    print(f"{name}: {len(parsed)} segments, results: {results}")
PY
)
wanted=$(cat <<'SEEN'
CR: 4 segments, results: 2
LF: 1 segments, results: none found
CR LF: 4 segments, results: none found
SEEN
)
echo "with hl7==0.4.5:"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ] || { printf 'this was seen before:\n%s\n' "$wanted"; exit 1; }
