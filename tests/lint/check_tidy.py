# SPDX-License-Identifier: Apache-2.0
"""clang-tidy-19 over every translation unit of the product: check_tidy.py [BUILD] [--deep]. What was clean and has not changed since, with all
it includes, is not read again: that is kept under BUILD/tidy, named by a digest of everything the answer depends on."""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import subprocess
import sys

from sources import PRODUCT, ROOT, finish

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'build').resolve()
CACHE = BUILD / 'tidy'
# The static analyzer takes as long as everything else together: --deep runs it, too. GCC's own warning options are no news to clang.
QUICK = [] if '--deep' in sys.argv else ['--checks=-clang-analyzer-*']
OPTIONS = ['--extra-arg=-Wno-unknown-warning-option', *QUICK]


def run(*argv):
    return subprocess.run(argv, cwd=BUILD, capture_output=True, text=True, check=False)


def units():
    """Object file -> (source, command) of every translation unit of ours."""
    for entry in json.loads((BUILD / 'compile_commands.json').read_text()):
        source = (BUILD / entry['file']).resolve()
        if source.is_relative_to(ROOT) and source.relative_to(ROOT).parts[0] in PRODUCT:
            yield entry['output'], source, entry['command']


def includes():
    """Object file -> every file it was made from, as ninja remembers it from the last build."""
    found, current = {}, None
    for line in run('ninja', '-t', 'deps').stdout.splitlines():
        if line.startswith('    '):
            found[current].append(line.strip())
        elif ': #deps' in line:
            current = line.split(': #deps')[0]
            found[current] = []
    return found


@functools.lru_cache(maxsize=None)
def fingerprint(file):
    """Our own files by content; those of the system, which are many and change with their package, by size and time."""
    path = (BUILD / file).resolve()
    if path.is_relative_to(ROOT):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    status = path.stat()
    return f'{path} {status.st_size} {status.st_mtime_ns}'


def from_root(line):
    """A message with the place it speaks of as seen from the root of the tree."""
    place, colon, rest = line.partition(':')
    file = (BUILD / place).resolve()
    return f'{file.relative_to(ROOT)}{colon}{rest}' if colon and file.is_relative_to(ROOT) else line


def check(source, key):
    """Problems in one unit; where there are none, that is remembered."""
    answer = run('clang-tidy-19', '-p', str(BUILD), '--quiet', *OPTIONS, str(source))
    if answer.returncode == 0:
        (CACHE / key).touch()
        return []
    lines = [from_root(line) for line in answer.stdout.splitlines() if line.strip()]
    return lines or [f'{source.relative_to(ROOT)}:1: clang-tidy-19 ended with {answer.returncode}: {answer.stderr.strip()}']


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    common = run('clang-tidy-19', '--version').stdout + ' '.join(OPTIONS) + (ROOT / '.clang-tidy').read_text()
    made_from, open_units, problems = includes(), [], []
    for output, source, command in units():
        if not made_from.get(output):
            problems.append(f'{source.relative_to(ROOT)}:1: was not built; build first')
            continue
        parts = [common, command]
        for file in made_from[output]:
            parts.append(fingerprint(file))
        key = hashlib.sha256('\n'.join(parts).encode()).hexdigest()
        if not (CACHE / key).exists():
            open_units.append((source, key))
    open_units.sort(key=lambda unit: unit[0].stat().st_size, reverse=True)  # long ones first: both cores end together
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for found in pool.map(lambda unit: check(*unit), open_units):
            problems += found
    if not made_from:
        problems.append('nothing was built')
    finish('tidy', list(dict.fromkeys(problems)))


main()
