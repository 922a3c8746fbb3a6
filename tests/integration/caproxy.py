# SPDX-License-Identifier: Apache-2.0
"""Stands between renewd and Pebble and passes everything on, except where a rule says what goes wrong. Pebble builds its URLs from
the Host header, so everything goes through here, and what came is in `requests`."""
import asyncio
import contextlib
import dataclasses
import datetime
import email.utils
import json
import re
import ssl
import threading

from httpd import Answer, Httpd

HOP_BY_HOP = ('connection', 'content-length', 'transfer-encoding', 'keep-alive')


@dataclasses.dataclass
class Rule:
    """What happens to requests whose path matches `path`. Without `status` and `drop` the CA's answer is passed on, changed."""
    path: str
    method: str | None = 'POST'
    times: int | None = 1            # so often; None: always
    skip: int = 0                    # after so many that pass
    after: str = ''                  # and after a request whose path matches this
    only_status: int | None = None   # and only where the CA's answer has this status
    delay: float = 0                 # seconds before anything else
    status: int | None = None        # answered here, with `headers` and `body`; never reaches the CA
    headers: dict = dataclasses.field(default_factory=dict)
    body: str | None = None
    drop: str = ''                   # 'before': never reaches the CA; 'after': the CA has acted, its answer is lost
    hold: bool = False               # the answer is held back until release(), then lost
    set_headers: dict = dataclasses.field(default_factory=dict)
    del_headers: tuple = ()
    replace: tuple = ()              # (regular expression, text), in the CA's body and in the values of its headers
    rate: float | None = None        # bytes of the body a second
    cut: int | None = None           # the connection ends after so many bytes of the body (HEAD: of the head)
    used: int = 0

    def takes(self, request, earlier):
        if self.method not in (None, request.method) or not re.search(self.path, request.path):
            return False
        if self.after and not any(re.search(self.after, one.path) for one in earlier):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        return self.times is None or self.used < self.times


def retry_after(value):
    """The header's text of a number of seconds, of a datetime, or of a text as it is."""
    if isinstance(value, datetime.datetime):
        return email.utils.format_datetime(value.astimezone(datetime.timezone.utc), usegmt=True)
    return str(value)


