"""The server's side of one WebSocket (RFC 6455), as far as a hub needs it."""

import asyncio
import base64
import hashlib
import struct
import time

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
PROTOCOL_ERROR = 1002
DISCARDED_MAX, PONGS_MAX = 16 << 20, 64 << 10
HANDSHAKE_SECONDS = 10


class WebSocket:
    def __init__(self, reader, writer, heard):
        """`heard` is called when bytes come, unless more slowly than 8 KiB a second."""
        self.reader, self.writer, self.heard = reader, writer, heard
        self.close_code = 1000

    async def accept(self):
        """Returns whether the client asked for a WebSocket at / or /ws, and got it."""
        asked = self.reader.readuntil(b"\r\n\r\n")
        head = (await asyncio.wait_for(asked, HANDSHAKE_SECONDS)).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in head[1:])
        fields = {name.strip().lower(): value.strip() for name, _, value in fields}
        key = fields.get("sec-websocket-key")
        if (head[0] not in ("GET /ws HTTP/1.1", "GET / HTTP/1.1") or not key
                or fields.get("upgrade", "").lower() != "websocket"
                or fields.get("sec-websocket-version") != "13"):
            self.writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            return False
        key += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.writer.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                          f"connection: upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n".encode())
        return True

    def write(self, opcode, data=b""):
        size = len(data)
        length = (bytes([size]) if size < 126 else struct.pack(">BH", 126, size) if size < 1 << 16
                  else struct.pack(">BQ", 127, size))
        self.writer.write(bytes([0x80 | opcode]) + length + data)

    def write_close(self, code):
        self.write(CLOSE, struct.pack(">H", code))

    async def read(self, size):
        data, began = bytearray(), None
        while len(data) < size:
            chunk = await self.reader.read(size - len(data))
            if not chunk:
                raise ConnectionError("it ended within a frame")
            data += chunk
            began = began or time.monotonic()
            if time.monotonic() - began <= size / 8192:
                self.heard()
        return bytes(data)

    async def messages(self, bound):
        """Yields each message and its size, without its bytes if it is larger than `bound()`; ends
        when the client closes, with its code in `close_code`."""
        message, size, is_open = bytearray(), 0, False
        while True:
            first, second = await self.read(2)
            is_last, opcode, length = first & 0x80, first & 15, second & 127
            if length == 126:
                length, = struct.unpack(">H", await self.read(2))
            elif length == 127:
                length, = struct.unpack(">Q", await self.read(8))
            is_control = opcode >= CLOSE
            is_legal = (is_last and length < 126) if is_control else is_open == (opcode == 0)
            is_known = opcode in (0, 1, 2, CLOSE, PING, PONG)
            if not (is_legal and is_known) or second < 0x80 or first & 0x70:
                self.close_code = PROTOCOL_ERROR
                return
            mask = await self.read(4)
            if not is_control:
                size, is_open = size + length, not is_last
            if size > bound():
                yield None, size
                for left in range(min(length, DISCARDED_MAX), 0, -65536):
                    await self.read(min(left, 65536))
                message, size = bytearray(), 0
                continue
            data = unmasked(await self.read(length), mask)
            if opcode == CLOSE:
                self.close_code = int.from_bytes(data[:2], "big") or self.close_code
                return
            # Whoever does not read is not waited for: both would wait.
            if opcode == PING and self.writer.transport.get_write_buffer_size() < PONGS_MAX:
                self.write(PONG, data)
            if not is_control:
                message += data
                if is_last:
                    yield bytes(message), size
                    message, size = bytearray(), 0


def unmasked(data, mask):
    size = len(data)
    pad = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
