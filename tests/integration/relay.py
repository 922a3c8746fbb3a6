# SPDX-License-Identifier: Apache-2.0
"""A relay of bytes before a CA: TLS stays between the client and the CA, whatever version of HTTP they speak in it. It counts connections,
makes the CA far away, or counts how often a client has to wait for it."""
import asyncio
import collections
import contextlib
import pathlib
import threading
import time

TICK = 0.005  # seconds
TICKS_AT_REST = 3  # so long has nobody done anything before a round ends


def work_of(pid):
    """What a process has done so far, as a number that grows; None while one of its threads works, waits for a disk, or for a processor."""
    done = 0
    with contextlib.suppress(OSError):  # it ends meanwhile
        done = time.clock_gettime_ns(~pid << 3 | 2)  # by the clock that clock_getcpuclockid(3) names
        for thread in pathlib.Path(f'/proc/{pid}/task').iterdir():
            with contextlib.suppress(OSError):
                if (thread / 'stat').read_text().rpartition(')')[2].split()[0] not in 'SZXI':
                    return None
    return done


class Rounds:
    """Dependent round trips, counted rather than timed. Everything that the CA says is held back until nobody has anything left to do:
    the client has sent all that it could without an answer, and the CA has answered it and has done what it was asked to. Then all of it
    is let through, and the next round begins. A slow machine makes that take longer and changes nothing; a CA that works for a while is
    not polled meanwhile. Only a client that sleeps between two requests cannot be told from one that waits for an answer.

    `client` is its process, and nothing is let through before it is known; `others` have to be at rest besides: whoever the CA asks.
    `counted` is how many requests each round had, by the CA's own word; one without any (a handshake) is none."""

    def __init__(self, pebble, others):
        self.pebble = pebble
        self.others = [*pebble.processes, *others]
        self.client = None
        self.counted = []
        self.held = []  # ends of connections, once for each piece that they have to say
        self.heard = len(pebble.requests())
        self.work = None
        self.still = 0
        self.is_over = False

    def hold(self, end):
        self.held.append(end)

    def tick(self):
        if self.client is None:
            return
        work = [work_of(pid) for pid in [self.client, *self.others]]
        self.still = self.still + 1 if work == self.work and None not in work else 0
        self.work = work
        if self.held and self.still >= TICKS_AT_REST:
            self.let_through()

    def let_through(self):
        heard = len(self.pebble.requests())
        if heard > self.heard:
            self.counted.append(heard - self.heard)
        self.heard = heard
        held, self.held = self.held, []
        for end in held:
            end.deliver()


class End(asyncio.Protocol):
    """One end of a connection: what it hears is written to the other end, `delay` later, or when its round ends."""

    def __init__(self, relay, other=None):
        self.relay = relay
        self.other = other
        self.transport = None
        self.is_client = other is None
        self.waiting = collections.deque()  # what is on its way to `other`
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
        if rounds := self.relay.rounds:
            rounds.still = 0
            return self.deliver() if self.is_client else rounds.hold(self)
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
        self.rounds = None
        self.connections = 0
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

    @property
    def url(self):
        """The directory of the CA behind it."""
        return f'https://127.0.0.1:{self.port}/dir'

    @contextlib.contextmanager
    def in_rounds(self, pebble, others=()):
        """See Rounds; `others` are process ids. What is held back when it ends is let through."""
        self.rounds = rounds = Rounds(pebble, others)
        ticking = asyncio.run_coroutine_threadsafe(self._tick(rounds), self.loop)
        try:
            yield rounds
        finally:
            rounds.is_over = True
            ticking.result(10)

    async def _tick(self, rounds):
        while not rounds.is_over:
            rounds.tick()
            await asyncio.sleep(TICK)
        self.rounds = None
        rounds.let_through()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
