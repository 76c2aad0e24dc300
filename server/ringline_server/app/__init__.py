"""The parts put together, started and stopped in order."""
