# SPDX-License-Identifier: Apache-2.0
"""docs/acme-coverage.md has every row of the situations that an ACME client meets; each row names a test that is there, or says why
there is none; what a row calls not shown has a reason, too."""
import pathlib
import re

from sources import files, finish, read

TABLE = pathlib.Path('docs/acme-coverage.md')
ROWS = {'H': 17, 'N': 6, 'A': 11, 'O': 32, 'F': 8, 'R': 11, 'C': 2}
ROW = re.compile(r'\| *([A-Z]\d+) *\|')
# "ca_faults::test_lost_answer[finalize, authZ]", and `acme/url_test` "url: what is no URL"
PYTEST = re.compile(r'\b(\w+)::(test_\w+)(?:\[([^\]]*)\])?')
DOCTEST = re.compile(r'`([\w/]+_test)` ((?:"[^"]+"(?:, )?)+)')
WHY_NOT = re.compile(r'\b(not shown|not covered|not yet): *([^;]*)')
WORDS_MIN = 4  # fewer only repeat what is missing

integration = {path.stem: read(path) for path in files('.py', folders=('tests/integration',)) if path.stem.startswith('test_')}
cases = {}
for path in files('.cpp', folders=('tests/unit',)):
    literals = re.findall(r'TEST_CASE\(\s*((?:"[^"\n]*"\s*)+)\)', read(path))
    cases[str(path.with_suffix('').relative_to('tests/unit'))] = {''.join(re.findall('"([^"]*)"', one)) for one in literals}


def wrong_with(text):
    """What is wrong with the tests that `text` names; and how many it names."""
    wrong, count = [], 0
    for module, name, parameters in PYTEST.findall(text):
        count += 1
        source = integration.get(f'test_{module}', '')
        if not re.search(rf'^def {name}\(', source, re.MULTILINE):
            wrong.append(f'there is no {name} in tests/integration/test_{module}.py')
        wrong += [f'{name} has no parameter {one.strip(" …")}' for one in parameters.split(', ') if one.strip(' …') not in source]
    for file, names in DOCTEST.findall(text):
        for name in re.findall('"([^"]+)"', names):
            count += 1
            if name not in cases.get(file, ()):
                wrong.append(f'there is no case "{name}" in tests/unit/{file}.cpp')
    quoted = re.sub(r'`[^`]*`', '', DOCTEST.sub('', text))
    wrong += [f'{name} stands without the file of its case:  `acme/url_test` {name}' for name in re.findall(r'"[^"]+: [^"]+"', quoted)]
    return wrong, count


problems = []
seen = []
for number, line in enumerate(read(TABLE).splitlines(), 1):
    row = ROW.match(line)
    named = line.rstrip(' |').rpartition(' | ')[2] if row else line
    wrong, count = wrong_with(named)
    if row:
        seen.append(row.group(1))
        if not count and not WHY_NOT.search(named):
            wrong.append(f'{row.group(1)} names no test; name one, or say why there is none:  not covered: …')
        if 'to be named' in named:
            wrong.append(f'{row.group(1)} is not finished')
        wrong += [f'{row.group(1)} says "{what}: {why}": say why, too' for what, why in WHY_NOT.findall(named)
                  if len(why.split()) < WORDS_MIN]
    problems += [f'{TABLE}:{number}: {one}' for one in wrong]
for letter, last in ROWS.items():
    for number in range(1, last + 1):
        if seen.count(f'{letter}{number}') != 1:
            problems.append(f'{TABLE}:1: the row {letter}{number} stands there {seen.count(f"{letter}{number}")} times')
if len(seen) != sum(ROWS.values()):
    problems.append(f'{TABLE}:1: {len(seen)} rows, and not {sum(ROWS.values())}')
finish('coverage', problems)
