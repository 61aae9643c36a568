"""Sign requests to S3 with the right time in processes whose clock libfaketime sets.

The S3 server is written in Go, which libfaketime does not reach; on a real machine its clock would be set, too. Python
imports this module at its start if the folder is in PYTHONPATH.
"""

import os
import time

if "WHILE_ARRIVING_CLOCK_OFFSET" in os.environ:
    from datetime import UTC, datetime

    import minio.time

    offset = float(os.environ["WHILE_ARRIVING_CLOCK_OFFSET"])
    minio.time.utcnow = lambda: datetime.fromtimestamp(offset + time.monotonic(), UTC)
