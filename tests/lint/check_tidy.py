# SPDX-License-Identifier: Apache-2.0
"""clang-tidy-19 over every translation unit of the product: check_tidy.py [BUILD] [--deep]. What was clean and has not changed since, with all
it includes, is not read again: that is kept under BUILD/tidy, named by a digest of everything the answer depends on.

Most of the time goes into the headers of libraries, so units are read many at once, as one that includes them all. Two that will not be one,
because both have a helper of the same name, go into different ones."""
import collections
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

from sources import PRODUCT, ROOT, finish

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / 'build').resolve()
CACHE = BUILD / 'tidy'
AT_ONCE = 20  # more, and too many will not be one
# The static analyzer takes as long as everything else together: --deep runs it, too. GCC's own warning options are no news to clang,
# and it has looked for names that hide others, which those of another unit do.
CHECKS = '-bugprone-suspicious-include' + ('' if '--deep' in sys.argv else ',-clang-analyzer-*')
OPTIONS = [f'--config-file={ROOT / ".clang-tidy"}', '--extra-arg=-Wno-unknown-warning-option', '--extra-arg=-Wno-shadow',
           f'--checks={CHECKS}']

Unit = collections.namedtuple('Unit', 'source flags key')


def run(*argv):
    return subprocess.run(argv, cwd=BUILD, capture_output=True, text=True, check=False)


def flags_of(command):
    """What a compiler's command says of more than its own unit."""
    return tuple(word for word in shlex.split(command) if re.match(r'-(I|D|W|std|pthread|f(?!diagnostics))', word))


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


def units(problems):
    """Every translation unit of ours that is not known to be clean."""
    common = run('clang-tidy-19', '--version').stdout + ' '.join(OPTIONS) + (ROOT / '.clang-tidy').read_text()
    made_from = includes()
    if not made_from:
        problems.append('nothing was built')
    for entry in json.loads((BUILD / 'compile_commands.json').read_text()):
        source = (BUILD / entry['file']).resolve()
        if not source.is_relative_to(ROOT) or source.relative_to(ROOT).parts[0] not in PRODUCT:
            continue
        if not made_from.get(entry['output']):
            problems.append(f'{source.relative_to(ROOT)}:1: was not built; build first')
            continue
        parts = [common, entry['command'], *map(fingerprint, made_from[entry['output']])]
        key = hashlib.sha256('\n'.join(parts).encode()).hexdigest()
        if not (CACHE / key).exists():
            yield Unit(source, flags_of(entry['command']), key)


def file_of_all(group):
    """One that includes them all."""
    file = CACHE / f'{group[0].key}.cpp'
    file.write_text(''.join(f'#include "{unit.source}"\n' for unit in group))
    return str(file)


def that_are_one(group):
    """Those of the group that can be read as one unit, and the others."""
    others = []
    while len(group) > 1:
        answer = run('clang++-19', '-fsyntax-only', '-w', '-ferror-limit=0', *group[0].flags, file_of_all(group))
        if answer.returncode == 0:
            break
        places = re.findall(r'^(?:In file included from (\S+?):\d+:|(\S+?):\d+:\d+: (?:fatal )?error:)', answer.stderr, re.MULTILINE)
        files = {(BUILD / (including or erring)).resolve() for including, erring in places}
        bad = [unit for unit in group[1:] if unit.source in files] or group[1:]
        others += bad
        group = [unit for unit in group if unit not in bad]
    return group, others


def groups_of(open_units, pool):
    """All of them, in groups that can be read as one."""
    by_flags = collections.defaultdict(list)
    for unit in open_units:
        by_flags[unit.flags].append(unit)
    found, left = [], list(by_flags.values())
    while left:
        chunks = [alike[at:at + AT_ONCE] for alike in left for at in range(0, len(alike), AT_ONCE)]
        divided = list(pool.map(that_are_one, chunks))
        found += [group for group, _ in divided]
        again = collections.defaultdict(list)
        for _, others in divided:
            for unit in others:
                again[unit.flags].append(unit)
        left = list(again.values())
    return sorted(found, key=len, reverse=True)  # long ones first: all cores end together


def from_root(line):
    """A message with the place it speaks of as seen from the root of the tree."""
    place, colon, rest = line.partition(':')
    file = (BUILD / place).resolve()
    return f'{file.relative_to(ROOT)}{colon}{rest}' if colon and file.is_file() and file.is_relative_to(ROOT) else line


def check(group):
    """Problems in one group; where there are none, that is remembered."""
    file = file_of_all(group)
    answer = run('clang-tidy-19', '--quiet', *OPTIONS, file, '--', *group[0].flags)
    pathlib.Path(file).unlink()
    if answer.returncode == 0:
        for unit in group:
            (CACHE / unit.key).touch()
        return []
    lines = [from_root(line) for line in answer.stdout.splitlines() if line.strip()]
    return lines or [f'{group[0].source.relative_to(ROOT)}:1: clang-tidy-19 ended with {answer.returncode}: {answer.stderr.strip()}']


def main():
    CACHE.mkdir(parents=True, exist_ok=True)
    problems = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for found in pool.map(check, groups_of(list(units(problems)), pool)):
            problems += found
    finish('tidy', list(dict.fromkeys(problems)))


main()
