# SPDX-License-Identifier: Apache-2.0
"""A configuration and a state of tens of thousands of certificates, multiplied from one that was issued, installed and looked at for real.

All of them are served by one nginx, which shows the one real certificate to everybody who asks for the one real name; so each endpoint asks
for that name, and each generation has that leaf, key and chain (hard links: renewd never writes to them)."""
import hashlib
import json
import multiprocessing
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests/integration'))

# pylint: disable=wrong-import-position
from nginx import Nginx  # noqa: E402
from pebble import Pebble, make_https_pair  # noqa: E402
from processes import listens, wait_until  # noqa: E402
from renewd import Renewd, certificate, nginx_target  # noqa: E402

SEED = 'host.example.test'
TARGET = 'web'
A_FILE = 1000  # certificates in a file of conf.d
LINKS = 5000  # of one file; a file system allows so many, ext4 65,000
PROCESSES = 2
DAY = 86400

# What a user writes; nothing is deployed, so that nobody goes there.
INCLUDE, VERSIONS = '/etc/nginx/renewd/{name}.conf', '/etc/nginx/renewd/{name}.d'
CERTIFICATE = '''[certificate."{name}"]
names = ["{name}", "www.{name}"]
[[certificate."{name}".target]]
name = "{target}"
deployer = "nginx"
include = "{include}"
versions = "{versions}"
endpoints = ["{endpoint}"]

'''


def instant(seconds):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(seconds))


def phase(name, every):
    """At which point of each `every` the target is looked at: as agent/plan/drift.cpp has it."""
    value = 14695981039346656037
    for byte in f'{name}/{TARGET}'.encode():
        value = (value ^ byte) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return (value ^ value >> 29) % every


def names(count, now, every, quiet):
    """Names of which none is to be looked at within `quiet` seconds from now."""
    found, number = [], 0
    while len(found) < count:
        number += 1
        name = f'host-{number:06}.example.test'
        if (phase(name, every) - now) % every > quiet:
            found.append(name)
    return found


def fingerprint(include, versions):
    """Of a target's parameters, as plan.cpp has it; prepare() compares it with a real one."""
    return hashlib.sha256('\n'.join(['nginx', '', include, versions, 'root', 'root', '384', '420', '']).encode()).hexdigest()[:16]


class Template:
    """A text in which the name of the one real certificate stands; what an endpoint asks for stays."""

    def __init__(self, text):
        self._text = text.replace(f'sni={SEED}', '\x01').replace(SEED, '\x02')

    def of(self, name):
        return self._text.replace('\x02', name).replace('\x01', f'sni={SEED}')


def sealed(kind, content, more=()):
    """A template of a file as renewd writes it, and one of what its digest is of. `more`: what differs beside the name."""
    pretty = json.dumps({'digest': '\x03', kind: content, 'version': 1}, sort_keys=True, indent=1, ensure_ascii=False) + '\n'
    compact = json.dumps(content, sort_keys=True, separators=(',', ':'), ensure_ascii=False)
    pretty, compact = Template(pretty.replace('\\u0003', '\x03')), Template(compact)

    def make(name, values=()):
        content, text = compact.of(name), pretty.of(name)
        for marker, value in zip(more, values):
            content, text = content.replace(marker, value), text.replace(marker, value)
        return text.replace('\x03', hashlib.sha256(content.encode()).hexdigest())
    return make


