#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints the project's own C files in a build folder's compile_commands.json, each once."""

import json
import pathlib
import sys

build = pathlib.Path(sys.argv[1]).resolve()
root = pathlib.Path.cwd().resolve()
with open(build / "compile_commands.json", encoding="utf-8") as commands:
    files = {(pathlib.Path(c["directory"]) / c["file"]).resolve() for c in json.load(commands)}
for file in sorted(files):
    if file.suffix == ".c" and root in file.parents and build not in file.parents:
        print(file.relative_to(root))
