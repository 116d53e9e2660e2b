#!/usr/bin/env python3
# A JSON filter: appends the number of blocks.
import json
import sys

document = json.load(sys.stdin)
document["blocks"].append({"t": "Para", "c": [{"t": "Str", "c": f"{len(document['blocks'])} blocks"}]})
json.dump(document, sys.stdout)
