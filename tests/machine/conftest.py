# SPDX-License-Identifier: Apache-2.0
"""The CA and the words of these tests are those of the integration tests."""
import os
import pathlib
import sys

os.umask(0o022)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'integration'))
