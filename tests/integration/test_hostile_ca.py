# SPDX-License-Identifier: Apache-2.0
"""A CA that means ill gets an error that says what was wrong, and nothing else: no file, no program, no memory, no time."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import pytest

from hostile_ca import TOKEN, HostileCa
from httpd import Answer, Httpd
from pebble import make_https_pair
from processes import ENVIRONMENT, run
from renewd import NAME, Outcome, Renewd, certificate

MEMORY_MAX = 64 * 1024  # KiB; seen are 22 MiB as a rule, 50 at most
# A small process of its own, because a child begins with the peak memory of whoever started it.
MEASURED = '''
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], 'w') as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
'''
ESCAPES = '\x1b[2J\x1b]0;pwned\x07\r\u202egnorw\u0085\x9b31m'
AS_MADE = r'/proc/self/fd/\d+/acme-challenge|/dev/shm/(sem\.|faketime).*'  # a webroot's directory; what libfaketime makes for itself
STARTS = ('execve', 'execveat')
MAKES = ('open', 'openat', 'openat2', 'creat', 'mkdir', 'mkdirat', 'mknod', 'mknodat', 'rename', 'renameat', 'renameat2', 'link', 'linkat',
         'symlink', 'symlinkat')


def made_by(call):
    """The path that this call, as strace -y shows it, has made; None: none."""
    if match := re.search(r'O_CREAT.* = \d+<(.*)>$', call):
        return match.group(1)
    made = call.endswith(' = 0') and re.match(r'(mkdir|mknod|rename|link|symlink)', call)
    return re.findall(r'"([^"]*)"', call)[-1] if made else None


class Watched(Renewd):
    """renewd, and everything it makes or starts."""

    @property
    def allowed(self):
        """Where it may make files."""
        return self.state, self.webroot / '.well-known/acme-challenge'

    def tree(self):
        """Every file of the test's directory that is nowhere where it may be."""
        return sorted(str(path) for path in self.directory.parent.rglob('*')
                      if not any(path.is_relative_to(one) for one in self.allowed) and not {'hostile', 'elsewhere', 'traced'} & set(path.parts[-2:]))

    def strays(self, calls):
        """What it has made anywhere else on this machine, if only for a moment."""
        made = {path for path in map(made_by, calls) if path}
        return [path for path in made if not any(pathlib.Path(path).is_relative_to(one) for one in self.allowed)
                and not re.fullmatch(AS_MADE, path)]

    def renew(self, seconds=20, environment=None, command=('renew',)):
        """One `renew`, or another command, watched; its outcome. What must hold whatever the CA does is asserted here."""
        (self.webroot / '.well-known').mkdir(exist_ok=True)
        traced = self.directory / 'traced'  # a file for each thread, so that no line is torn
        traced.mkdir()
        before = self.tree()
        argv = ['/usr/bin/python3', '-c', MEASURED, self.directory / 'memory', 'strace', '-ff', '-y', '-qq', '--seccomp-bpf',
                '-e', f'trace={",".join(STARTS + MAKES)}', '-o', traced / 'thread',
                *(f'-E{name}={value}' for name, value in (environment or {}).items()), self.binary, *command, '--config', self.config]
        with (self.directory / 'said').open('w+') as said:
            process = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=ENVIRONMENT,
                                       cwd=self.directory, start_new_session=True)
            timer = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
            timer.start()
            process.wait()
            timer.cancel()
            said.seek(0)
            outcome = Outcome(process.returncode, said.read(), '')
        assert outcome.code != -signal.SIGKILL, f'still at work after {seconds} s: {outcome}'
        memory = int((self.directory / 'memory').read_text())
        for file in ('said', 'memory'):
            (self.directory / file).unlink()
        calls = [line for log in traced.iterdir() for line in log.read_text(errors='replace').splitlines()]
        shutil.rmtree(traced)
        assert self.tree() == before and not self.strays(calls)
        assert len([line for line in calls if line.startswith(STARTS)]) == 1, calls
        assert memory < MEMORY_MAX, f'{memory} KiB'
        assert not [one for one in outcome.text if not one.isprintable() and one != '\n'], ascii(outcome.text)
        assert not list(self.webroot.rglob('acme-challenge/*')), 'a challenge is left behind'
        assert 'PRIVATE KEY' not in outcome.text
        return outcome

    def error(self):
        """What `status --json` says went wrong."""
        error = self.certificate()['last_error']
        assert all(one.isprintable() for text in error.values() if text for one in text), error
        return error


