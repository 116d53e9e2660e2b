#!/usr/bin/env python3
"""Warns of a temperature that is too high."""
import json
import sys

import paho.mqtt.client as mqtt


def said(client, _, message):
    if json.loads(message.payload)["temperature"] > 30:
        client.publish("shop/alarm", "too hot").wait_for_publish(1)


client = mqtt.Client()
client.username_pw_set("ann", "apple")
client.on_message = said
client.on_connect = lambda *_: client.subscribe("shop/sensor/#")
client.connect(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1")
client.loop_forever()
