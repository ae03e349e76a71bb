#!/usr/bin/env bash
#
# libphonenumber reads "ext. 23" as an extension. Words that it does not know as such become digits of the number by the letters of a
# telephone's keys: the French "poste 23", or "cell" behind a number, give a number that nobody has, and no error. With a comma before
# the same word the whole number is refused. Cut such words first.
#
# Installs phonenumbers==9.0.43 into a temporary folder and ends with 0 while the behaviour is as written here.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check phonenumbers==9.0.43
seen=$("$tmp/venv/bin/python" - <<'PY'
import phonenumbers

for typed in ["514-555-0142 ext. 23", "514-555-0142 poste 23", "514-555-0142, poste 23", "514-555-0142 cell"]:
    try:
        number = phonenumbers.parse(typed, "CA")
        print(f"{typed}: {number.national_number}, extension {number.extension}, valid {phonenumbers.is_valid_number(number)}")
    except phonenumbers.NumberParseException as refused:
        print(f"{typed}: refused: {refused}")
PY
)
wanted=$(cat <<'SEEN'
514-555-0142 ext. 23: 5145550142, extension 23, valid True
514-555-0142 poste 23: 51455501427678323, extension None, valid False
514-555-0142, poste 23: refused: (1) The string supplied did not seem to be a phone number.
514-555-0142 cell: 51455501422355, extension None, valid False
SEEN
)
echo "with phonenumbers==9.0.43:"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ] || { printf 'this was seen before:\n%s\n' "$wanted"; exit 1; }
