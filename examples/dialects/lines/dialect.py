#!/usr/bin/env python3
"""A dialect of a small protocol of text lines, as an example: docs/DIALECTS.md tells what it is for.

A client says `ID VERB ...`, the hub answers `ID ok` or `ID no REASON`, and says on its own
`from SENDER PAYLOAD`, `on TOPIC SENDER PAYLOAD` and `taken ADDRESS`.
"""

import json
import sys

PROMISES = {
    "keeps": ["takeover", "takeover_told", "sender", "fifo", "ask_outcome", "publish"],
    "verbs": ["connect", "register", "subscribe", "unsubscribe", "ask", "publish", "ping", "disconnect"],
}
REASONS = {"unknown": "unknown_recipient", "denied": "unauthorized", "full": "rate_limited"}

asked = {}  # by connection: what each id asked for


class NoWords(Exception):
    pass


def words(operation):
    """What a client says for it."""
    do = operation["do"]
    payload = json.dumps(operation.get("payload"), separators=(",", ":"))
    if do == "connect":
        return "hello"
    if do == "register":
        return f"take {operation['address']}"
    if do == "subscribe":
        return f"want {operation['topic']}"
    if do == "unsubscribe":
        return f"drop {operation['topic']}"
    if do == "ask":
        return f"to {operation['to']} {payload}"
    if do == "publish":
        return f"on {operation['topic']} {payload}"
    if do == "ping":
        return "ping"
    if do == "disconnect":
        return "bye"
    raise NoWords(f"there is no {do} in this protocol")


def answered(operation, reason):
    """What an answer says."""
    about = {"operation": operation["id"]}
    if reason:
        return {"event": "refused", "why": REASONS.get(reason, "other"), **about}
    if operation["do"] == "connect":
        return {"event": "connected", **about}
    if operation["do"] == "register":
        return {"event": "owned", "address": operation["address"], **about}
    return {"event": "done", **about}


def heard(connection, text):
    """What the hub says."""
    try:
        first, second, rest = (text.split(" ", 2) + ["", ""])[:3]
        if first == "from":
            return {"event": "delivered", "from": second, "payload": json.loads(rest)}
        if first == "on":
            sender, payload = rest.split(" ", 1)
            return {"event": "delivered", "from": sender, "topic": second, "payload": json.loads(payload)}
        if first == "taken":
            return {"event": "told", "what": "superseded", "address": second}
        reason = {"ok": None, "no": rest}[second]
        return answered(asked[connection].pop(first), reason)
    except (ValueError, KeyError) as error:
        return {"event": "unreadable", "why": repr(error)}


def turn(line):
    what, connection = line.get("line"), line.get("connection")
    if what == "init":
        return {"mode": "frames", "promises": PROMISES}
    if what in ("opened", "closed"):
        asked[connection] = {}
        return {}
    if what == "say":
        operation = line["operation"]
        text = f"{operation['id']} {words(operation)}"
        asked.setdefault(connection, {})[operation["id"]] = operation
        return {"frames": [{"text": text}]}
    if what == "hear":
        text = line["frame"].get("text", "")
        return {"heard": [heard(connection, text)]}
    raise NoWords(f"there is no line {what}")


for line in map(json.loads, sys.stdin):
    try:
        answer = turn(line)
    except NoWords as why:
        answer = {"error": "no_words", "why": str(why)}
    print(json.dumps({"n": line["n"], **answer}), flush=True)
