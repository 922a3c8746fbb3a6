# SPDX-License-Identifier: Apache-2.0
"""The files that the lints read: found by walking the tree, so that they need no git and also see what is not added yet."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = ('base', 'hooks', 'acme', 'deployers', 'agent')


def files(*suffixes, folders=PRODUCT + ('tests',)):
    """Every file below `folders` that ends in one of `suffixes`, as a path relative to the root, sorted."""
    found = (path for folder in folders for path in (ROOT / folder).rglob('*') if path.suffix in suffixes)
    return sorted(path.relative_to(ROOT) for path in found if '__pycache__' not in path.parts and path.is_file())


def read(path):
    return (ROOT / path).read_text(encoding='utf-8')


_WORDLESS = re.compile(
    r'''R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"   # raw string
      | "(?:\\.|[^"\\\n])*"                        # string
      | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'       # character, but no digit separator
      | //[^\n]* | /\*.*?\*/                       # comments''',
    re.DOTALL | re.VERBOSE)


def code_only(text):
    """C++ without its comments, strings and characters; every line stays where it is."""
    return _WORDLESS.sub(lambda match: '""' + '\n' * match.group().count('\n'), text)


def finish(lint, problems):
    """Prints the problems, if any, and ends with the exit status that says whether there were some."""
    for problem in problems:
        print(problem)
    print(f'{lint}: {len(problems)} problem(s)' if problems else f'{lint}: clean')
    sys.exit(1 if problems else 0)
