"""What goes from actor to actor, and who finds whom. A verb returns its reply."""

import fnmatch
import re
import uuid

import settings
from wire import (HUB, Refused, check_limit, check_size, dump, is_application_type, is_flag,
                  is_small_object, message, milliseconds, number, take, text, texts)

RESERVED = {"publication", "topic", "broadcast", "forwarded", "seq"}


def send(hub, session, request, payload):
    to = take(payload, "to", text(0, 258), "an address", "") or request["to"]
    copy = copy_of(hub, session, request, payload, {"forwarded": True}, to)
    known = hub.known.get(to)
    if not (known and known.owner):
        return "hub:unknown_actor", {"actorAddress": to, "message": f"Actor not registered: {to}"}
    if not deliver(session, known, to, copy):
        raise Refused("rate_limited", f"the queue of {to} is full", retryAfterMs=10_000,
                      retryAfter=10, limit=settings.queue_messages_max)
    return "hub:delivery_ack", {"messageId": request["id"], "deliveredAt": milliseconds(),
                                "status": "delivered"}


def publish(hub, session, request, payload):
    topic = take(payload, "topic", text(1, 256), "a string of 1 to 256 bytes")
    copy = copy_of(hub, session, request, payload, {"publication": True, "topic": topic})
    to = [address for address in live(hub) if topic in hub.topics(address)]
    return "hub:published", {"topic": topic, "subscriberCount": deliver_all(hub, session, to, copy)}


def broadcast(hub, session, request, payload):
    spares = take(payload, "excludeSelf", is_flag, "true or false", False)
    wanted = take(request["metadata"], "targetCapability", text(0, 1 << 20), "a string", None)
    copy = copy_of(hub, session, request, payload, {"broadcast": True})
    to = [address for address in live(hub) if not (spares and address == copy["from"])
          and (wanted is None or wanted in hub.known[address].capabilities)]
    limit = settings.broadcast_recipients_max
    check_limit(len(to) - 1, limit, "recipients", "BROADCAST_LIMIT_EXCEEDED")
    count = deliver_all(hub, session, to, copy)
    return "hub:broadcast_ack", {"messageId": request["id"], "deliveredCount": count,
                                 "failedCount": len(to) - count}


def copy_of(hub, session, request, payload, route, to="@(" + 255 * "x" + ")"):
    """Returns what each recipient gets, but for its address."""
    kind = take(payload, "payload.type", is_application_type, "a string that is not hub:*")
    sender, ttl = hub.acting(session, request), request.get("ttl")
    if ttl is not None and request["timestamp"] + ttl + settings.clock_skew * 1000 < milliseconds():
        raise Refused("message_expired", "the message's time to live was over when it arrived")
    metadata = {key: value for key, value in request["metadata"].items() if key not in RESERVED}
    metadata |= route | {"via": HUB, "originalMessageId": request["id"]}
    copy = {"from": sender, "type": kind, "payload": payload.get("data"), "metadata": metadata,
            "until": None if ttl is None else hub.now() + ttl / 1000}
    check_size(to, copy)
    return copy


def deliver_all(hub, session, to, copy):
    return sum(deliver(session, hub.known[address], address, copy) for address in to)


def deliver(session, known, to, copy):
    """Returns whether there was room in the queue of whoever has the address."""
    data = message(copy["from"], to, copy["type"], copy["payload"], copy["metadata"])
    for receiver in known.superseded:  # old_session_receives
        receiver.put(data)
    if has_room := known.owner.has_room(len(data)):
        known.owner.put(data, copy["until"])
    session.pause_for(known.owner, to)
    return has_room


def subscribe(hub, session, request, payload):
    topic = take(payload, "topic", text(1, 256), "a string of 1 to 256 bytes")
    take(payload, "durable", is_flag, "true or false", False)
    topics = hub.topics(hub.acting(session, request))
    held = sum(len(hub.topics(address)) for address in session.addresses)
    if topic not in topics:
        check_limit(held, settings.subscriptions_per_session_max, "subscriptions")
    # Whoever subscribes again waits for ever.
    assert topic not in topics or "ask_throws" not in hub.bugs
    subscription = topics.setdefault(topic, f"sub-{uuid.uuid4()}")
    return "hub:subscribed", {"topic": topic, "subscriptionId": subscription}


