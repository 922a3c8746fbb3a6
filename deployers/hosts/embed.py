#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a source of receiver.sh: embed.py receiver.sh receiver_script.cpp

Comments, blank lines and indentation stay behind: the text travels with every connection, and sudo logs it. What would
break the quoting of the text on its way (remote_command() and sudoers_line() in ssh_command.cpp) is an error of the build.
"""
import sys

source, target = sys.argv[1:]
with open(source, encoding="ascii") as file:
    lines = [line.strip() for line in file]
script = "\n".join(line for line in lines if line and not line.startswith("#"))
for forbidden, why in (("'", "the whole text is put between single quotes"), (')SCRIPT"', "it ends the literal"),
                       ("\t", "sudoers cannot tell it from a space"), ("  ", "sudoers makes one space of two")):
    if forbidden in script:
        sys.exit(f"{source}: {forbidden!r} may stand in comments only: {why}")
with open(target, "w", encoding="ascii") as file:
    file.write(f"""// Made of receiver.sh by embed.py.
#include "deployers/hosts/receiver_script.hpp"

namespace deployers {{

std::string_view receiver_script() {{
    return R"SCRIPT({script})SCRIPT";
}}

}}  // namespace deployers
""")
