"""The RPCs as plain async functions: bytes in, bytes out. Knows protobuf; knows no server library."""
