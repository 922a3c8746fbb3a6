# SPDX-License-Identifier: Apache-2.0
"""What a pass costs that finds nothing to do: once.py [BINARY] [CERTIFICATES]

Makes a configuration (conf.d files of 1,000) and a state in which everything is issued, installed and seen served, then runs
`renewd run --once` and, for comparison, `renewd --version`, several times each, and prints the median wall time, CPU time and
peak memory of both."""
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'build/agent/renewd').resolve()
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
RUNS = 7

HEAD = '''[agent]
state_dir = "{state}"
allow_volatile = true
[ca.bench]
directory = "https://127.0.0.1:1/nobody-is-asked"
[solver.web]
type = "http-01"
listen = "127.0.0.1:1"
[defaults]
ca = "bench"
'''

CERTIFICATE = '''[certificate."{name}"]
[[certificate."{name}".target]]
name = "here"
deployer = "files"
fullchain = "/nowhere/{name}.crt"
key = "/nowhere/{name}.key"
endpoints = []
'''


def instant(offset):
    return time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + offset))


def sealed(name):
    """A record as renewd writes it: issued a day ago for 90 days, installed on its one target."""
    fingerprint = hashlib.sha256(
        f'files\n\n\n\nroot\nroot\n384\n420\nfullchain\n/nowhere/{name}.crt\n\n\n-1\nkey\n/nowhere/{name}.key\n\n\n-1\n'.encode()).hexdigest()[:16]
    record = {
        'name': name, 'first_seen': instant(-86400), 'served_told': 0, 'issuance': None, 'endpoints': [], 'endpoints_verified_at': None,
        'hooks': [],
        'generations': [{'number': 1, 'names': [name], 'ca': 'bench', 'key_type': 'ecdsa-p256', 'profile': '', 'account': '', 'order': '',
                         'sha256': hashlib.sha256(name.encode()).hexdigest(), 'serial': '01', 'not_before': instant(-86400),
                         'not_after': instant(89 * 86400), 'issued_at': instant(-86400)}],
        'targets': [{'name': 'here', 'installed': 1, 'serving': 0, 'attempting': 0, 'fingerprint': fingerprint, 'deployed_at': instant(-86400),
                     'verified_at': None, 'failure': None, 'endpoints': []}]}
    content = json.dumps(record, sort_keys=True, separators=(',', ':'))
    return json.dumps({'version': 1, 'digest': hashlib.sha256(content.encode()).hexdigest(), 'record': record})


def prepare(place):
    state = place / 'state'
    (place / 'conf.d').mkdir()
    (place / 'renewd.toml').write_text(HEAD.format(state=state))
    for begin in range(0, COUNT, 1000):
        names = [f'host-{number:06}.example.test' for number in range(begin, min(begin + 1000, COUNT))]
        (place / f'conf.d/{begin:06}.toml').write_text(''.join(CERTIFICATE.format(name=name) for name in names))
        for name in names:
            home = state / 'certificates' / name
            (home / '1').mkdir(parents=True)
            (home / 'record.json').write_text(sealed(name))


def measure(*argv):
    """Wall seconds, CPU seconds, peak MiB."""
    began = time.monotonic()
    process = subprocess.Popen([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status != 0:
        sys.exit(f'{argv}: status {status}\n{said.decode(errors="replace")[-2000:]}')
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def line(what, runs):
    wall, cpu, memory = (statistics.median(column) for column in zip(*runs))
    print(f'  {what:<44} {wall * 1000:8.1f} ms wall {cpu * 1000:8.1f} ms CPU {memory:7.1f} MiB peak')


def main():
    place = pathlib.Path(tempfile.mkdtemp(prefix='renewd-bench-'))
    try:
        prepare(place)
        config = place / 'renewd.toml'
        measure(BINARY, 'run', '--once', '--config', config)  # the first one warms the page cache
        print(f'run --once, {COUNT:,} certificates, nothing due (median of {RUNS}):')
        line('renewd run --once', [measure(BINARY, 'run', '--once', '--config', config) for _ in range(RUNS)])
        line('renewd status', [measure(BINARY, 'status', '--config', config) for _ in range(RUNS)])
        line('renewd --version (what a start costs)', [measure(BINARY, '--version') for _ in range(RUNS)])
    finally:
        shutil.rmtree(place)


main()
