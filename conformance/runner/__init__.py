"""The runner of the conformance suite: cases as text, a driver a language, one parity table. See its README."""

from __future__ import annotations
