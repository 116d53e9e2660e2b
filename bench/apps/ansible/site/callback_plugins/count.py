from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "count"

    def __init__(self):
        super().__init__()
        self.done = 0

    def v2_runner_on_ok(self, result):
        self.done += 1

    def v2_playbook_on_stats(self, stats):
        self._display.display(f"{self.done} results")
