# SPDX-License-Identifier: Apache-2.0
"""Runs a program and measures it: its wall time, the CPU time of it and its children, and its peak memory.

Linux counts what a process was before it became another program as memory of that program. So the meter is a process of its own, as
small as Python can be (its size, some 9 MiB, is the least that is ever reported); `python3 -I -S meter.py FD ARGV...` is that process."""
import os
import sys
import time


def cpu_of(pid):
    """CPU seconds of a process that runs, with those of its threads that have ended; by the clock that clock_getcpuclockid(3) names."""
    return time.clock_gettime(~pid << 3 | 2)


def memory_of(pid):
    """Resident MiB of a process that runs: now, and the most there ever was."""
    with open(f'/proc/{pid}/status', encoding='utf-8') as status:
        fields = dict(line.split(':', 1) for line in status)
    return [int(fields[key].split()[0]) / 1024 for key in ('VmRSS', 'VmHWM')]


def measure(argv, said, environment=None):
    """Exit status, wall seconds, CPU seconds, peak MiB; what is printed goes to the file `said`."""
    import subprocess  # not for the process that measures
    reader, writer = os.pipe()
    own = ['/usr/bin/python3', '-I', '-S', __file__, str(writer), *(str(word) for word in argv)]
    with subprocess.Popen(own, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=environment, pass_fds=[writer]):
        os.close(writer)
        with os.fdopen(reader) as pipe:
            figures = pipe.read().split()
    if not figures:
        sys.exit(f'{argv[0]} could not be started; sh tests/packages.sh bench installs what is measured beside renewd')
    status, wall, cpu, memory = figures
    return int(status), float(wall), float(cpu), float(memory)


def main():
    result, argv = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(result, False)
    began = time.monotonic()
    process = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - began
    os.write(result, f'{os.waitstatus_to_exitcode(status)} {wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss / 1024}'.encode())


if __name__ == '__main__':
    main()
