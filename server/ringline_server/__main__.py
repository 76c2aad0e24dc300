"""``python -m ringline_server`` is ``ringline-server``."""

from __future__ import annotations

import sys

from ringline_server.cli import main

sys.exit(main())
