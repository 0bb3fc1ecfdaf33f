"""What can be set: of this project's hub, under the same names. Times are in seconds."""

import re
import sys
import tomllib

connect_timeout, idle_timeout, ping_interval, heartbeat_interval = 10, 60, 20, 25
refusal_linger, close_timeout, shutdown_timeout, slow_consumer_timeout = 12, 5, 5, 10
resume_window, dedupe_window, clock_skew = 30, 60, 5
message_bytes_max, connect_bytes_max, metadata_bytes_max = 1 << 20, 64 << 10, 64 << 10
registration_metadata_bytes_max, capabilities_max, capability_bytes_max = 16 << 10, 64, 128
queue_messages_max, queue_bytes_max, malformed_per_minute_max = 1024, 4 << 20, 8
pause_threshold, resume_threshold = 768, 256
sessions_max, addresses_per_session_max, registrations_max = 100_000, 1000, 50_000
subscriptions_per_session_max, broadcast_recipients_max = 1000, 10_000
dedupe_entries_max = 100_000
# What this hub does not do cannot be set to anything else.
ABSENT = {
    "rate_limit_per_second": 100, "rate_limit_burst": 200, "rate_limit_bytes": 4096,
    "rate_limit_rows": 100, "ping_limit_per_second": 100, "ping_limit_burst": 200,
    "scan_rows_max": 50_000,
    "dedupe_entries_per_address_max": 8000, "type_bytes_max": 256,
    "registration_metadata_depth_max": 32,
}
UNITS = {"ms": 0.001, "s": 1, "m": 60}


def read(path):
    with open(path, "rb") as file:
        for name, value in tomllib.load(file).items():
            if ABSENT.get(name, value) != value:
                sys.exit(f"this hub cannot do anything about {name} = {value}")
            if name in globals():
                globals()[name] = seconds(value) if isinstance(value, str) else value


def seconds(text):
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m)", text))
