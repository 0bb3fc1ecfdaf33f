#!/usr/bin/env python3
"""MQTT 5 as a dialect (docs/DIALECTS.md), with paho-mqtt: README.md tells how its words are those of MQTT."""

import argparse
import json
import os
import select
import socket
import sys
from urllib.parse import quote, unquote

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

RESUME_WINDOW = 60  # seconds: Session Expiry Interval
KEEP_ALIVE = 10  # seconds: a silent connection ends after one and a half times that
VERBS = ["connect", "register", "subscribe", "unsubscribe", "tell", "ask", "publish", "broadcast",
         "heartbeat", "ping", "disconnect"]
KEEPS = ["takeover", "takeover_told", "resume", "subscriptions_survive_takeover", "sender", "fifo", "ask_outcome",
         "quiet_tell", "message_ttl", "publish", "broadcast", "idle_timeout"]

NO_MATCHING_SUBSCRIBERS, SHUTTING_DOWN, KEEP_ALIVE_TIMEOUT, TAKEN_OVER = 0x10, 0x8B, 0x8D, 0x8E
WILLS = "wills"  # the topic of wills, whose payload is empty
REFUSALS = {0x87: "unauthorized", 0x88: "unavailable", 0x89: "unavailable", 0x90: "invalid", 0x95: "invalid",
            0x96: "rate_limited", 0x97: "rate_limited"}

connections = {}


class NoWords(Exception):
    pass


def say(**line):
    print(json.dumps(line, separators=(",", ":")), flush=True)


def topic(*names):
    return "/".join(quote(name, safe="") for name in names if name is not None)


def properties(packet, **values):
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Connection(mqtt.Client):
    """One connection: it never comes back by itself."""

    def __init__(self, number, port, speaker):
        super().__init__(mqtt.CallbackAPIVersion.VERSION2, client_id=quote(speaker, safe=""), protocol=mqtt.MQTTv5,
                         reconnect_on_failure=False)
        self.number, self.speaker, self.qos = number, speaker, options.qos
        self.asked, self.pings, self.registering, self.resumed = {}, [], None, False
        # PUBRECs have reasons, of which paho tells nothing.
        self.reasons = {}
        self.max_inflight_messages_set(0)
        self.max_queued_messages_set(0)
        self.dialled = socket.create_connection(("127.0.0.1", port), timeout=1)
        self.dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _create_socket(self):
        return self.dialled

    def fileno(self):
        return (self.socket() or self.dialled).fileno()

    def tell(self, event, **words):
        say(line="heard", connection=self.number, heard={"event": event, **words})

    def lose(self, why, code=None):
        if connections.pop(self.number, None):
            self._sock_close()
            self.dialled.close()
            say(line="lost", connection=self.number, why=why, **({"code": code} if code else {}))

    # What a client does.

    def do(self, operation):
        """Begins it; what comes of it is told later."""
        verb = operation["do"]
        if {operation["as"], operation.get("address", self.speaker)} != {self.speaker}:
            raise NoWords("in MQTT a connection has one client id")
        if verb == "connect":
            return lambda: self.tell("connected", operation=operation["id"])
        if verb == "register":
            return self.take(operation)
        if not self.socket():
            raise NoWords("MQTT has nothing to say before its CONNECT, which is `register`")
        if verb == "subscribe":
            wanted = [(topic("topic", operation["topic"]), SubscribeOptions(qos=self.qos))]
            self.await_(super().subscribe(wanted), operation)
        elif verb == "unsubscribe":
            self.await_(super().unsubscribe(topic("topic", operation["topic"])), operation)
        elif verb in ("heartbeat", "ping"):
            self.pings.append(operation)
            self._send_pingreq()
        elif verb == "disconnect":
            forget = properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0)
            return lambda: self.disconnect(properties=forget)
        else:
            self.send(verb, operation)

    def take(self, operation):
        if self.socket():
            return self.take_inbox(operation)
        self.registering = operation
        gone = properties(PacketTypes.WILLMESSAGE, UserProperty=("from", self.speaker))
        self.will_set(topic("topic", WILLS), "", qos=self.qos, properties=gone)
        self.connect("127.0.0.1", 1, keepalive=KEEP_ALIVE, clean_start=False,
                     properties=properties(PacketTypes.CONNECT, SessionExpiryInterval=RESUME_WINDOW))

    def take_inbox(self, operation):
        """Whoever comes back asks again: the one before may not have come so far."""
        others = SubscribeOptions(qos=self.qos, noLocal=True)
        everything = SubscribeOptions(qos=self.qos)
        whose = operation.get("capability")
        self.await_(super().subscribe([(topic("inbox", self.speaker), everything), (topic("all", whose), everything),
                                       (topic("others", whose), others)]), operation)

    def await_(self, sent, operation):
        error, number = sent
        # One that cannot be sent is lost with its connection.
        if not error:
            self.asked[number] = operation

    def send(self, verb, operation):
        to = {"tell": ("inbox", operation.get("to", "")), "ask": ("inbox", operation.get("to", "")),
              "publish": ("topic", operation.get("topic", "")),
              "broadcast": ("others" if operation.get("exclude_self") else "all", operation.get("capability"))}[verb]
        bears = properties(PacketTypes.PUBLISH, UserProperty=("from", self.speaker))
        if operation.get("ttl_ms") is not None:
            bears.MessageExpiryInterval = operation["ttl_ms"] // 1000
            if not bears.MessageExpiryInterval:
                raise NoWords("in MQTT messages expire after whole seconds")
        # An outcome needs an acknowledgement, whatever the quality of the way from there.
        qos = self.qos if verb == "tell" else max(self.qos, 1)
        payload = json.dumps(operation["payload"], separators=(",", ":"))
        sent = self.publish(topic(*to), payload, qos=qos, properties=bears)
        if verb != "tell":
            self.await_((sent.rc, sent.mid), operation)

    # What the hub says.

    def on_connect(self, _client, _userdata, flags, reason, _properties):
        operation, self.registering = self.registering, None
        if reason.is_failure:
            return self.refuse(operation, reason.value)
        self.resumed = flags.session_present
        self.take_inbox(operation)

    def on_subscribe(self, _client, _userdata, number, reasons, _properties):
        self.settle(number, max(reason.value for reason in reasons))

    def on_unsubscribe(self, _client, _userdata, number, reasons, _properties):
        self.settle(number, max(reason.value for reason in reasons))

    def on_publish(self, _client, _userdata, number, reason, _properties):
        self.settle(number, self.reasons.pop(number, reason.value))

    def settle(self, number, reason):
        operation = self.asked.pop(number, None)
        if not operation:
            return  # a tell
        if reason >= 0x80:
            return self.refuse(operation, reason)
        if operation["do"] == "register":
            return self.tell("owned", operation=operation["id"], address=self.speaker, resumed=self.resumed)
        if operation["do"] == "ask" and reason == NO_MATCHING_SUBSCRIBERS:
            return self.tell("refused", operation=operation["id"], why="unknown_recipient")
        self.tell("done", operation=operation["id"])

    def refuse(self, operation, reason):
        self.tell("refused", operation=operation["id"], why=REFUSALS.get(reason, "other"))

    def on_message(self, _client, _userdata, message):
        kind, *name = [unquote(part) for part in message.topic.split("/")]
        sender = dict(getattr(message.properties, "UserProperty", [])).get("from")
        if name == [WILLS] and not message.payload:
            return self.tell("other", type="will", sender=sender)
        try:
            words = {"payload": json.loads(message.payload)}
        except ValueError as error:
            return self.tell("unreadable", why=str(error))
        if sender is not None:
            words["from"] = sender
        if kind in ("inbox", "topic"):
            words["to" if kind == "inbox" else "topic"] = name[0]
        self.tell("delivered", **words)

    def on_disconnect(self, _client, _userdata, flags, reason, _properties):
        if not flags.is_disconnect_packet_from_server:
            return self.lose(str(reason))
        if reason.value == TAKEN_OVER:
            self.tell("told", what="superseded", address=self.speaker)
        elif reason.value == SHUTTING_DOWN:
            self.tell("told", what="shutdown")
        self.lose(str(reason), reason.value)

    def _handle_pingresp(self):
        error = super()._handle_pingresp()
        if not error and self.pings:
            self.tell("done", operation=self.pings.pop(0)["id"])
        return error

    def _handle_pubrec(self):
        packet = self._in_packet["packet"]
        if len(packet) > 2:
            self.reasons[int.from_bytes(packet[:2], "big")] = packet[2]
        return super()._handle_pubrec()

    # Its socket.

    def read(self):
        if self.socket():
            try:
                self.loop_read()
            except Exception as error:  # paho's parser trusts what it reads
                self.lose(f"it cannot be read: {error!r}")
            return
        try:
            talk = self.dialled.recv(4096)
        except OSError as error:
            return self.lose(str(error))
        self.lose("the hub speaks first" if talk else "the hub closed")

    def close(self, in_order):
        if in_order and self.socket():
            self.disconnect()
        else:
            self.lose("closed")


