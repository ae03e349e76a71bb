"""A Twilio that remembers: takes texts as its published contract says (twilio_contract.json), reports on them by signed
callbacks, and obeys STOP. Prints its port as soon as it listens.

    twilio.py PORT ACCOUNT_SID AUTH_TOKEN        (port 0: any that is free)

The last digits of the recipient choose what happens:
    01  400 with 21211, no such number
    02  429 twice, then taken
    03  taken, then "undelivered" with 30005
    04  500 once, then taken
    05  taken, but the answer never comes
    06  taken; its callbacks come twice and in the wrong order
    08  taken; "undelivered" with 21610, a STOP that this Twilio has known all along
    else taken, "sent", "delivered"

GET  /_texts    everything taken, and how each callback was answered
POST /_text     {"url", "from", "to", "body", …}: a text comes in, and is posted, signed, to the url; gives the answer
"""
import base64
import collections
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, SID, TOKEN = int(sys.argv[1]), sys.argv[2], sys.argv[3]
CONTRACT = json.load(open(os.path.join(os.path.dirname(__file__), "twilio_contract.json"), encoding="utf-8"))
texts, answered, stopped, tries = {}, [], set(), collections.Counter()


def faults(schema, values):
    """What in these values the contract does not allow."""
    properties = schema["properties"]
    for name, value in values.items():
        rule = properties.get(name)
        if rule is None:
            yield f"{name}: no such field"
        elif "pattern" in rule and not re.fullmatch(rule["pattern"], value):
            yield f"{name}: {value!r} does not match"
        elif rule.get("format") == "uri" and not urllib.parse.urlparse(value).netloc:
            yield f"{name}: no address"
    for one in schema.get("required", []):
        if one not in values:
            yield f"{one}: missing"
    for group in schema.get("allOf", []):
        if not any(all(name in values for name in one["required"]) for one in group["anyOf"]):
            yield f"one of {group['anyOf']} is missing"


def signature(url, fields):
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(TOKEN.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def post(url, fields):
    """Status and body of the answer; tried three times."""
    headers = {"X-Twilio-Signature": signature(url, fields), "User-Agent": "TwilioProxy/1.1"}
    request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), headers)
    status, body = 0, ""
    for _ in range(3):
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                status, body = answer.status, answer.read().decode()
            break
        except urllib.error.HTTPError as error:
            status, body = error.code, ""
            break
        except OSError as error:
            body = str(error)
            time.sleep(0.2)
    answered.append([url, fields.get("MessageStatus"), status])
    return status, body


def live(text, callback):
    """Reports what becomes of a text."""
    to = text["to"]
    steps = [("sent", None), ("delivered", None)]
    if to.endswith("03"):
        steps[1] = ("undelivered", 30005)
    if to.endswith("08"):
        steps[1] = ("undelivered", 21610)
    if to.endswith("06"):
        steps = [("delivered", None), ("sent", None), ("delivered", None), ("queued", None)]
    for status, code in steps:
        time.sleep(0.05)
        text["status"], text["error_code"] = status, code
        fields = {
            "MessageSid": text["sid"], "SmsSid": text["sid"], "MessageStatus": status, "SmsStatus": status,
            "AccountSid": SID, "From": text["from"] or "", "To": to, "ApiVersion": "2010-04-01",
        }
        if code:
            fields["ErrorCode"] = str(code)
        if callback:
            post(callback, fields)
    text["settled"] = True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code, message):
        self.answer(status, {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status})

    def do_GET(self):
        if self.path == "/_texts":
            return self.answer(200, {"texts": list(texts.values()), "answered": answered})
        return self.refuse(404, 20404, "not found")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/_text":
            return self.come_in(json.loads(body))
        login = base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {login}":
            return self.refuse(401, 20003, "Authenticate")
        if self.path != f"/2010-04-01/Accounts/{SID}/Messages.json":
            return self.refuse(404, 20404, f"The requested resource {self.path} was not found")
        return self.take({name: values[0] for name, values in urllib.parse.parse_qs(body, keep_blank_values=True).items()})

    def come_in(self, text):
        sid = text.get("sid") or "SM" + secrets.token_hex(16)
        fields = {
            "MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "AccountSid": SID, "From": text["from"],
            "To": text["to"], "Body": text["body"], "NumMedia": "0", "NumSegments": "1", "SmsStatus": "received",
            "ApiVersion": "2010-04-01", **text.get("more", {}),
        }
        if text["body"].strip().upper() == "STOP":
            stopped.add(text["from"])
        status, answer = post(text["url"], fields)
        self.answer(200, {"status": status, "answer": answer})

    def take(self, form):
        to = form.get("To", "")
        tries[to] += 1
        wrong = list(faults(CONTRACT["request"], form))
        if wrong:
            # the contract is broken: not an answer of Twilio's, so that a test sees it
            return self.refuse(418, 0, "; ".join(wrong))
        if to.endswith("01"):
            return self.refuse(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if to in stopped:
            return self.refuse(400, 21610, "Attempt to send to unsubscribed recipient")
        if to.endswith("02") and tries[to] < 3:
            return self.refuse(429, 20429, "Too Many Requests")
        if to.endswith("04") and tries[to] < 2:
            return self.refuse(500, 20500, "Internal server error")
        now = formatdate()
        sid = "SM" + secrets.token_hex(16)
        text = {
            "account_sid": SID, "api_version": "2010-04-01", "body": form["Body"], "date_created": now,
            "date_sent": None, "date_updated": now, "direction": "outbound-api", "error_code": None,
            "error_message": None, "from": form.get("From"), "num_media": "0", "num_segments": "1", "price": None,
            "price_unit": "USD", "messaging_service_sid": form.get("MessagingServiceSid"), "sid": sid,
            "status": "queued", "subresource_uris": {}, "to": to, "uri": f"{self.path[:-5]}/{sid}.json",
        }
        foreign = set(text) ^ set(CONTRACT["message"]["properties"])
        assert not foreign, foreign
        texts[sid] = {**text, "callback": form.get("StatusCallback"), "settled": False}
        threading.Thread(target=live, args=(texts[sid], form.get("StatusCallback")), daemon=True).start()
        if to.endswith("05"):
            time.sleep(30)
        self.answer(201, text)


server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
