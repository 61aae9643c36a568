"""What makes libfaketime usable: imported by every Python at its start if this folder is in PYTHONPATH.

Requests to S3 are signed with the right time: the S3 server is written in Go, which libfaketime does not reach; on a
real machine its clock would be set, too. And libfaketime refuses the system call of time.sleep.
"""

import os
import select
import time

if "WHILE_ARRIVING_CLOCK_OFFSET" in os.environ:
    from datetime import UTC, datetime

    import minio.time

    offset = float(os.environ["WHILE_ARRIVING_CLOCK_OFFSET"])
    minio.time.utcnow = lambda: datetime.fromtimestamp(offset + time.monotonic(), UTC)
    time.sleep = lambda seconds: select.select([], [], [], float(seconds)) and None
