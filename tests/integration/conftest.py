# SPDX-License-Identifier: Apache-2.0
"""What tests ask for: real servers in a directory of the test's own, stopped when it ends, however it ends."""
import contextlib
import functools
import http.server
import os
import pathlib
import tempfile
import threading

import pytest

from caproxy import CaProxy
from dns import NameServer, Resolver
from nginx import Nginx
from pebble import Pebble, make_https_pair, newest_binaries
from processes import clock_that_is_off, free_port
from relay import Relay
from renewd import Renewd
from sshd import Line, Sshd, User

os.umask(0o022)


def pytest_configure(config):
    config.addinivalue_line('markers', 'both_pebbles: runs with the Pebble of the system and with the newest')


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker('both_pebbles'):
        metafunc.parametrize('pebble', ['system', 'newest'], indirect=True)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class WebServer(http.server.ThreadingHTTPServer):
    request_queue_size = 1000  # who does not fit in waits for a second, and a CA looks several times at once


@pytest.fixture(name='place')
def fixture_place(tmp_path):
    """The test's own directory, which servers under other users may enter."""
    ours = [directory for directory in [tmp_path, *tmp_path.parents] if pathlib.Path(tempfile.gettempdir()) in directory.parents]
    for directory in ours:
        directory.chmod(0o755)
    return tmp_path


@pytest.fixture(name='https', scope='session')
def fixture_https(tmp_path_factory):
    return make_https_pair(tmp_path_factory.mktemp('https'))


@pytest.fixture(name='faster')
def fixture_faster():
    """The environment of a process whose clocks, timers and sleeps run so many times as fast: faster(100)."""
    return lambda times: clock_that_is_off(f'+0 x{times}')


@pytest.fixture(name='off_by')
def fixture_off_by():
    """The environment of a process whose wall clock is off, while the clock that nobody sets is right. Half a day more than so many
    days, so that whole days are what is told: off_by(90), off_by(-30)."""
    def environment(days=0, minutes=0):
        minutes += (days * 24 + (12 if days > 0 else -12 if days < 0 else 0)) * 60
        return clock_that_is_off(f'{minutes:+}m') | {'FAKETIME_DONT_FAKE_MONOTONIC': '1'}
    return environment


@pytest.fixture(name='open_for_test')
def fixture_open_for_test():
    """Whatever is given to it is closed at the end of the test, last one first."""
    with contextlib.ExitStack() as stack:
        def keep(thing, close):
            stack.callback(close)
            return thing
        yield keep


@pytest.fixture(name='make_pebble')
def fixture_make_pebble(place, https, open_for_test):
    def make(name='pebble', **options):
        pebble = Pebble(place / name, https, **options)
        open_for_test(pebble, pebble.close)
        pebble.start()
        return pebble
    return make


@pytest.fixture(name='newest_binaries', scope='session')
def fixture_newest_binaries():
    return newest_binaries()


@pytest.fixture(name='make_name_server')
def fixture_make_name_server(place, open_for_test):
    def make(name='dns', **options):
        server = NameServer(place / name, **options)
        open_for_test(server, server.stop)
        server.start()
        return server
    return make


@pytest.fixture(name='make_resolver')
def fixture_make_resolver(place, open_for_test):
    def make(name_server, name='resolver', **options):
        resolver = Resolver(place / name, name_server, **options)
        open_for_test(resolver, resolver.stop)
        resolver.start()
        return resolver
    return make


@pytest.fixture(name='name_server')
def fixture_name_server(make_name_server):
    return make_name_server()


@pytest.fixture(name='pebble')
def fixture_pebble(request, make_pebble):
    """The system's Pebble. With both_pebbles the test runs a second time, with the newest."""
    if getattr(request, 'param', 'system') == 'newest':
        return make_pebble(binaries=request.getfixturevalue('newest_binaries'))
    return make_pebble()


@pytest.fixture(name='shared_pebble', scope='session')
def fixture_shared_pebble(tmp_path_factory, https):
    """One for all tests of a worker that leave it as they found it: it makes two RSA keys at each start. See pebble.Since."""
    pebble = Pebble(tmp_path_factory.mktemp('shared') / 'pebble', https)
    try:
        pebble.start()
        yield pebble
    finally:
        pebble.close()


@pytest.fixture(name='newest_pebble')
def fixture_newest_pebble(make_pebble, newest_binaries):
    """For what only the newest can do: renewal information, profiles, dns-account-01, dns-persist-01."""
    return make_pebble('newest', binaries=newest_binaries)


@pytest.fixture(name='ca_proxy')
def fixture_ca_proxy(pebble, open_for_test):
    proxy = CaProxy(pebble)
    return open_for_test(proxy, proxy.close)


@pytest.fixture(name='relay')
def fixture_relay(pebble, open_for_test):
    relay = Relay(pebble.port)
    return open_for_test(relay, relay.close)


@pytest.fixture(name='make_webroot')
def fixture_make_webroot(place, open_for_test):
    """A web server for http-01 on Pebble's port, and the directory it shows."""
    def make(pebble, name='webroot'):
        directory = place / name
        directory.mkdir()
        handler = functools.partial(QuietHandler, directory=str(directory))
        server = WebServer(('127.0.0.1', pebble.http_port), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        open_for_test(server, lambda: (server.shutdown(), server.server_close()))
        return directory
    return make


@pytest.fixture(name='make_renewd')
def fixture_make_renewd(place, make_webroot):
    def make(pebble, name='agent'):
        return Renewd(place / name, pebble, make_webroot(pebble, f'{name}-webroot'))
    return make


@pytest.fixture(name='renewd')
def fixture_renewd(make_renewd, pebble):
    return make_renewd(pebble)


@pytest.fixture(name='make_nginx')
def fixture_make_nginx(place, open_for_test):
    """An nginx that runs (plain), and whose configuration by now names certificate files that do not exist yet."""
    def make(folder='nginx', start=True, **options):
        nginx = Nginx(place / folder, **options)
        open_for_test(nginx, nginx.stop)
        if start:
            nginx.start(tls=False)
        nginx.configure(tls=True)
        return nginx
    return make


@pytest.fixture(name='nginx')
def fixture_nginx(make_nginx):
    return make_nginx()


@pytest.fixture(name='make_sshd')
def fixture_make_sshd(place, open_for_test):
    def make(name='sshd', user='root'):
        sshd = Sshd(place / name, user)
        open_for_test(sshd, sshd.stop)
        sshd.start()
        return sshd
    return make


@pytest.fixture(name='sshd')
def fixture_sshd(make_sshd):
    return make_sshd()


@pytest.fixture(name='make_line')
def fixture_make_line(open_for_test):
    def make(port):
        line = Line(port)
        return open_for_test(line, line.close)
    return make


@pytest.fixture(name='user')
def fixture_user(place, open_for_test):
    """A user of this machine that is gone after the test."""
    user = User(f'renewd-{free_port()}', pathlib.Path(place / 'home'))
    return open_for_test(user, user.remove)
