"""The contract `ringline.v1`, generated from ``proto/ringline/v1``.

Import its modules: ``call_pb2`` (what a call is), ``call_service_pb2`` and ``call_service_pb2_grpc`` (what can be
asked) and ``error_reason_pb2`` (what can go wrong).
"""
