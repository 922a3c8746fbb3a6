# SPDX-License-Identifier: Apache-2.0
"""Every error code of the one table is produced by some test, which names its text (INTERFACE.md: "each produced by some test")."""
import pathlib
import re

from sources import finish, files, read

TABLE = pathlib.Path('base/error_codes.hpp')
ROW = re.compile(r'X\((\w+),\s*"([a-z]+/[a-z-]+)",\s*\w+\)')

tests = ''.join(read(path) for path in files('.cpp', '.hpp', '.py', folders=('tests',)) if path.parts[1] != 'lint')
problems = []
seen = set()
for number, line in enumerate(read(TABLE).splitlines(), 1):
    for name, text in ROW.findall(line):
        if text in seen:
            problems.append(f'{TABLE}:{number}: {text} is in the table twice')
        seen.add(text)
        if not re.search(re.escape(text) + r'(?![a-z-])', tests):
            problems.append(f'{TABLE}:{number}: no test names {text} (Code::{name}); add one that produces it')
if not seen:
    problems.append(f'{TABLE}:1: no row of the form X(Name, "area/kebab", Class) was found')
finish('codes', problems)
