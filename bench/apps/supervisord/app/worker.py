import signal
import time

signal.signal(signal.SIGHUP, lambda *_: print("told to look again", flush=True))
print("worker is up", flush=True)
while True:
    time.sleep(1)
