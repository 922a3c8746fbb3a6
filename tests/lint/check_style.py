# SPDX-License-Identifier: Apache-2.0
"""What no formatter and no clang-tidy check knows: words that are banned here, each with what takes their place."""
import re

from sources import PRODUCT, ROOT, code_only, finish, files, read

LINES_MAX = 500

# (pattern in C++ without comments and strings, what to do instead, files it is allowed in)
BANS = [
    (r'system_clock\s*::\s*now', 'take `now` as a parameter, or ask base::Clock', {'base/clock.cpp'}),
    (r'\bsleep_(for|until)\b', 'wait through base::Clock', {'base/clock.cpp'}),
    (r'\b(secure_)?getenv\s*\(', 'settings come from the configuration, secrets by file',
     {'base/secret_source.cpp', 'base/service_manager.cpp'}),
    (r'(?<![\w.>])system\s*\(', 'run a program by argv: base/process.hpp', set()),
    (r'\bpopen\s*\(', 'run a program by argv: base/process.hpp', set()),
    (r'(?<!\w)v?fork\s*\(', 'use posix_spawn, as base/process.cpp does', set()),
    (r'(?<![\w.>])(quick_)?exit\s*\(', 'return an error or an exit code; after a fork only _exit', set()),
    (r'\bcatch\s*\(\s*\.\.\.\s*\)', 'catch what the library throws, where it is called', {'agent/cli/main.cpp'}),
]
OUTPUT = (r'\bstd::(cout|cerr|clog)\b', 'libraries return errors and values; only agent/ talks to people')
USING = (r'\busing\s+namespace\s+(?!std::((chrono|string|string_view)_)?literals\b)',
         'name what you use; only literals of std may be opened')
UNFINISHED = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b')


def places(pattern, text):
    return (text.count('\n', 0, match.start()) + 1 for match in re.finditer(pattern, text))


def cpp_problems(path, text):
    code = code_only(text)
    product = path.parts[0] in PRODUCT
    bans = [USING]
    if product:
        bans += [(pattern, instead) for pattern, instead, allowed in BANS if path.as_posix() not in allowed]
    if product and path.parts[0] != 'agent':
        bans.append(OUTPUT)
    for pattern, instead in bans:
        for number in places(pattern, code):
            yield f'{path}:{number}: {code.splitlines()[number - 1].strip()}   instead: {instead}'
    if path.suffix == '.hpp' and '#pragma once' not in text:
        yield f'{path}:1: #pragma once is missing'


def text_problems(path, text):
    lines = text.split('\n')
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            yield f'{path}:{number}: white space at the end of the line'
        if '\t' in line and path.suffix != '.md':
            yield f'{path}:{number}: a tab; indent with spaces'
        if UNFINISHED.search(line) and path.name != 'check_style.py':
            yield f'{path}:{number}: unfinished work is an issue, not a remark: {line.strip()}'
    if text and not text.endswith('\n'):
        yield f'{path}:{len(lines)}: the last line has no end'


def source_problems(path, text):
    if not any('SPDX-License-Identifier: Apache-2.0' in line for line in text.splitlines()[:2]):
        yield f'{path}:1: the first line is: SPDX-License-Identifier: Apache-2.0'
    length = text.count('\n')
    if length > LINES_MAX:
        yield f'{path}:{LINES_MAX}: {length} lines; a file has one subject and at most {LINES_MAX} lines'


def all_problems():
    for path in files('.cpp', '.hpp', '.py', '.sh'):
        text = read(path)
        yield from source_problems(path, text)
        yield from text_problems(path, text)
        if path.suffix in ('.cpp', '.hpp'):
            yield from cpp_problems(path, text)
    others = files('.build', '.md', '.toml', '.json', folders=PRODUCT + ('tests', 'docs'))
    others += sorted(path.relative_to(ROOT) for path in ROOT.glob('*') if path.suffix in ('.build', '.md'))
    for path in others:
        yield from text_problems(path, read(path))


finish('style', list(all_problems()))
