"""Imports what an environment is for, as its programs will; arguments: the names of the packages.

Prints what is installed on the last line, as JSON: ["name==version", …].
"""

import importlib
import importlib.metadata
import json
import re
import sys


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


wanted = {canonical(name) for name in sys.argv[1:]}
modules = sorted(
    module
    for module, packages in importlib.metadata.packages_distributions().items()
    if module.isidentifier()
    and not module.startswith("_")
    and wanted.intersection(canonical(package) for package in packages)
)
for module in modules:
    importlib.import_module(module)
installed = {f"{canonical(d.name)}=={d.version}" for d in importlib.metadata.distributions()}
print(json.dumps(sorted(installed)))
