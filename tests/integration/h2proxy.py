# SPDX-License-Identifier: Apache-2.0
"""Stands between renewd and Pebble and passes HTTP/2 on frame by frame (RFC 9113), until it comes to the request at which something breaks.
Neither side is let keep a table of header fields, so that a frame which is left out spoils no other."""
import asyncio
import contextlib
import ssl
import struct

from httpd import TlsServer

PREFACE_BYTES, HEAD_BYTES = 24, 9
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM = 0, 2, 7
NO_TABLE = struct.pack('>HI', 1, 0)  # SETTINGS_HEADER_TABLE_SIZE


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, 'big') + struct.pack('>BBI', kind, flags, stream) + payload


async def read_frame(reader):
    head = await reader.readexactly(HEAD_BYTES)
    kind, flags, stream = struct.unpack('>BBI', head[3:])
    return kind, flags, stream & 0x7fffffff, await reader.readexactly(int.from_bytes(head[:3], 'big'))


class Broken(Exception):
    """The connection ends here."""


class Connection:
    """One of renewd's, and its own to the CA."""

    def __init__(self, proxy, writer, ca_writer):
        self.proxy, self.writer, self.ca_writer = proxy, writer, ca_writer
        self.struck = None   # the stream that it happens to
        self.unheard = None  # this stream and the later ones are not passed on
        self.silenced = False
        self.settled = set()

    def without_table(self, side, kind, flags, payload):
        """The first SETTINGS of each side, with one more."""
        if kind != SETTINGS or flags or side in self.settled:
            return payload
        self.settled.add(side)
        return payload + NO_TABLE

    def say(self, kind, stream, *numbers):
        self.writer.write(frame(kind, 0, stream, struct.pack(f'>{len(numbers)}I', *numbers)))

    def from_renewd(self, kind, flags, stream, payload):
        if kind == HEADERS and self.proxy.is_struck():
            self.struck = stream
            self.strike(self.proxy.fault, stream)
        is_dropped = stream == self.struck and self.proxy.fault == 'refused' or self.unheard is not None and stream >= self.unheard
        if not is_dropped:
            self.ca_writer.write(frame(kind, flags, stream, self.without_table('renewd', kind, flags, payload)))

    def strike(self, fault, stream):
        """What happens when the request comes."""
        if fault == 'cut before':
            raise Broken
        if fault == 'refused':
            self.say(RST_STREAM, stream, REFUSED_STREAM)
        if fault == 'goaway before':
            self.say(GOAWAY, 0, max(0, stream - 2), NO_ERROR)
            self.unheard = stream
        if fault == 'goaway, and cut':
            self.say(GOAWAY, 0, stream, NO_ERROR)
            self.unheard = stream + 2

    def from_ca(self, kind, flags, stream, payload):
        if stream == self.struck and stream:
            fault = self.proxy.fault
            if self.silenced:
                return
            if fault == 'reset' or fault == 'reset within' and kind == DATA:
                self.say(RST_STREAM, stream, INTERNAL_ERROR)
                self.silenced = True
                return
            if fault in ('cut after', 'goaway, and cut') or fault == 'cut within' and kind == DATA:
                raise Broken
        self.writer.write(frame(kind, flags, stream, self.without_table('ca', kind, flags, payload)))


class H2Proxy(TlsServer):
    """`fault` happens at the `at`-th request, counted over all connections, and never again:
    'refused' and 'goaway before': it is not passed on, and renewd is told so;
    'reset' and 'reset within': the CA has acted, its answer is replaced by RST_STREAM, whole or from the body on;
    'cut before', 'cut after', 'cut within': the connection ends before it is passed on, before its answer, before the body of that;
    'goaway, and cut': the connection is said to end after it, and does before its answer."""

    FAULTS = ('refused', 'goaway before', 'reset', 'reset within', 'cut before', 'cut after', 'cut within', 'goaway, and cut')

    def __init__(self, pebble, fault=None, at=0):
        self.fault, self.at = fault, at
        self.connections = self.requests = 0
        self._pebble = pebble
        self._trust = ssl.create_default_context(cafile=str(pebble.https / 'ca.pem'))
        self._trust.set_alpn_protocols(['h2'])
        super().__init__(pebble.https, self._serve, protocols=['h2'])
        self.url = f'https://127.0.0.1:{self.port}/dir'

    def is_struck(self):
        """A request has come: is it the one?"""
        self.requests += 1
        return self.requests == self.at

    async def _serve(self, reader, writer):
        self.connections += 1
        ca_reader, ca_writer = await asyncio.open_connection('127.0.0.1', self._pebble.port, ssl=self._trust, server_hostname='127.0.0.1')
        connection = Connection(self, writer, ca_writer)

        async def pump(source, take):
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, Broken):
                while True:
                    take(*await read_frame(source))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            ca_writer.write(await reader.readexactly(PREFACE_BYTES))
            pumps = [asyncio.ensure_future(pump(reader, connection.from_renewd)), asyncio.ensure_future(pump(ca_reader, connection.from_ca))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in pumps:
                    each.cancel()
        for each in (writer, ca_writer):
            each.transport.abort()  # as a line that breaks: no farewell of TLS, for which asyncio would wait