def unsubscribe(hub, session, request, payload):
    name = "topic" if payload.get("topic") is not None else "subscriptionId"
    named = take(payload, name, text(1, 256), "a string of 1 to 256 bytes")
    topics = hub.topics(hub.acting(session, request))
    by_id = (topic for topic, subscription in topics.items() if subscription == named)
    topic = named if name == "topic" else next(by_id, named)
    topics.pop(topic, None)
    return "hub:unsubscribed", {"topic": topic, "unsubscribedAt": milliseconds()}


def live(hub):
    return sorted(address for address, known in hub.known.items() if known.owner)


def page(hub, payload, fits):
    """Returns the actors of a page of those who fit, and where to go on."""
    limit = min(100, take(payload, "limit", number(1), "a whole number of at least 1", 100))
    offset = take(payload, "offset", number(0), "a whole number", 0)
    cursor = take(payload, "cursor", text(0, 258), "a cursor", "")
    fitting = [address for address in live(hub) if address > cursor and fits(address)]
    actors = [{"address": address, "actorAddress": address, "metadata": hub.known[address].metadata,
               "capabilities": hub.known[address].capabilities}
              for address in fitting[offset:offset + limit]]
    while len(dump(actors)) > settings.message_bytes_max // 2:
        actors.pop()
    has_more = offset + len(actors) < len(fitting)
    more = {"nextOffset": offset + len(actors)} if has_more else {}
    more |= {"nextCursor": actors[-1]["address"]} if has_more and actors else {}
    return actors, {"hasMore": has_more, **more}, offset, limit


def discover(hub, session, request, payload):
    pattern = take(payload, "pattern", text(0, 512), "a string of at most 512 bytes", "*")
    wanted = take(payload, "capabilities", texts(64, 1 << 20), "at most 64 strings", [])
    wanted = wanted + [take(payload, "capability", text(0, 1 << 20), "a string", None)]
    facts = take(payload, "metadata", is_small_object, "an object of at most 16 KiB", {})
    glob = re.compile(fnmatch.translate(re.sub(r"([?[])", r"[\1]", pattern)))

    def fits(address):
        known = hub.known[address]
        name = address if pattern.startswith("@(") else address[2:-1]
        return (glob.fullmatch(name) and {*wanted} - {None} <= {*known.capabilities}
                and all(key in known.metadata and known.metadata[key] == value
                        for key, value in facts.items()))
    actors, more, _, _ = page(hub, payload, fits)
    return "hub:discovered", {"actors": actors, **more}


def list_actors(hub, session, request, payload):
    actors, more, offset, limit = page(hub, payload, lambda _: True)
    for actor in actors:
        known = hub.known[actor["address"]]
        actor |= {"registeredAt": known.at, "expiresAt": hub.wall(known.until),
                  "version": known.version}
    return "hub:actor_list", {"actors": actors, "total": len(live(hub)), "offset": offset,
                              "limit": limit, **more}


def queue_stats(hub, session, request, payload):
    rate = session.written.count(int(hub.now()) - 1)
    return "hub:queue_stats_response", {
        "queueDepth": len(session.queue), "processingRate": rate,
        "pauseThreshold": settings.pause_threshold, "resumeThreshold": settings.resume_threshold}


def metrics(hub, session, request, payload):
    names = ("messages_received", "messages_sent", "errors", "connections_opened",
             "connections_closed")
    return "hub:metrics_response", {name: hub.counts[name] for name in names} | {
        "windowStart": hub.minute * 60_000, "timestamp": milliseconds()}


def refresh_token(hub, session, request, payload):
    raise Refused("invalid_token", "this hub takes no tokens")


VERBS = {f"hub:{verb.__name__}": verb for verb in (
    send, publish, broadcast, subscribe, unsubscribe, discover, list_actors, queue_stats, metrics,
    refresh_token)}
