"""TLS in front of a socket that speaks none: `python -m tests.stories.tls_proxy ADDRESS PORT CERTIFICATE SOCKET`.

CERTIFICATE is a file that holds a key too.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import suppress


async def serve(address: str, port: int, certificate: str, socket: str) -> None:
    """Until it is killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(socket)
        await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))

    server = await asyncio.start_server(let_in, address, port, ssl=context, backlog=256)
    await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), *sys.argv[3:5]))
