// What has to be known of a server before it is loaded.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "loadtest/client/completion_body.h"
#include "loadtest/client/exchange.h"
#include "loadtest/client/target.h"
#include "loadtest/workload/prompt_maker.h"

namespace batucada::loadtest {

// All block.
// The first name that /v1/models lists; empty if it lists none. UNAVAILABLE: no answer.
absl::StatusOr<std::string> FirstModel(const Target& target, const RequestHead& head);

// How many bytes of such text make a token, by asking for one token and reading how long the prompt was. UNAVAILABLE:
// the server refuses, with its own words.
absl::StatusOr<double> MeasureBytesPerToken(const Target& target, const RequestHead& head, const CompletionBody& body,
                                            const PromptMaker::Options& prompts);

// One plain request, answered with some text: what a server must still be able to do after whatever befell it.
// UNAVAILABLE: it is not.
absl::Status CheckServes(const Target& target, const RequestHead& head, const CompletionBody& body);

}  // namespace batucada::loadtest
