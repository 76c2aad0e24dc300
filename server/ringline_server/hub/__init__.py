"""Who watches what: fan-out of steps to streams, conflation, resume, presence."""
