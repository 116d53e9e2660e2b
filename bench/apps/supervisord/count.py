#!/srv/venv/bin/python
"""How many orders there are, from cron."""
import collections
import csv
import sys

orders = collections.Counter()
try:
    with open("/data/orders.csv", newline="") as file:
        for name, in csv.reader(file):
            orders[name] += 1
except FileNotFoundError:
    sys.exit("no orders yet")
with open("/data/count", "w") as file:
    for name, count in orders.most_common():
        print(name, count, file=file)
