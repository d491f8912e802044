"""TLS in front of the PostgreSQL server, which the wheel brings without it: for clients that ask for `verify-full`.

Run as a script of its own, with nothing but the standard library: it starts in a tenth of a second and takes 20 MiB.
A client that does not ask for TLS is refused, as a cloud's server does that is told to (`rds.force_ssl`,
`ENCRYPTED_ONLY`). Passwords pass through it as the server wants them: SCRAM, without channel binding.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import ssl
import struct
from contextlib import suppress

_LOOPBACK = "127.0.0.1"
# A service that gives an address and no port means this one.
_USUAL_PORT = 5432
# PostgreSQL's documentation, "Message Formats": what a connection may begin with, in place of a protocol's version.
_CANCEL, _TLS, _KERBEROS = 80877102, 80877103, 80877104
_REQUEST = struct.Struct("!II")
# Seconds for a client to say what it wants and to agree on keys; PostgreSQL's own authentication_timeout.
_PATIENCE = 60.0
_CHUNK = 65536
# Bytes of a key that cancels a query, and more.
_LONGEST = 1024
_REFUSED = (
    b"SFATAL\0VFATAL\0C28000\0Mthis server takes connections by TLS only: set sslmode=verify-full or verify-ca\0\0"
)


async def _begin(client: socket.socket) -> bytes | None:
    """Return what to send on as it is, or None once the client is to begin with TLS.

    Exactly what is answered is read: what a stranger on the way put behind a plain request would else be taken for the
    client's own words (CVE-2021-23214).
    """
    loop = asyncio.get_running_loop()
    while True:
        head = b""
        while len(head) < _REQUEST.size:
            more = await loop.sock_recv(client, _REQUEST.size - len(head))
            if not more:
                raise ConnectionError
            head += more
        length, code = _REQUEST.unpack(head)
        if code == _CANCEL:
            return head + await loop.sock_recv(client, min(length - _REQUEST.size, _LONGEST))
        if code == _TLS:
            await loop.sock_sendall(client, b"S")
            return None
        if code != _KERBEROS:
            await loop.sock_sendall(client, b"E" + struct.pack("!I", len(_REFUSED) + 4) + _REFUSED)
            raise ConnectionError
        await loop.sock_sendall(client, b"N")


async def _encrypted(client: socket.socket, trust: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=trust)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        target.write(data)
        await target.drain()


async def _serve(client: socket.socket, trust: ssl.SSLContext, port: int) -> None:
    """Serve one client until either side goes."""
    writers = []
    try:
        async with asyncio.timeout(_PATIENCE):
            plain = await _begin(client)
            from_server, to_server = await asyncio.open_connection(_LOOPBACK, port)
            writers.append(to_server)
            if plain is not None:
                to_server.write(plain)
                await to_server.drain()
                return
            from_client, to_client = await _encrypted(client, trust)
            writers.append(to_client)
        ways = [
            asyncio.ensure_future(_copy(from_client, to_server)),
            asyncio.ensure_future(_copy(from_server, to_client)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
    except (OSError, TimeoutError, struct.error, ValueError):
        # Whoever hears of it is the client; a log of scans of ports would tell nobody anything.
        pass
    finally:
        for writer in writers:
            writer.close()
        for writer in writers:
            with suppress(OSError):
                await writer.wait_closed()
        client.close()


async def _listen(place: tuple[str, int], port: int, trust: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    with socket.create_server(place, backlog=128) as server:
        server.setblocking(False)
        while True:
            client, _ = await loop.sock_accept(server)
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Kept: the loop itself holds tasks weakly, and they vanish while they work.
            task = loop.create_task(_serve(client, trust, port))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


async def _listen_at(places: list[tuple[str, int]], port: int, trust: ssl.SSLContext) -> None:
    # One that can't listen ends all: the platform sees its part go, and says why.
    await asyncio.gather(*(_listen(place, port, trust) for place in places))


def main() -> None:
    """Serve until somebody ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--listen", type=int, required=True)
    parser.add_argument("--address", default="", help="one of 127.0.0.0/8 to listen on, too, on the usual port")
    parser.add_argument("--bridge", default="", help="another of this machine's addresses, for the same port")
    parser.add_argument("--server", type=int, required=True)
    given = parser.parse_args()
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    trust.load_cert_chain(given.certificate, given.key)
    wanted = ((_LOOPBACK, given.listen), (given.bridge, given.listen), (given.address, _USUAL_PORT))
    places = [place for place in wanted if place[0]]
    asyncio.run(_listen_at(places, given.server, trust))


if __name__ == "__main__":
    main()
