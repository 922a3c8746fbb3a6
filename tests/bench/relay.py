# SPDX-License-Identifier: Apache-2.0
"""A relay of bytes that makes a CA far away: TLS stays between the client and the CA, whatever version of HTTP they speak in it. It
counts connections, and notes when the client sent something that is large enough to be a request."""
import asyncio
import collections
import threading

APPLICATION_DATA = 23  # RFC 8446 §5.1
REQUEST_BYTES_MIN = 64  # what else a client says on HTTP/2 (acknowledged settings, opened windows) is shorter


class Requests:
    """Finds requests in what a client sends, by the length of its TLS records."""

    def __init__(self):
        self._held = bytearray()
        self._finished = False  # the first encrypted record of TLS 1.3 is the end of the handshake

    def in_chunk(self, data):
        self._held += data
        found = False
        while len(self._held) >= 5:
            size = int.from_bytes(self._held[3:5], 'big')
            if len(self._held) < 5 + size:
                break
            if self._held[0] == APPLICATION_DATA:
                found = found or (self._finished and size >= REQUEST_BYTES_MIN)
                self._finished = True
            del self._held[:5 + size]
        return found


class End(asyncio.Protocol):
    """One end of a connection: what it hears is written to the other end, `delay` later."""

    def __init__(self, relay, other=None):
        self.relay = relay
        self.other = other
        self.transport = None
        self.is_client = other is None
        self.waiting = collections.deque()  # what is on its way to `other`
        self.requests = Requests()
        self.opened = 0.0
        self.task = None

    def connection_made(self, transport):
        self.transport = transport
        loop = self.relay.loop
        self.opened = loop.time()
        if not self.is_client:
            return self.other.begin(self)
        self.relay.connections += 1
        self.task = loop.create_task(loop.create_connection(lambda: End(self.relay, self), '127.0.0.1', self.relay.upstream))

    def begin(self, other):
        self.other = other
        held, self.waiting = self.waiting, collections.deque()
        for data in held:
            self.pass_on(data)

    def data_received(self, data):
        now = self.relay.loop.time()
        if self.is_client and self.requests.in_chunk(data):
            self.relay.sent.append(now)
        self.pass_on(data)

    def eof_received(self):
        self.pass_on(None)
        return True

    def connection_lost(self, _):
        self.pass_on(None)

    def pass_on(self, data):
        """None: no more is coming."""
        self.waiting.append(data)
        if self.other is None:
            return  # not connected yet; begin() goes on
        delay = self.relay.delay
        if self.is_client and delay:
            # To open a connection takes a round trip; on loopback it took none, so its first bytes come that much later.
            delay = max(delay, self.opened + 3 * delay - self.relay.loop.time())
        if delay:
            self.relay.loop.call_later(delay, self.deliver)
        else:
            self.deliver()

    def deliver(self):
        data = self.waiting.popleft()
        target = self.other.transport
        if target is None or target.is_closing():
            return
        if data is None:
            target.close()
        else:
            target.write(data)


class Relay:
    def __init__(self, upstream):
        self.upstream = upstream
        self.delay = 0.0  # seconds, each way
        self.forget()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=[ready], daemon=True).start()
        ready.wait(10)

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(self.loop.create_server(lambda: End(self), '127.0.0.1', 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    def forget(self):
        """Counting begins anew."""
        self.connections = 0
        self.sent = []

    def round_trips(self):
        """How long the longest chain of requests was of which each was sent after an answer to the one before could be there. Only what
        is sent within one round trip of another request is certain not to depend on it, so a delay is needed."""
        chain, began = 0, float('-inf')
        for at in sorted(self.sent):
            if at >= began + 2 * self.delay:
                chain, began = chain + 1, at
        return chain

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
