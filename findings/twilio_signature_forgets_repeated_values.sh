#!/usr/bin/env bash
#
# Twilio signs a webhook over its parameters. Its own library sorts the values of a parameter that comes several times and leaves
# out those that are alike, so "A=1&A=1" and "A=1" have one signature, and so have "A=2&A=1" and "A=1&A=2": whoever writes a check of
# their own over the body as it came refuses what Twilio's library takes. The port counts: :443 gives another signature.
#
# Installs twilio==9.13.0 werkzeug==3.1.3 into a temporary folder and ends with 0 while the behaviour is as written here.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check twilio==9.13.0 werkzeug==3.1.3
seen=$("$tmp/venv/bin/python" - <<'PY'
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

validator, address = RequestValidator("secret"), "https://clinic.example/hook"
signed = lambda *pairs: validator.compute_signature(address, MultiDict(pairs))
print("A=1&A=1 as A=1:", signed(("A", "1"), ("A", "1")) == signed(("A", "1")))
print("A=2&A=1 as A=1&A=2:", signed(("A", "2"), ("A", "1")) == signed(("A", "1"), ("A", "2")))
print("with :443 as without:", validator.compute_signature("https://clinic.example:443/hook", {}) == signed())
PY
)
wanted=$(cat <<'SEEN'
A=1&A=1 as A=1: True
A=2&A=1 as A=1&A=2: True
with :443 as without: False
SEEN
)
echo "with twilio==9.13.0 werkzeug==3.1.3:"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ] || { printf 'this was seen before:\n%s\n' "$wanted"; exit 1; }
