"""The rules of ringing: pure, without I/O, clock or wire. ``decide`` is the one way in."""
