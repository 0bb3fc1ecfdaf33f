"""The server's side of one WebSocket (RFC 6455), as far as a small hub needs it."""

import asyncio
import base64
import hashlib
import re

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
MESSAGE_BYTES_MAX, WAITING_BYTES_MAX, CLOSE_SECONDS = 1 << 20, 4 << 20, 5


class WebSocket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer, self.is_open = reader, writer, True

    async def accept(self) -> None:
        head = await self.reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"\r\nsec-websocket-key: *(\S+)", head, re.IGNORECASE)[1]
        accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        self.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                          b"sec-websocket-accept: " + base64.b64encode(accept) + b"\r\n\r\n")

    def write(self, opcode: int, data: bytes) -> None:
        """Writes a frame; whoever reads too slowly for that is cut off."""
        size = len(data)
        length = (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 1 << 16
                  else b"\x7f" + size.to_bytes(8, "big"))
        if self.is_open:
            self.writer.write(bytes([0x80 | opcode]) + length + data)
        if self.writer.transport.get_write_buffer_size() > WAITING_BYTES_MAX:
            self.writer.transport.abort()

    def close(self, code: int) -> None:
        self.write(CLOSE, code.to_bytes(2, "big"))
        self.is_open = False
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.writer.transport.abort)

    async def read(self) -> bytes | None:
        """Returns the next message; none once the peer has closed, or has to."""
        message, is_whole = b"", False
        while not is_whole:
            first, second = await self.reader.readexactly(2)
            opcode, size = first & 15, second & 127
            if size > 125:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            if len(message) + size > MESSAGE_BYTES_MAX:
                return self.close(1009)
            mask = int.from_bytes((await self.reader.readexactly(4) * (size // 4 + 1))[:size], "big")
            data = (int.from_bytes(await self.reader.readexactly(size), "big") ^ mask).to_bytes(size, "big")
            if opcode == CLOSE:
                return self.close(int.from_bytes(data[:2], "big") or 1000)
            if opcode == PING:
                self.write(PONG, data)
            if opcode < CLOSE and self.is_open:
                message, is_whole = message + data, first & 0x80
        return message
