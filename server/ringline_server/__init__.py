"""Ringline's server: it owns the ring."""