@pytest.fixture(name='ca')
def fixture_ca(place, https, open_for_test):
    ca = HostileCa(place / 'hostile', https)
    return open_for_test(ca, ca.close)


@pytest.fixture(name='watched')
def fixture_watched(place, ca):
    (place / 'webroot').mkdir()
    (place / 'named').mkdir()  # by tokens
    watched = Watched(place / 'agent', ca, place / 'webroot')
    watched.configure(certificate())
    return watched


def test_left_alone_it_issues(watched, ca):
    """So that what the others show comes from what they twist."""
    assert watched.renew().code == 0
    assert ca.asked() == ['directory', 'nonce', 'account', 'new', 'authz', 'challenge', 'order', 'finalize', 'cert']


def put(*path):
    """A twist that sets a member of the answer's object: put('challenges', 0, 'token', value)."""
    *way, last, value = path

    def twist(answer, ca):
        place = answer.body
        for key in way:
            place = place[key]
        place[last] = value(ca) if callable(value) else value
    return twist


def header(name, value, times=1):
    """A twist that replaces a header."""
    def twist(answer, _):
        answer.headers = [one for one in answer.headers if one[0].lower() != name.lower()]
        answer.headers += [(name, value)] * times
    return twist


def send(*arguments, **options):
    """A twist that sends another answer."""
    return lambda answer, _: Answer(*arguments, **options)


def text(change):
    """A twist that changes the answer's text."""
    def twist(answer, _):
        answer.body = change(json.dumps(answer.body))
    return twist


def endless(piece=b' ' * 65536, rate=None, status=200):
    """Tens of megabytes, or as slow as `rate` says."""
    return send(status, [('Replay-Nonce', 'nonce-of-an-endless-answer')], (piece,) * 1000, rate)


def problem(status, headers=(), **members):
    body = json.dumps({'type': 'urn:ietf:params:acme:error:malformed', **members})
    return send(status, [('Content-Type', 'application/problem+json'), ('Replay-Nonce', 'nonce-of-a-problem'), *headers], body.encode())


def plain(ca):
    return ca.url.replace('https:', 'http:')


