import importlib
import pkgutil
import sys

from . import commands

names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
if len(sys.argv) < 2 or sys.argv[1] not in names:
    sys.exit("usage: invoice " + "|".join(names))
importlib.import_module(f"invoice.commands.{sys.argv[1]}").main(*sys.argv[2:])
