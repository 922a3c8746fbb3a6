# SPDX-License-Identifier: Apache-2.0
"""A whole machine of its own: this release of Debian with its kernel and its systemd, emulated by qemu, on a disk that is thrown away.
Here the clock may be set, the machine put to sleep and the plug pulled."""
import os
import pathlib
import subprocess

from processes import ENVIRONMENT, free_port, run, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get('MACHINE_CACHE', ROOT / 'build/machine'))
START = 300  # seconds a start may take: every instruction is emulated where there is no hardware for it


def base_disk(binary):
    """The cached disk with everything but renewd; made once, in some minutes."""
    needed = sorted({path for path in run('ldd', binary).stdout.split() if path.startswith('/')})
    # merged-/usr: the linker says /lib, dpkg may say /usr/lib
    owners = run('dpkg-query', '-S', *needed, *(f'/usr{path}' for path in needed), check=False).stdout
    packages = sorted({line.split(':')[0] for line in owners.splitlines()})
    done = subprocess.run(['sh', ROOT / 'tests/machine/disk.sh', CACHE, *packages], env=ENVIRONMENT, text=True, capture_output=True,
                          timeout=1800, check=False)
    assert done.returncode == 0, done.stderr
    return CACHE / 'disk.img'


class Machine:
    """`ports` maps ports of our loopback to ports of the machine. For it, our loopback is 10.0.2.2."""

    def __init__(self, directory, binary, ports):
        self.directory = pathlib.Path(directory)
        self.disk = self.directory / 'disk.img'
        run('cp', '--sparse=always', base_disk(binary), self.disk, timeout=600)
        self.ssh_port = free_port()
        self.ports = {**ports, self.ssh_port: 22}
        self.console = self.directory / 'console.log'
        self.monitor = self.directory / 'monitor'
        self.process = None

    def start(self):
        """Switches it on, and waits until it lets us in and has come to rest."""
        forwards = ''.join(f',hostfwd=tcp:127.0.0.1:{ours}-:{theirs}' for ours, theirs in self.ports.items())
        argv = ['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', '1536', '-smp', '2', '-nographic',
                '-kernel', CACHE / 'vmlinuz', '-initrd', CACHE / 'initrd', '-append', 'root=/dev/vda rw console=ttyS0',
                '-drive', f'file={self.disk},if=virtio,format=raw,cache=writethrough', '-netdev', f'user,id=net{forwards}',
                '-device', 'virtio-net,netdev=net', '-qmp', f'unix:{self.monitor},server=on,wait=off']
        with self.console.open('ab') as console:
            self.process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                                            env=ENVIRONMENT, start_new_session=True)
        wait_until(lambda: self.ask('true').returncode == 0, f'the machine to start; its console is {self.console}', START)
        self.run('systemctl is-system-running --wait || true', timeout=START)

    def ask(self, command, timeout=180, typed=None):
        """A shell command there, as root; whatever comes of it."""
        ssh = ['ssh', '-i', CACHE / 'key', '-p', self.ssh_port, '-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
               '-o', 'ConnectTimeout=10', '-o', 'LogLevel=ERROR', '-o', 'ControlMaster=auto', '-o', 'ControlPersist=yes',
               '-o', f'ControlPath={self.directory}/ssh', '-o', 'ServerAliveInterval=15', 'root@127.0.0.1', command]
        return subprocess.run([str(word) for word in ssh], env=ENVIRONMENT, text=True, input=typed or '', capture_output=True,
                              timeout=timeout, check=False)

    def run(self, command, expect=0, **options):
        """The same, to its end; what it printed."""
        done = self.ask(command, **options)
        assert done.returncode == expect, f'{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}'
        return done.stdout

    def until(self, command, seconds=60):
        """Waits until a command there succeeds; what it printed."""
        done = wait_until(lambda: next((one for one in [self.ask(command)] if one.returncode == 0), None), command, seconds)
        return done.stdout

    def write(self, path, text, mode=0o644):
        self.run(f'mkdir -p {pathlib.Path(path).parent} && cat >{path} && chmod {mode:o} {path}', typed=text)

    def install(self, tree):
        """Puts what is in a directory of ours over what is there."""
        with subprocess.Popen(['tar', '-C', tree, '-c', '--owner=0', '--group=0', '.'], stdout=subprocess.PIPE, env=ENVIRONMENT) as packed:
            ssh = ['ssh', '-i', str(CACHE / 'key'), '-p', str(self.ssh_port), '-o', f'ControlPath={self.directory}/ssh',
                   'root@127.0.0.1', 'tar -C / -x --no-overwrite-dir']
            subprocess.run(ssh, stdin=packed.stdout, env=ENVIRONMENT, timeout=300, check=True)

    def pull_the_plug(self):
        """What was not on its disk is gone."""
        self.process.kill()
        self._gone()

    def stop(self):
        if self.process is not None:
            self.pull_the_plug()

    def _gone(self):
        self.process.wait(timeout=30)
        self.process = None
        subprocess.run(['ssh', '-O', 'exit', '-o', f'ControlPath={self.directory}/ssh', 'root@127.0.0.1'], env=ENVIRONMENT,
                       capture_output=True, check=False)
        (self.directory / 'ssh').unlink(missing_ok=True)
