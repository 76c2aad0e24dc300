"""Ringline's client side: the stubs of its gRPC contract, in :mod:`ringline.v1`."""
