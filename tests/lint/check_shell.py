# SPDX-License-Identifier: Apache-2.0
"""Every shell script parses in dash and in busybox (the remote side may be either), and shellcheck warns of nothing."""
import subprocess

from sources import ROOT, files, finish

scripts = [str(path) for path in files('.sh')] + ['.ci/run']
problems = []
for script in scripts:
    shells = [['bash', '-n']] if script == '.ci/run' else [['dash', '-n'], ['busybox', 'sh', '-n']]
    for argv in shells + [['shellcheck', '--shell=' + shells[0][0], '--severity=warning', '--exclude=SC1007', '--format=gcc']]:
        answer = subprocess.run([*argv, script], cwd=ROOT, capture_output=True, text=True, check=False)
        if answer.returncode:
            problems += (answer.stdout + answer.stderr).strip().splitlines()
finish('shell', problems)
