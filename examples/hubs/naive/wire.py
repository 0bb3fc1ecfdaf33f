"""What clients may say: envelopes and their fields (docs/PROTOCOL.md, sections 1 and 2)."""

import json
import re
import time
import uuid

import settings

HUB = "@(cloudflare/signal-hub)"


class Refused(Exception):
    """The hub's no."""

    def __init__(self, code, message, **details):
        super().__init__(message)
        self.id, self.code = None, code
        self.payload = {"code": code, "message": message, "details": details,
                        "resolution": "Mend what the message names, and send it again."}


def take(fields, name, fits, expected, *otherwise):
    """Returns a field that fits, or what stands for one that is absent."""
    value = fields.get(name.split(".")[-1])
    if value is None and otherwise:
        return otherwise[0]
    if value is not None and fits(value):
        return value
    rule = f"{name} is required" if value is None else f"{name} must be {expected}"
    received = "nothing" if value is None else type(value).__name__
    raise Refused("internal_error", rule, field=name, expected=expected, received=received)


def check_limit(count, limit, what, code="rate_limited"):
    if count >= limit:
        raise Refused(code, f"no more {what}", limit=limit)


def text(least, most):
    return lambda value: isinstance(value, str) and least <= len(value.encode()) <= most


def number(least):
    return lambda value: type(value) is int and least <= value < 1 << 64


def texts(most, length):
    return lambda value: (isinstance(value, list) and 0 < len(value) <= most
                          and all(map(text(0, length), value)))


def is_object(value):
    return isinstance(value, dict)


def is_flag(value):
    return isinstance(value, bool)


def is_address(value):
    return text(4, 258)(value) and re.fullmatch(r"@\([\w.~:-]+(/[\w.~:-]+)*\)", value, re.ASCII)


def is_small_object(value):
    return is_object(value) and len(dump(value)) <= settings.registration_metadata_bytes_max


def is_application_type(value):
    return text(1, 256)(value) and not value.startswith("hub:")


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def message(sender, to, kind, payload, metadata, correlation=None):
    return dump({"id": str(uuid.uuid4()), "from": sender, "to": to, "type": kind, "pattern": "tell",
                 "timestamp": milliseconds(), "payload": payload, "metadata": metadata,
                 "correlationId": correlation, "ttl": None, "signature": None}).encode()


def check_size(to, body):
    size = len(message(body["from"], to, body["type"], body["payload"], body["metadata"]))
    if size > settings.message_bytes_max:
        raise Refused("message_too_large", f"it would arrive with {size} bytes",
                      actualSize=size, maxSize=settings.message_bytes_max)


def milliseconds():
    return int(time.time() * 1000)


def is_ping(request):
    return request.get("id") is None and request.get("type") == "ping"


def envelope(data):
    """Reads a frame, or refuses it with its id if it had a valid one."""
    try:
        request = json.loads(data.decode())
        dump(request).encode()
    except (ValueError, RecursionError):
        request = None
    if not is_object(request):
        raise Refused("internal_error", "the client sent a frame that is not a JSON object")
    if is_ping(request) and len(data) <= 1024:
        return request
    try:
        take(request, "type", text(0, 256), "a string of at most 256 bytes")
        take(request, "id", text(1, 128), "a string of 1 to 128 bytes")
        take(request, "from", is_address, "an address: @(path)")
        take(request, "to", is_address, "an address: @(path)")
        take(request, "pattern", ("tell", "ask").__contains__, "tell or ask")
        take(request, "timestamp", number(0), "epoch milliseconds")
        take(request, "ttl", number(0), "a whole number of milliseconds", None)
        request["metadata"] = take(request, "metadata", is_object, "an object", {})
        return request
    except Refused as refused:
        refused.id = request["id"] if text(1, 128)(request.get("id")) else None
        raise
