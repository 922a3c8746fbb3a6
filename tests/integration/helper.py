# SPDX-License-Identifier: Apache-2.0
"""The root helper as systemd has it with Accept=yes: a socket, and one `renewd apply` for each connection, which is its stdin."""
import pathlib
import socket
import subprocess
import threading

from processes import ENVIRONMENT
from renewd import BINARY


class Helper:
    def __init__(self, directory, peer):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.socket = self.directory / 'apply.sock'
        self.allow = self.directory / 'allow'
        self.log = self.directory / 'log'
        self.peer = peer
        self.started = []
        self.wrapper = []  # argv before renewd's own
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket))
        self.socket.chmod(0o666)  # who may ask is the helper's own business
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, self.log.open('ab') as log:
                self.started.append(subprocess.Popen(
                    [*self.wrapper, str(BINARY), 'apply', '--peer', self.peer, '--allow', str(self.allow)],
                    stdin=connection, stdout=connection, stderr=log, env=ENVIRONMENT, cwd='/', umask=0o077))

    def permit(self, *lines):
        self.allow.write_text(''.join(f'{line}\n' for line in lines))
        self.allow.chmod(0o644)

    def permit_nginx(self, nginx, *commands):
        """What an nginx target needs: its directories, its config test and its reload."""
        self.permit(f'write {nginx.include.parent} root:root 0644', f'write {nginx.fullchain.parent} root:root 0644',
                    f'run {" ".join(nginx.test_argv)}', f'run {" ".join(nginx.reload_argv)}',
                    *(f'run {" ".join(command)}' for command in commands))

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=10)
