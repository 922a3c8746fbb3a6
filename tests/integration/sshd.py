# SPDX-License-Identifier: Apache-2.0
"""A real sshd with its own keys and configuration, users of its own, and a line that can be cut in the middle."""
import os
import pathlib
import select
import socket
import threading

from processes import Daemon, children_of, free_port, run, wait_until


class User:
    """A throwaway user of this machine, without a password, with a home of its own and, where wanted, a sudoers file."""

    def __init__(self, name, home):
        self.name = name
        self.home = pathlib.Path(home)
        self.sudoers = pathlib.Path('/etc/sudoers.d') / name
        # "*" is no password that fits, but not locked either: sshd without PAM lets no locked account in.
        run('useradd', '--password', '*', '--shell', '/bin/sh', '--home-dir', self.home, '--create-home', name)

    def allow_sudo(self, line):
        """One line of sudoers for this user, checked by visudo before it is there."""
        temporary = self.home / 'sudoers'
        temporary.write_text(f'{self.name} {line}\n')
        run('visudo', '-cf', temporary)
        self.sudoers.write_text(temporary.read_text())
        self.sudoers.chmod(0o440)

    def own(self, *paths):
        for path in paths:
            run('chown', '-R', f'{self.name}:', path)

    def remove(self):
        self.sudoers.unlink(missing_ok=True)
        wait_until(lambda: run('userdel', '--remove', self.name, check=False).returncode in (0, 6, 12), 'userdel')


class Sshd:
    def __init__(self, directory, user='root'):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.user = user
        self.port = free_port()
        self.identity = self.directory / 'identity'
        for file in (self.directory / 'host', self.identity):
            run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file)
        self.host_key = ' '.join((self.directory / 'host.pub').read_text().split()[:2])
        (self.directory / 'authorized_keys').write_text(self.identity.with_suffix('.pub').read_text())
        config = self.directory / 'sshd_config'
        config.write_text(f'''Port {self.port}
ListenAddress 127.0.0.1
HostKey {self.directory}/host
PidFile none
AuthorizedKeysFile {self.directory}/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {self.user}
LogLevel VERBOSE
''')
        self.log = self.directory / 'sshd.log'
        self._daemon = Daemon(['/usr/sbin/sshd', '-D', '-e', '-f', config], self.log)

    def start(self):
        os.makedirs('/run/sshd', mode=0o755, exist_ok=True)  # on a booted system the service makes it
        self._daemon.start(self.port)

    def stop(self):
        self._daemon.stop()

    def host_toml(self, name, port=None, sudo=False, pinned=True):
        """[host.NAME] of a renewd configuration."""
        lines = [f'[host.{name}]', f'ssh = "{self.user}@127.0.0.1:{port or self.port}"', f'identity_file = "{self.identity}"']
        if pinned:
            lines.append(f'host_key = "{self.host_key}"')
        if sudo:
            lines.append('sudo = true')
        return '\n'.join(lines) + '\n'

    def remote_processes(self):
        """Every process that runs on "the other side" now, as {pid: command line}."""
        return children_of(self._daemon.process.pid)

    def logins(self):
        return self.log.read_text().count('Accepted publickey')


class Line:
    """A TCP line to a port that counts what goes up, and can be made to stall after so many bytes, or be cut."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(('127.0.0.1', free_port()))
        self.port = self._listener.getsockname()[1]
        self.sent = 0            # bytes towards the target over the last connection
        self.stall_after = None  # bytes; what comes then is kept back
        self.stalled = threading.Event()
        self._closing = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.sent = 0
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with client, socket.create_connection(('127.0.0.1', self._target)) as server:
            while not self._closing.is_set():
                ready, _, _ = select.select([client, server], [], [], 0.5)
                for end in ready:
                    try:
                        data = end.recv(65536)
                    except OSError:
                        return
                    if not data:
                        return
                    (client if end is server else server).sendall(self._up(data) if end is client else data)

    def _up(self, data):
        if self.stall_after is not None and self.sent + len(data) > self.stall_after:
            data = data[:max(0, self.stall_after - self.sent)]
            self.stalled.set()
        self.sent += len(data)
        return data

    def close(self):
        self._closing.set()
        self._listener.close()
