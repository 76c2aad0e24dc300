#pragma once

#include <grpcpp/grpcpp.h>

#include <exception>

#include "protocol.pb.h"

// An RPC's outcome, with the details of a failure.
ringline::conformance::Error explained(const grpc::Status& status);

// The driver, not the server, could not do it.
ringline::conformance::Error explained(const std::exception& error);
