"""What carries the RPCs: thin, interchangeable, alone in knowing its library."""

from __future__ import annotations

import logging
import os

# grpcio writes to stderr by itself: its core in no format of ours, its Python half a stack trace for every header that
# is not UTF-8. What matters of it, the wire logs. The core reads the variable when it is first imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL + 1)
