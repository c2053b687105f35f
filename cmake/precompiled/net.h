// As server.h, for its rooms that speak to sockets.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "cmake/precompiled/server.h"
