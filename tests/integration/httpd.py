# SPDX-License-Identifier: Apache-2.0
"""An HTTP/1.1 server over TLS that may misbehave byte by byte. One thread and one loop for however many connections; what is
written goes out at once (asyncio switches Nagle's algorithm off)."""
import asyncio
import base64
import contextlib
import dataclasses
import http
import json
import ssl
import threading
import time
from collections.abc import Iterable


@dataclasses.dataclass
class Request:
    method: str
    path: str
    headers: list   # (name in lower case, value), in order
    body: bytes
    connection: int  # which of the server's connections it came on, from 1
    at: float = dataclasses.field(default_factory=time.monotonic)
    status: int = 0  # what it was answered with; 0: nothing, or not yet

    def header(self, name):
        return next((value for key, value in self.headers if key == name), None)

    def _part(self, name):
        text = json.loads(self.body)[name]
        return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))

    @property
    def protected(self):
        """The protected header of its JWS."""
        return json.loads(self._part('protected'))

    @property
    def payload(self):
        """The payload of its JWS, as text; '' of a POST-as-GET."""
        return self._part('payload').decode()

    def __str__(self):
        return f'{self.method} {self.path} {self.status or "-"}'


@dataclasses.dataclass
class Answer:
    status: int = 200
    headers: list = dataclasses.field(default_factory=list)
    body: bytes | Iterable[bytes] = b''  # pieces: an answer without a length, sent until the client has had enough
    rate: float | None = None            # bytes of the body a second
    cut: int | None = None               # the connection ends after so many bytes of the body (HEAD: of the head)
    drop: bool = False                   # the connection ends instead of an answer


def _head(answer, length):
    try:
        phrase = http.HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = 'Unheard of'
    lines = [f'HTTP/1.1 {answer.status} {phrase}', *(f'{name}: {value}' for name, value in answer.headers)]
    lines.append('Connection: close' if length is None else f'Content-Length: {length}')
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('utf-8', 'surrogateescape')


class TlsServer:
    """Asyncio's, in a thread of its own: the coroutine `serve(reader, writer)` for each connection."""

    def __init__(self, pair, serve, protocols=(), **options):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pair / 'cert.pem', pair / 'key.pem')
        if protocols:
            tls.set_alpn_protocols(protocols)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self.call(asyncio.start_server(serve, '127.0.0.1', 0, ssl=tls, **options))
        self.port = self._server.sockets[0].getsockname()[1]

    def call(self, coroutine):
        """Runs it in the server's loop and waits for what it gives."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def close(self):
        async def end():
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        self.call(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


class Httpd(TlsServer):
    """Calls the coroutine `answer(request)` for each request, and `gone(number)` when a connection has ended. `requests` and
    `connections` tell what came."""

    def __init__(self, pair, answer, gone=lambda number: None):
        self.requests = []
        self.connections = 0
        self._answer = answer
        self._gone = gone
        super().__init__(pair, self._serve, limit=2 ** 20, backlog=1000)

    async def _serve(self, reader, writer):
        self.connections += 1
        number = self.connections
        try:
            while True:
                request = await self._read(reader, number)
                self.requests.append(request)
                answer = await self._answer(request)
                if answer.drop:
                    break
                request.status = answer.status
                if not await self._write(writer, request, answer):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client has left, or the test has ended
        finally:
            writer.transport.abort()
            self._gone(number)

    @staticmethod
    async def _read(reader, number):
        head = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
        method, path, _ = head[0].split(' ', 2)
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(':') for line in head[1:] if line)]
        length = int(dict(headers).get('content-length') or 0)
        return Request(method, path, headers, await reader.readexactly(length) if length else b'', number)

    async def _write(self, writer, request, answer):
        """False where the connection has to end."""
        endless = not isinstance(answer.body, bytes)
        is_head = request.method == 'HEAD'
        writer.write(_head(answer, None if endless else len(answer.body))[:answer.cut if is_head else None])
        if is_head:
            await writer.drain()
            return not endless and answer.cut is None
        for piece in answer.body if endless else [answer.body[:answer.cut]]:
            if writer.transport.is_closing():
                return False
            if answer.rate is None:
                writer.write(piece)
                await writer.drain()
                continue
            step = max(1, int(answer.rate / 20))
            for start in range(0, len(piece), step):
                writer.write(piece[start:start + step])
                await writer.drain()
                await asyncio.sleep(step / answer.rate)
        await writer.drain()
        if answer.cut is not None:
            writer.close()  # what was written still goes out
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return not endless and answer.cut is None
