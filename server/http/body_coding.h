// The Content-Encoding of a request, between its connection and its handler.
#pragma once

#include <cstddef>
#include <optional>

#include "server/http/http.h"

namespace batucada {

// The answer to a request whose body could not be decoded: 415 that names the coding. Needs its head alone.
std::optional<HttpResponse> RefuseCoding(const HttpRequest& request);

// Whether DecodeBody has something to do: some milliseconds of work, for a small body too.
bool HasCodedBody(const HttpRequest& request);

// Replaces the body by what it encodes and drops the header that said so. The answer if that fails: 400, 413 past
// `max_bytes`, or 429 if there is no memory for it now; the request's charge grows with it.
std::optional<HttpResponse> DecodeBody(HttpRequest* request, size_t max_bytes);

}  // namespace batucada