def answer(line):
    """What it comes to, and what is to be told after that."""
    what, number = line.get("line"), line.get("connection")
    if what == "init":
        keeps = KEEPS + ([] if options.qos == 1 else ["at_most_once"])
        promises = {"keeps": keeps, "verbs": VERBS, "resume_window": f"{RESUME_WINDOW}s",
                    "heartbeat": f"{KEEP_ALIVE // 2}s", "idle_timeout": f"{KEEP_ALIVE * 3 // 2}s",
                    "one_address": True, "superseded_code": TAKEN_OVER, "idle_code": KEEP_ALIVE_TIMEOUT}
        return {"mode": "client", "promises": promises}, None
    if what == "open":
        return {}, lambda: dial(number, line["port"], line["as"])
    if what == "say":
        operation, connection = line["operation"], connections.get(number)
        if operation["do"] not in VERBS:
            raise NoWords(f"MQTT has no {operation['do']}")
        # What is asked of a connection that is gone is lost.
        return {}, connection and connection.do(operation)
    if what == "close":
        connection = connections.get(number)
        return {}, connection and (lambda: connection.close(line["in_order"]))
    raise NoWords(f"there is no line {what}")


def dial(number, port, speaker):
    try:
        connections[number] = Connection(number, port, speaker)
        say(line="opened", connection=number)
    except OSError as error:
        say(line="lost", connection=number, why=str(error))


def attend(line):
    line = json.loads(line)
    try:
        words, then = answer(line)
    except NoWords as why:
        words, then = {"error": "no_words", "why": str(why)}, None
    say(n=line["n"], **words)
    if then:
        then()


def main():
    stdin, unread = sys.stdin.fileno(), b""
    while True:
        writing = [connection for connection in connections.values() if connection.want_write()]
        reads, writes, _ = select.select([stdin, *connections.values()], writing, [])
        for connection in writes:
            connection.loop_write()
        if stdin in reads:
            talk = os.read(stdin, 1 << 16)
            if not talk:
                return
            *lines, unread = (unread + talk).split(b"\n")
            for line in lines:
                attend(line)
        for connection in reads:
            if connection != stdin and connection.number in connections:
                connection.read()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--qos", type=int, choices=[0, 1, 2], default=0, help="of all that is delivered")
options = parser.parse_args()
main()
