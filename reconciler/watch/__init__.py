"""The daemon that looks at live again and again, and tells what it found.

watcher.py    the loop: when to look, what to record, which policy acts
detectors.py  whether anything can have changed: counters, marks, the log of DDL
courier.py    delivers what the outbox holds, in a thread of its own
senders.py    signed webhooks, and what apprise reaches
status.py     what a watcher knows now, one value that others read
metrics.py    the same for Prometheus
endpoint.py   /metrics, /healthz and /readyz by HTTP
"""