class Many:
    def __init__(self, place, binary):
        self.place = pathlib.Path(place)
        self.binary = binary
        self.names = []
        (self.place / 'https').mkdir(parents=True)
        self.pebble = Pebble(self.place / 'pebble', make_https_pair(self.place / 'https'))
        self.nginx = Nginx(self.place / 'nginx', name=SEED)
        self.renewd = Renewd(self.place / 'renewd', self.pebble, self.place / 'webroot')
        self.renewd.binary = binary
        self.state = self.renewd.state
        self.certificates = self.state / 'certificates'
        self.seed = self.place / 'seed'
        (self.place / 'webroot').mkdir()

    def close(self):
        self.nginx.stop()
        self.pebble.close()

    def _endpoint(self, name):
        return f'https://{name}?address=127.0.0.1:{self.nginx.port}&sni={SEED}'

    def issue_one(self):
        """A real certificate, served by a real nginx, and taken out of the state to be multiplied."""
        self.pebble.start()
        web = f'server {{ listen 127.0.0.1:{self.pebble.http_port}; root {self.place}/webroot; }}'
        self.nginx.start()
        self.nginx.configure(tls=False, extra=web)
        self.nginx.reload()
        wait_until(lambda: listens(self.pebble.http_port), 'the web server of challenges')
        self.nginx.configure(tls=True, extra=web)  # holds from the first deployment on, which brings what it includes
        target = nginx_target(self.nginx, name=TARGET, endpoints=[self._endpoint(SEED)])
        self.renewd.configure(certificate(target, name=SEED, names=[SEED, f'www.{SEED}']))
        self.renewd.run('run', '--once', expect=0)
        (self.certificates / SEED).rename(self.seed)
        known = json.loads((self.seed / 'record.json').read_text())['record']['targets'][0]
        ours = fingerprint(str(self.nginx.include), str(self.nginx.versions))
        if known['serving'] != 1 or known['fingerprint'] != ours:
            sys.exit(f'the one certificate is not served, or its target is not {ours}: {known}')

    def configure(self, all_names, verify_every):
        self.names = all_names
        self.renewd.configure(agent=f'verify_every = "{verify_every}s"')
        (self.renewd.directory / 'conf.d').mkdir(exist_ok=True)
        for begin in range(0, len(all_names), A_FILE):
            text = ''.join(CERTIFICATE.format(name=name, target=TARGET, endpoint=self._endpoint(name), include=INCLUDE.format(name=name),
                                              versions=VERSIONS.format(name=name)) for name in all_names[begin:begin + A_FILE])
            (self.renewd.directory / f'conf.d/{begin:06}.toml').write_text(text)

    def _record(self):
        """A record as the agent has it that has run for a while."""
        record = json.loads((self.seed / 'record.json').read_text())['record']
        issued = time.time()
        record['suggestion'] = {'generation': 1, 'start': instant(issued + 59 * DAY), 'end': instant(issued + 61 * DAY),
                                'at': instant(issued + 60 * DAY), 'explanation_url': '', 'ask_again': 'ASK-AGAIN', 'failures': 0}
        record['targets'][0].update(fingerprint='FINGERPRINT', verified_at='VERIFIED-AT')
        return sealed('record', record, ['ASK-AGAIN', 'FINGERPRINT', 'VERIFIED-AT'])

    def _values(self, name, every, now):
        """When renewal information is asked for, what the target is, when it was looked at last."""
        last = now - (now - phase(name, every)) % every
        return instant(now + 3 * 3600 + phase(name, 3 * 3600)), fingerprint(INCLUDE.format(name=name), VERSIONS.format(name=name)), instant(last)

    def _multiply(self, part):
        some, every, copy = part
        now, record = int(time.time()), self._record()
        meta = sealed('generation', json.loads((self.seed / '1/meta.json').read_text())['generation'])
        history, lock = (self.seed / 'history.jsonl').read_bytes(), (self.seed / '.lock').read_bytes()
        order = Template((self.seed / '1/order.json').read_text())
        source = self.seed.with_name(f'seed-{copy}')
        for name in some:
            home = f'{self.certificates}/{name}'
            os.mkdir(home, 0o700)
            os.mkdir(f'{home}/1', 0o700)
            os.symlink('1', f'{home}/live')
            text = record(name, self._values(name, every, now)).encode()
            for path, content in (('record.json', text), ('record.json.1', text), ('history.jsonl', history), ('.lock', lock),
                                  ('1/meta.json', meta(name).encode()), ('1/order.json', order.of(name).encode())):
                write(f'{home}/{path}', content)
            for file in ('cert.pem', 'chain.pem', 'fullchain.pem', 'privkey.pem'):
                os.link(f'{source}/1/{file}', f'{home}/1/{file}')

    def multiply(self, every):
        """The state of all names, each looked at when it was last to be."""
        parts = []
        for copy, begin in enumerate(range(0, len(self.names), LINKS)):
            target = self.seed.with_name(f'seed-{copy}') / '1'
            target.mkdir(parents=True)
            for file in (self.seed / '1').iterdir():
                (target / file.name).write_bytes(file.read_bytes())
                (target / file.name).chmod(0o600)
            parts.append((self.names[begin:begin + LINKS], every, copy))
        in_processes(self._multiply, parts)

    def _look_again(self, part):
        some, every, _ = part
        now, record = int(time.time()), self._record()
        for name in some:
            path = f'{self.certificates}/{name}/record.json'
            write(path + '.new', record(name, self._values(name, every, now)).encode())
            os.rename(path + '.new', path)

    def looked_at_every(self, every):
        """The same, as if it had always been every so many seconds."""
        in_processes(self._look_again, [(self.names[begin:begin + A_FILE], every, 0) for begin in range(0, len(self.names), A_FILE)])

    def changed_since(self, moment):
        """The certificates whose record was written since."""
        return [name for name in self.names if os.stat(f'{self.certificates}/{name}/record.json').st_mtime >= moment]


def write(path, content):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.write(file, content)
    os.close(file)


def in_processes(work, parts):
    children = []
    for first in range(PROCESSES):
        children.append(multiprocessing.get_context('fork').Process(target=lambda own: [work(part) for part in own], args=[parts[first::PROCESSES]]))
        children[-1].start()
    for child in children:
        child.join()
    if any(child.exitcode != 0 for child in children):
        sys.exit('the state could not be made')
