#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec={"grams": {"type": "int", "required": True}})
module.exit_json(kilos=module.params["grams"] / 1000)
