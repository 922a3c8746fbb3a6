# SPDX-License-Identifier: Apache-2.0
"""The binary to measure."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def built():
    """RENEWD=PATH names it; without that one is built in build-release, optimised as the documented installation is."""
    if 'RENEWD' in os.environ:
        return pathlib.Path(os.environ['RENEWD']).resolve()
    build = ROOT / 'build-release'
    if not (build / 'build.ninja').exists():
        subprocess.run(['meson', 'setup', '--prefix=/usr', '-Ddebug=false', '-Db_lto=true', '-Dtests=false', str(build)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(['ninja', '-C', str(build), 'agent/renewd'], check=True, stdout=subprocess.DEVNULL)
    return build / 'agent/renewd'
