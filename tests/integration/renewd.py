# SPDX-License-Identifier: Apache-2.0
"""renewd itself, as a user runs it: a configuration file, a command, an exit status, and what it printed."""
import dataclasses
import json
import os
import pathlib
import re
import subprocess

from processes import ENVIRONMENT

BINARY = pathlib.Path(os.environ.get('RENEWD', pathlib.Path(__file__).resolve().parents[2] / 'build/agent/renewd'))
NAME = 'www.example.test'


@dataclasses.dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def text(self):
        return self.out + self.err

    def __str__(self):
        return f'exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}'


class Renewd:
    """One installation of renewd: its configuration and its state, both in `directory`."""

    def __init__(self, directory, pebble, webroot):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        self.config = self.directory / 'renewd.toml'
        self.state = self.directory / 'state'
        self.hooks = self.directory / 'hooks.d'
        self.ca_url = pebble.url
        self.pebble = pebble
        self.webroot = webroot
        self.binary = BINARY
        self.wrapper = []  # argv before renewd's own: another user, strace

    def head(self, agent='', ca='', solver=None):
        """The part of a configuration that is the same for most tests."""
        return f'''[agent]
state_dir = "{self.state}"
allow_volatile = true
{agent}
[ca.test]
directory = "{self.ca_url}"
roots = "{self.pebble.roots}"
contact = "ops@example.test"
agree_tos = true
{ca}
[solver.web]
type = "http-01"
{solver or f'webroot = "{self.webroot}"'}
[defaults]
ca = "test"
solver = "web"
[hooks]
directory = "{self.hooks}"
timeout = "5s"
'''

    def configure(self, *parts, **head):
        """Writes the configuration: the head, then `parts`. Names of tests are private, and looked up where the test CA does, unless a
        part brings a [dns] of its own."""
        servers = f'servers = ["127.0.0.1:{self.pebble.dns}"]\n' if hasattr(self.pebble, 'dns') else ''
        dns = [] if any('[dns]' in part for part in parts) else [f'[dns]\npublic = false\n{servers}']
        self.write('\n'.join([self.head(**head), *dns, *parts]))

    def write(self, text):
        self.config.write_text(text)

    def _argv(self, arguments):
        words = [str(argument) for argument in arguments]
        if words and not words[0].startswith('-'):
            words += ['--config', str(self.config)]
        return [*self.wrapper, str(self.binary), *words]

    def run(self, *arguments, expect=None, timeout=60, environment=None, typed=''):
        """Runs a command to its end; with `expect`, anything but this exit status fails the test with all that was said."""
        done = subprocess.run(self._argv(arguments), timeout=timeout, check=False, text=True, capture_output=True,
                              input=typed, env={**ENVIRONMENT, **(environment or {})})
        outcome = Outcome(done.returncode, done.stdout, done.stderr)
        if expect is not None:
            assert outcome.code == expect, f'renewd {" ".join(map(str, arguments))}: expected exit {expect}, got {outcome}'
        return outcome

    def start(self, *arguments):
        """Starts a command and lets it run; the caller ends it."""
        return subprocess.Popen(self._argv(arguments), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=ENVIRONMENT, start_new_session=True)

    def _run_traced(self, options, arguments):
        log = self.directory / 'strace.log'
        self.wrapper = ['strace', '-f', '-qq', '-o', str(log), *map(str, options)]
        try:
            return self.run(*arguments), log.read_text()
        finally:
            self.wrapper = []

    def renames_onto(self, paths, *arguments):
        """Runs a command and returns, for each of `paths`, the temporary name that was renamed onto it. (strace picks a rename by its
        first path only.)"""
        _, log = self._run_traced(['-e', 'trace=rename'], arguments)
        sources = {target: source for source, target in re.findall(r'rename\("([^"]+)", "([^"]+)"\) += 0', log)}
        return [sources[str(path)] for path in paths]

    def run_killed_at_rename(self, when, sources, *arguments):
        """Runs a command that is killed, as by power loss, on entering the `when`-th rename of one thread; with `sources`, only
        renames of these files count. True if it came to that."""
        inject = ['-e', 'trace=rename', '-e', f'inject=rename:signal=KILL:when={when}']
        outcome, _ = self._run_traced([*inject, *(word for source in sources for word in ('-P', source))], arguments)
        return outcome.code in (137, -9)

    def status(self, *arguments):
        """`status --json`, whatever its exit status."""
        outcome = self.run('status', '--json', *arguments)
        assert outcome.code in (0, 2, 3, 4, 5, 7) and outcome.out, str(outcome)
        return json.loads(outcome.out)

    def certificate(self, name=NAME):
        """One certificate of `status --json`."""
        return next(one for one in self.status()['certificates'] if one['name'] == name)

    def target(self, target, name=NAME):
        """One target of `status --json`."""
        return next(one for one in self.certificate(name)['targets'] if one['name'] == target)

    def account(self):
        """The account at the test's CA, as `account show --json` tells of it."""
        return json.loads(self.run('account', 'show', 'test', '--json').out)['accounts'][0]

    def live(self, name=NAME):
        """The directory of the current generation."""
        return self.state / 'certificates' / name / 'live'



def nginx_target(nginx, name='web', host='', **changes):
    """[[certificate.X.target]] for an Nginx; `changes` replaces or adds keys (argv lists and plain values)."""
    keys = {'name': name, 'deployer': 'nginx'}
    if nginx.form == 'include':
        keys |= {'include': str(nginx.include), 'versions': str(nginx.versions)}
    else:
        keys |= {'fullchain': str(nginx.fullchain), 'key': str(nginx.key)}
    if host:
        keys['host'] = host
    keys |= {'test': nginx.test_argv, 'reload': nginx.reload_argv, 'restart': nginx.restart_argv,
             'endpoints': [f'https://{nginx.name}:{nginx.port}?address=127.0.0.1:{nginx.port}'], 'verify_for': '10s'}
    keys |= changes
    lines = [f'  {key} = {json.dumps(value)}' for key, value in keys.items()]
    return f'  [[certificate."{nginx.name}".target]]\n' + '\n'.join(lines) + '\n'


def certificate(*targets, name=NAME, **keys):
    """[certificate.X] with its targets."""
    lines = [f'{key} = {json.dumps(value)}' for key, value in keys.items()]
    return '\n'.join([f'[certificate."{name}"]', *lines, *targets]) + '\n'


def other_ca(pebble, name='other', url='', **more):
    """[ca.NAME], which is this Pebble; `url` where something stands before it."""
    lines = [f'[ca.{name}]', f'directory = "{url or pebble.url}"', f'roots = "{pebble.roots}"', 'agree_tos = true']
    return '\n'.join(lines + [f'{key} = {json.dumps(value)}' for key, value in more.items()]) + '\n'
