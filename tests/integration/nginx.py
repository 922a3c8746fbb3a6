# SPDX-License-Identifier: Apache-2.0
"""A real nginx with a configuration of its own, on loopback, in all the states an administrator may have it in."""
import os
import pathlib
import signal
import socket

from processes import free_port, listens, run, wait_until


class Nginx:
    """`form` is how it names its certificate: 'include' (a file renewd writes) or 'fixed' (two paths)."""

    def __init__(self, directory, name='www.example.test', form='include'):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.directory.chmod(0o755)
        self.name = name
        self.form = form
        self.port = free_port()
        self.plain_port = free_port()
        self.conf = self.directory / 'nginx.conf'
        self.pid_file = self.directory / 'nginx.pid'
        self.include = self.directory / 'renewd' / f'{name}.conf'
        self.versions = self.directory / 'renewd' / f'{name}.d'
        self.fullchain = self.directory / 'tls' / 'www.crt'
        self.key = self.directory / 'tls' / 'www.key'
        for folder in (self.include.parent, self.fullchain.parent):
            folder.mkdir()
        self.configure(tls=False)

    def configure(self, tls=True, extra=''):
        """Writes nginx.conf; it holds from the next reload on. With `tls` it names certificate files, there or not."""
        lines = f'include {self.include};' if self.form == 'include' else \
            f'ssl_certificate {self.fullchain}; ssl_certificate_key {self.key};'
        server = f'server {{ listen 127.0.0.1:{self.port} ssl; server_name {self.name}; {lines} return 200 "secure\\n"; }}'
        temporary = '\n'.join(f'  {kind}_temp_path {self.directory}/{kind};'
                              for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        self.conf.write_text(f'''user root;
worker_processes 2;
pid {self.pid_file};
error_log {self.directory}/error.log info;
events {{ worker_connections 64; }}
http {{
  access_log off;
{temporary}
  server {{ listen 127.0.0.1:{self.plain_port}; return 200 "plain\\n"; }}
  {server if tls else ''}
  {extra}
}}
''')

    def argv(self, *arguments):
        return ['nginx', '-p', str(self.directory), '-c', str(self.conf), '-e', str(self.directory / 'error.log'), *arguments]

    @property
    def test_argv(self):
        return self.argv('-t')

    @property
    def reload_argv(self):
        return self.argv('-s', 'reload')

    @property
    def restart_argv(self):
        """Starts it where it is dead, else restarts it."""
        return ['sh', '-c', '"$@" -s stop 2>/dev/null; sleep 0.2; exec "$@"', 'restart', *self.argv()]

    def master(self):
        """The process id of the running master; None if there is none."""
        try:
            pid = int(self.pid_file.read_text())
            return pid if str(self.conf) in pathlib.Path(f'/proc/{pid}/cmdline').read_text() else None
        except (OSError, ValueError):
            return None

    def start(self, tls=False):
        self.configure(tls=tls)
        run(*self.argv())
        wait_until(lambda: listens(self.plain_port), 'nginx to listen')

    def reload(self):
        run(*self.reload_argv)

    def stop(self):
        pid = self.master()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: self.master() is None, 'nginx to end')

    def is_alive(self):
        """It answers a plain request."""
        try:
            with socket.create_connection(('127.0.0.1', self.plain_port), timeout=3) as connection:
                connection.sendall(b'GET / HTTP/1.0\r\n\r\n')
                return b'plain' in connection.recv(4096)
        except OSError:
            return False

    def script(self, name, body):
        """A command for test, reload or restart: a shell script with $NGINX standing for this nginx."""
        path = self.directory / name
        path.write_text(f'#!/bin/sh\nNGINX="{" ".join(self.argv())}"\ncd {self.directory}\n{body}\n')
        path.chmod(0o755)
        return [str(path)]

    def published(self):
        """What renewd has published here: {path: (content, inode)} of every file below its directories."""
        found = {}
        for folder in (self.include.parent, self.fullchain.parent):
            for path in sorted(folder.rglob('*')):
                if path.is_file():
                    found[str(path.relative_to(self.directory))] = (path.read_bytes(), path.stat().st_ino)
        return found


class SlowReload:
    """A reload that takes its time when it is told to, so that something can happen during it."""

    def __init__(self, nginx):
        self.command = nginx.script('slow', 'test -e fast || { echo here >reloading; sleep 2; }\n$NGINX -s reload')
        self._fast, self._begun = nginx.directory / 'fast', nginx.directory / 'reloading'
        self._fast.touch()

    def slow_down(self):
        """The next one takes two seconds."""
        self._fast.unlink()

    def wait_until_begun(self):
        """It is under way; the one after it is fast again."""
        wait_until(self._begun.exists, 'the reload to begin', 30)
        self._fast.touch()
