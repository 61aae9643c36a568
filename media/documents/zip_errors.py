"""What reading a damaged or locked ZIP archive raises."""

import lzma
import struct
import zipfile
import zlib

ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError, OverflowError),
    *(KeyError, NotImplementedError, RuntimeError),  # a member that lacks, an unknown compression, a password
)
"""By observation or by the source of zipfile; a member's data is read, and can fail, after the archive is opened."""
