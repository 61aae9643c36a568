"""What the fork server of the fault tests has loaded, so that none of its processes loads it anew, for five seconds."""

import gc

import av  # noqa: F401, TID253
import magika  # noqa: F401, TID253
import onnxruntime  # noqa: F401
import psycopg  # noqa: F401
import torch  # noqa: F401, TID253

import media.pictures  # noqa: F401
import tests.faults.scenario  # noqa: F401
from media.images.formats import register_formats
from media.plain_text import decode_text

register_formats()
decode_text("Combining marks: é".encode())
gc.collect()
gc.freeze()  # the processes need not look through the objects of the libraries again