class Upstream:
    """One client connection's own connection to the CA."""

    def __init__(self, port, trust):
        self._port, self._trust = port, trust
        self._reader = self._writer = None

    async def exchange(self, request):
        """Status, headers and body of the CA's answer; a connection that the CA has closed meanwhile is opened again."""
        if self._writer is not None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                return await self._exchange(request)
        self.close()
        self._reader, self._writer = await asyncio.open_connection(
            '127.0.0.1', self._port, ssl=self._trust, server_hostname='127.0.0.1', limit=2 ** 22)
        return await self._exchange(request)

    async def _exchange(self, request):
        headers = [(name, value) for name, value in request.headers if name not in HOP_BY_HOP]
        if request.body or request.method == 'POST':
            headers.append(('content-length', len(request.body)))
        lines = [f'{request.method} {request.path} HTTP/1.1', *(f'{name}: {value}' for name, value in headers)]
        self._writer.write(('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1') + request.body)
        await self._writer.drain()
        head = (await self._reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
        answer = [(name, value.strip()) for name, _, value in (line.partition(':') for line in head[1:] if line)]
        by_name = {name.lower(): value for name, value in answer}
        status = int(head[0].split(' ')[1])
        body = b''
        if request.method != 'HEAD' and status not in (204, 304):
            body = await self._chunks() if by_name.get('transfer-encoding') == 'chunked' else \
                await self._reader.readexactly(int(by_name.get('content-length', 0)))
        return status, [(name, value) for name, value in answer if name.lower() not in HOP_BY_HOP], body

    async def _chunks(self):
        body = b''
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return body

    def close(self):
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


class CaProxy:
    """`latency` seconds are added to every request, however many are under way at once."""

    def __init__(self, pebble, latency=0.0):
        self._pebble = pebble
        self._latency = latency
        self._trust = ssl.create_default_context(cafile=str(pebble.https / 'ca.pem'))
        self._rules = []
        self._upstreams = {}
        self.held = threading.Event()  # an answer is being held back
        self._released = threading.Event()
        self._server = Httpd(pebble.https, self._answer, self._forget)

    @property
    def url(self):
        return f'https://127.0.0.1:{self._server.port}/dir'

    @property
    def connections(self):
        return self._server.connections

    def requests(self, path='', method=None):
        """What came, in order: those whose path matches `path`."""
        return [one for one in self._server.requests if re.search(path, one.path) and method in (None, one.method)]

    def on(self, path, method='POST', **what):
        """From now on: see Rule. The first rule that takes a request has it."""
        rule = Rule(path, method, **what)
        self._rules.append(rule)
        return rule

    def refuse(self, path, status, kind, detail='', wait=None, method='POST', times=1, **members):
        """Answers with a problem document of RFC 8555 §6.7 and, with `wait`, Retry-After; never reaches the CA."""
        problem = {'type': f'urn:ietf:params:acme:error:{kind}', 'detail': detail, 'status': status, **members}
        headers = {'Content-Type': 'application/problem+json', **({} if wait is None else {'Retry-After': retry_after(wait)})}
        return self.on(path, method, times=times, status=status, headers=headers, body=json.dumps(problem))

    def answer_once(self, path, status, body, headers=None, method='POST'):
        """The next such request is answered like this, and never reaches the CA."""
        return self.on('^' + path, method, status=status, body=body, headers=headers or {})

    def hold_answer(self, path, method='POST'):
        """The next answer to such a request does not come; `held` is set once the CA has done its part."""
        self.held.clear()
        self._released.clear()
        return self.on('^' + path, method, hold=True)

    def release(self):
        """Everything passes again; what was held back is lost."""
        self._rules = [rule for rule in self._rules if not rule.hold]
        self._released.set()

    def heal(self):
        """No rule holds any more."""
        self._rules.clear()
        self.release()

    async def _answer(self, request):
        earlier = self._server.requests[:-1]
        rule = next((one for one in self._rules if one.takes(request, earlier)), None)
        if rule is None or rule.only_status is None:
            return await self._apply(request, rule or Rule(''))
        passed = await self._pass_on(request)
        return self._change(passed, rule) if passed.status == rule.only_status else passed

    async def _apply(self, request, rule):
        rule.used += 1
        if rule.delay or self._latency:
            await asyncio.sleep(rule.delay + self._latency)
        if rule.drop == 'before':
            return Answer(drop=True)
        if rule.status is not None:
            return self._change(Answer(rule.status, list(rule.headers.items()), (rule.body or '').encode()), rule)
        passed = await self._pass_on(request)
        if rule.hold:
            self.held.set()
            while not self._released.is_set():
                await asyncio.sleep(0.01)
            return Answer(drop=True)
        return Answer(drop=True) if rule.drop or passed.drop else self._change(passed, rule)

    async def _pass_on(self, request):
        upstream = self._upstreams.setdefault(request.connection, Upstream(self._pebble.port, self._trust))
        try:
            return Answer(*await upstream.exchange(request))
        except (OSError, asyncio.IncompleteReadError):
            return Answer(drop=True)

    def _forget(self, connection):
        if connection in self._upstreams:
            self._upstreams.pop(connection).close()

    @staticmethod
    def _change(answer, rule):
        rule.used += rule.only_status is not None
        gone = {name.lower() for name in [*rule.del_headers, *rule.set_headers]}
        answer.headers = [(name, value) for name, value in answer.headers if name.lower() not in gone]
        answer.headers += rule.set_headers.items()
        if rule.replace:
            pattern, text = rule.replace
            answer.body = re.sub(pattern.encode(), text.encode(), answer.body)
            answer.headers = [(name, re.sub(pattern, text, value)) for name, value in answer.headers]
        elif rule.status is None and rule.body is not None:
            answer.body = rule.body.encode()
        answer.rate, answer.cut = rule.rate, rule.cut
        return answer

    def close(self):
        self._released.set()
        self._server.close()
