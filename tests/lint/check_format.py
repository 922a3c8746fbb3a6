# SPDX-License-Identifier: Apache-2.0
"""Every C++ file is as clang-format-19 leaves it with the tree's .clang-format."""
import subprocess

from sources import ROOT, files, finish

sources = [str(path) for path in files('.cpp', '.hpp')]
answer = subprocess.run(['clang-format-19', '--dry-run', '-Werror', '--ferror-limit=1', *sources],
                        cwd=ROOT, capture_output=True, text=True, check=False)
problems = [line for line in answer.stderr.splitlines() if ': error: ' in line]
if answer.returncode and not problems:
    problems = [f'clang-format-19 ended with {answer.returncode}: {answer.stderr.strip()}']
if problems:
    problems.append('instead: clang-format-19 -i FILE')
finish('format', problems)