def issue_with(profile=None, days=None, key=None):
    """A twist of finalize: the certificate is made again, otherwise."""
    def twist(_, ca):
        ca.profile, ca.days = profile or ca.profile, days or ca.days
        if key:
            run('openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'other.key', cwd=ca.directory)
            run('openssl', 'pkey', '-in', 'other.key', '-pubout', '-out', 'other.pub', cwd=ca.directory)
        ca.issue((ca.directory / 'csr.der').read_bytes(), 'other.pub' if key else None)
    return twist


def sent_as(change):
    """A twist of the certificate: `change(ca)` is sent."""
    def twist(answer, ca):
        answer.body = change(ca)
    return twist


# An answer to newOrder or finalize that makes no sense is forgiven where the order itself does.
ORDER, VALID = ('new', 'order'), ('finalize', 'order')
DEEP = '[' * 400_000 + ']' * 400_000

# name: (step or steps, twist, code, words of the message)
SCENARIOS = {
    'token up a directory': ('authz', put('challenges', 0, 'token', '../../x'), 'ca/protocol', r'token .* "\.\./\.\./x"'),
    'token far up': ('authz', put('challenges', 0, 'token', '../' * 30 + 'etc/cron.d/x'), 'ca/protocol', r'token .* "\.\./'),
    'token of a path': ('authz', put('challenges', 0, 'token', '/etc/cron.d/x'), 'ca/protocol', 'token .* "/etc/cron'),
    'token of a path that is there': ('authz', put('challenges', 0, 'token', lambda ca: f'{ca.directory.parent}/named/x'), 'ca/protocol', 'token .* "/'),
    'token below itself': ('authz', put('challenges', 0, 'token', f'{TOKEN}/../../x'), 'ca/protocol', 'token'),
    'token to a shell': ('authz', put('challenges', 0, 'token', '$(touch x)'), 'ca/protocol', r'token .*touch x'),
    'token in backticks': ('authz', put('challenges', 0, 'token', '`touch x`'), 'ca/protocol', 'token .*touch x'),
    'token after another command': ('authz', put('challenges', 0, 'token', 'x;touch${IFS}x'), 'ca/protocol', 'token .*touch'),
    'token of an option': ('authz', put('challenges', 0, 'token', '--config=/etc/passwd'), 'ca/protocol', 'token .*--config'),
    'token of two lines': ('authz', put('challenges', 0, 'token', 'two\nlines'), 'ca/protocol', 'token'),
    'token with a NUL': ('authz', put('challenges', 0, 'token', 'a\0b'), 'ca/protocol', 'token'),
    'token of 10 KB': ('authz', put('challenges', 0, 'token', 'A' * 10240), 'ca/protocol', 'token'),
    'token of nothing': ('authz', put('challenges', 0, 'token', ''), 'ca/protocol', 'token'),
    'token of dots': ('authz', put('challenges', 0, 'token', '..'), 'ca/protocol', 'token'),
    'token twice': ('authz', text(lambda body: body.replace(f'"{TOKEN}"', f'"{TOKEN}", "token": "../x"')), 'ca/protocol', 'token'),

    'http newNonce': ('directory', put('newNonce', plain), 'ca/protocol', 'https'),
    'http newOrder': ('directory', put('newOrder', plain), 'ca/protocol', 'https'),
    'http account': ('account', header('Location', 'http://127.0.0.1/account/1'), 'ca/protocol', 'https'),
    'http order': ('new', header('Location', 'http://127.0.0.1/order/1'), 'ca/protocol', 'https'),
    'http finalize': (ORDER, put('finalize', plain), 'ca/protocol', 'https'),
    'http authorization': (ORDER, put('authorizations', 0, plain), 'ca/protocol', 'https'),
    'http challenge': ('authz', put('challenges', 0, 'url', plain), 'ca/protocol', 'https'),
    'http certificate': (VALID, put('certificate', plain), 'ca/protocol', 'https'),
    'file URL': (VALID, put('certificate', 'file:///etc/passwd'), 'ca/protocol', 'https'),
    'URL with a line break': (ORDER, put('finalize', 'https://127.0.0.1/\r\nX-Evil: 1'), 'ca/protocol', 'URL'),

    'order for another name': (ORDER, put('identifiers', [{'type': 'dns', 'value': 'evil.test'}]), 'ca/protocol', r'other names .*evil\.test'),
    'order for more names': (ORDER, put('identifiers', [{'type': 'dns', 'value': n} for n in (NAME, 'evil.test')]), 'ca/protocol', 'other names'),
    'order for a name with a NUL': (ORDER, put('identifiers', 0, 'value', f'{NAME}\0.evil.test'), 'ca/protocol', 'name'),
    'authorization of another name': ('authz', put('identifier', 'value', 'evil.test'), 'ca/protocol', r'evil\.test'),
    '3000 authorizations': (ORDER, put('authorizations', lambda ca: [f'{ca.origin}/authz/{i}' for i in range(3000)]), 'ca/protocol', 'authorizations'),
    '2000 authorizations of one name': (ORDER, put('authorizations', lambda ca: [f'{ca.origin}/authz/{i}' for i in range(2000)]), 'ca/protocol',
                                        'authorizations'),
    '300 challenges': ('authz', lambda answer, _: answer.body['challenges'].extend(answer.body['challenges'] * 300), 'ca/protocol', 'challenges'),
    'authorization of 100 KB': ('authz', text(lambda body: body + ' ' * 100_000), 'net/too-large', '65536'),

    'certificate of another key': ('finalize', issue_with(key=True), 'ca/wrong-certificate', 'key'),
    'certificate of other names': ('finalize', issue_with(['subjectAltName=DNS:evil.test']), 'ca/wrong-certificate', f'not hold {NAME}'),
    'certificate of more names': ('finalize', issue_with(['subjectAltName={names},DNS:evil.test']), 'ca/wrong-certificate', 'evil.test'),
    'certificate of a CA': ('finalize', issue_with(['subjectAltName={names}', 'basicConstraints=critical,CA:TRUE']), 'ca/wrong-certificate', 'CA'),
    'certificate that is over': ('finalize', issue_with(days='-1'), 'ca/wrong-certificate', 'expired'),
    'foreign chain': ('cert', sent_as(lambda ca: ca.chain('stranger')), 'ca/wrong-certificate', 'chain|issued|sign'),
    'private key in the chain': ('cert', sent_as(lambda ca: ca.chain() + (ca.directory / 'issuer.key').read_text()), 'ca/protocol', 'chain'),
    'chain the wrong way round': ('cert', sent_as(lambda ca: (ca.directory / 'issuer.pem').read_text() + (ca.directory / 'leaf.pem').read_text()),
                                  'ca/wrong-certificate', ''),
    'chain of 40': ('cert', sent_as(lambda ca: ca.chain() + (ca.directory / 'issuer.pem').read_text() * 40), 'ca/protocol', ''),
    'chain of 500 KB': ('cert', sent_as(lambda ca: ca.chain() + '\n' * 500_000), 'ca/protocol', 'bytes'),
    'chain of nothing': ('cert', sent_as(lambda ca: ''), 'ca/protocol', 'chain'),
    'no chain but HTML': ('cert', sent_as(lambda ca: '<html>certificate</html>'), 'ca/protocol', 'chain'),

    'endless headers': ('directory', header('X-More', 'x' * 1000, times=1000), 'net/too-large', '64 KiB'),
    'deep directory': ('directory', text(lambda body: '{"newNonce": ' + DEEP + '}'), 'ca/protocol', 'newNonce'),
    'deep order': (ORDER, text(lambda body: '{"identifiers": ' + DEEP + '}'), 'ca/protocol', 'finalize'),
    'numbers beyond measure': (ORDER, text(lambda body: body.replace(f'"{NAME}"', '1' * 100_000 + 'e' + '9' * 100_000)), 'ca/protocol', 'JSON'),
    'directory that is a list': ('directory', text(lambda body: '[]'), 'ca/protocol', 'object'),

    'redirects in a loop': ('directory', send(302, [('Location', '/dir')]), 'ca/unreachable', 'redirect'),
    'redirect to http': ('directory', send(302, [('Location', 'http://127.0.0.1/dir')]), 'net/refused-scheme', 'https'),
    'redirect of a POST': ('new', send(307, [('Location', '/new'), ('Replay-Nonce', 'nonce-of-a-redirect')]), 'ca/protocol', '307'),

    'Retry-After of a century': ('new', problem(429, [('Retry-After', '3155760000')], type='urn:ietf:params:acme:error:rateLimited'),
                                 'ca/rate-limited', 'rateLimited'),
    'Retry-After of the past': ('new', problem(429, [('Retry-After', '-5')], type='urn:ietf:params:acme:error:rateLimited'),
                                'ca/rate-limited', 'rateLimited'),
    'Retry-After of garbage': ('new', problem(429, [('Retry-After', '1e9 moons \xff')], type='urn:ietf:params:acme:error:rateLimited'),
                               'ca/rate-limited', 'rateLimited'),

    'terminal escapes in a detail': ('new', problem(400, detail=ESCAPES), 'ca/refused', 'pwned'),
    'terminal escapes in a type': ('new', problem(400, type=ESCAPES), 'ca/refused', 'pwned'),
    'terminal escapes in a name': ('new', problem(400, subproblems=[{'identifier': {'type': 'dns', 'value': ESCAPES}, 'detail': 'no'}]),
                                   'ca/identifier-refused', 'pwned'),
    'terminal escapes in a link': ('new', problem(403, [('Link', '<https://127.0.0.1/\x1b[2J>;rel="terms-of-service"')],
                                                  type='urn:ietf:params:acme:error:userActionRequired'), 'ca/terms-not-agreed', ''),
    '30,000 subproblems': ('new', problem(400, detail='d', subproblems=[{'identifier': {'value': 'x'}}] * 30_000), 'ca/identifier-refused', 'more'),

    'no nonce anywhere': ('nonce', send(200, []), 'ca/protocol', 'Replay-Nonce'),
    'nonce with a space': ('nonce', header('Replay-Nonce', 'not a nonce'), 'ca/protocol', 'Replay-Nonce'),
    'nonce with quotes': ('nonce', header('Replay-Nonce', 'a","url":"https://evil.test'), 'ca/protocol', 'Replay-Nonce'),
    'nonce of 10 KB': ('nonce', header('Replay-Nonce', 'n' * 10240), 'ca/protocol', 'Replay-Nonce'),
}


@pytest.mark.parametrize('scenario', SCENARIOS)
def test_refused_and_told(watched, ca, scenario):
    """It ends soon, exit 3 (8 where the CA has named a time), with the code and the words; one order at most was placed, and no certificate is kept."""
    steps, twist, code, words = SCENARIOS[scenario]
    ca.twists = dict.fromkeys([steps] if isinstance(steps, str) else steps, twist)
    began = watched.status()['generated_at']
    outcome = watched.renew()
    assert outcome.code == (8 if scenario == 'Retry-After of a century' else 3), outcome
    error = watched.error()
    assert (error['code'], bool(re.search(words, error['message']))) == (code, True), error
    assert ca.asked('new') <= 1 and not watched.live().exists()
    assert watched.certificate()['renewal']['at'] > began


def busy_for_ever(answer, _):
    answer.body['status'] = 'processing'
    answer.headers.append(('Retry-After', '9' * 30))


PROGRAMS = {
    'exec': 'program = "{program}"\nmode = "raw"',
    'certbot-hooks': 'auth = "{program}"\ncleanup = "{program}"',
    'dehydrated': 'hook = "{program}"',
}


@pytest.mark.parametrize('provider', PROGRAMS)
def test_token_reaches_no_program(watched, ca, provider):
    """dns-01 by somebody's program, which gets the token or is named by it: none that is no token starts it. An honest one does."""
    program, began = watched.directory / 'program', watched.directory / 'began'
    program.write_text(f'#!/bin/sh\n: >{began}\n')
    program.chmod(0o755)
    settings = PROGRAMS[provider].format(program=program)
    watched.configure(f'[solver.run]\ntype = "dns-01"\nprovider = "{provider}"\npropagation = "none"\n{settings}\n', certificate(solver='run'))
    for scenario, (_, twist, code, words) in SCENARIOS.items():
        if scenario.startswith('token'):
            ca.twists['authz'] = as_dns_01(twist)
            assert watched.renew().code == 3, scenario
            error = watched.error()
            assert (error['code'], bool(re.search(words, error['message']))) == (code, True), (scenario, error)
            assert not began.exists(), scenario
    ca.twists['authz'] = as_dns_01(lambda answer, _: None)
    watched.run('renew', expect=0)
    assert began.exists()


def as_dns_01(twist):
    """The same twist of an authorization that offers dns-01."""
    def both(answer, ca):
        put('challenges', 0, 'type', 'dns-01')(answer, ca)
        return twist(answer, ca)
    return both


FULL = 64 * 1024  # bytes of an authorization: what is taken at most


def authorizations_to_the_brim(answer, _):
    answer.body = json.dumps(answer.body).ljust(FULL)


def test_as_much_as_it_takes(watched, ca):
    """A hundred names, each authorization as long as it may be: they are issued, and little of it is held."""
    names = [f'n{i}.example.test' for i in range(100)]
    watched.configure(certificate(names=names))
    ca.twists['authz'] = authorizations_to_the_brim
    assert watched.renew(seconds=60).code == 0
    assert watched.certificate()['generation'] == 1


def test_more_than_anybody_needs(watched, ca):
    """As many authorizations as a CA may want for a hundred names, each as long as it may be, and of no use: all are read, few are held."""
    names = [f'n{i}.example.test' for i in range(100)]
    watched.configure(certificate(names=names))
    urls = put('authorizations', lambda ca: [f'{ca.origin}/authz/{i}' for i in range(len(names))] * 8)

    def useless(answer, ca):
        put('challenges', 0, 'token', '../x')(answer, ca)
        authorizations_to_the_brim(answer, ca)
    ca.twists = {'new': urls, 'order': urls, 'authz': useless}
    assert watched.renew(seconds=60).code == 3
    assert watched.error()['code'] == 'ca/protocol' and ca.asked('authz') == 8 * len(names)


# What never ends. The clocks of the process run a hundred times as fast, so that its ten minutes are six seconds.
ENDLESS = {
    'processing, look again in a century': ('order', busy_for_ever, 'ca/order-pending', 'still at work'),
    'pending': ('order', put('status', 'pending'), 'ca/order-pending', 'still at work'),
    'one byte a second': ('directory', lambda answer, _: Answer(200, [], json.dumps(answer.body).encode(), rate=1), 'ca/unreachable', 'in time'),
}


@pytest.mark.parametrize('scenario', ENDLESS)
def test_endless_comes_to_an_end(watched, ca, faster, scenario):
    """It waits for as long as it is willing to wait for any CA, and says that nothing is lost; the order is kept."""
    step, twist, code, words = ENDLESS[scenario]
    ca.twists[step] = twist
    outcome = watched.renew(seconds=30, environment=faster(100))
    assert outcome.code == 3, outcome
    error = watched.error()
    assert (error['code'], bool(re.search(words, error['message']))) == (code, True), error
    assert ca.asked('new') == (step == 'order') and len(ca.asked()) < 100


# What is odd, and no reason not to issue.
ODD = {
    'a thousand links': ('new', header('Link', '</x>;rel="x"', times=1000)),
    'deep nonsense beside the members': ('directory', text(lambda body: body[:-1] + f', "meta": {DEEP}' + '}')),
    'nonces that end': ('order', header('Replay-Nonce', '', times=0)),
    'nonces that are none': ('order', header('Replay-Nonce', '\x80 \xff"')),
    'a member twice': ('new', text(lambda body: body.replace('{"status"', '{"status": "invalid", "status"', 1))),
    'Retry-After of garbage': ('new', header('Retry-After', 'in 1e9 moons')),
    'Retry-After of the past': ('new', header('Retry-After', '-99999999999999999999')),
    'no date, and no type': ('directory', header('Content-Type', 'text/html; charset="\x1b[2J"')),
}


@pytest.mark.parametrize('scenario', ODD)
def test_odd_is_not_wrong(watched, ca, scenario):
    step, twist = ODD[scenario]
    ca.twists[step] = twist
    assert watched.renew().code == 0
    assert ca.asked('new') == 1 and watched.certificate()['generation'] == 1


@pytest.mark.parametrize('steps, member', [('directory', 'newOrder'), (ORDER, 'finalize'), (VALID, 'certificate')])
def test_other_origin_has_to_be_trusted_as_well(watched, ca, open_for_test, place, steps, member):
    """A URL that leads elsewhere: the anchors of the CA hold there, too, so that nothing is said to a stranger."""
    (place / 'elsewhere').mkdir()
    stranger = Httpd(make_https_pair(place / 'elsewhere'), None)
    open_for_test(stranger, stranger.close)
    ca.twists = dict.fromkeys([steps] if isinstance(steps, str) else steps, put(member, f'https://127.0.0.1:{stranger.port}/x'))
    assert watched.renew().code == 3
    assert watched.error()['code'] == 'net/untrusted' and not stranger.requests
