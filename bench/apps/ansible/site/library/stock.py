#!/usr/bin/python
DOCUMENTATION = """
module: stock
short_description: How many fruits there are
options:
  name: {description: which, required: true, type: str}
"""
import sqlite3

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule(argument_spec={"name": {"required": True, "type": "str"}}, supports_check_mode=True)
    base = sqlite3.connect(":memory:")
    module.exit_json(changed=False, count=base.execute("select length(?)", [module.params["name"]]).fetchone()[0])


if __name__ == "__main__":
    main()
