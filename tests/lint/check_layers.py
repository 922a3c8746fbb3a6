# SPDX-License-Identifier: Apache-2.0
"""Arrows run down only (DESIGN.md, section 3): reads every #include and reports each one that points up or sideways."""
import re

from sources import PRODUCT, finish, files, read

BELOW = {
    'base': {'base'},
    'hooks': {'hooks', 'base'},
    'acme': {'acme', 'hooks', 'base'},
    'deployers': {'deployers', 'hooks', 'base'},
    'agent': {'agent', 'acme', 'deployers', 'hooks', 'base'},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def problems_of(path):
    folder = path.parts[0]
    for number, line in enumerate(read(path).splitlines(), 1):
        include = INCLUDE.match(line)
        if not include:
            continue
        quote, name = include.groups()
        top = name.split('/')[0]
        where = f'{path}:{number}:'
        if top in PRODUCT and quote == '<':
            yield f'{where} our own headers are included as "{name}"'
        elif quote == '"' and top not in PRODUCT:
            yield f'{where} "{name}" does not begin with one of our folders; write it from the root of the tree'
        elif top in PRODUCT and top not in BELOW[folder]:
            yield f'{where} {folder}/ must not know {top}/ ({name}); it may use {", ".join(sorted(BELOW[folder]))}'


finish('layers', [problem for path in files('.hpp', '.cpp', folders=PRODUCT) for problem in problems_of(path)])
