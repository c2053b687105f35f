// Errors in the words of each API, and heads of requests and answers.
#include "server/http/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/common/error.h"
#include "server/http/gate.h"
#include "server/http/query.h"
#include "server/http/request_head.h"

namespace batucada {
namespace {

namespace http = boost::beast::http;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

TEST(ErrorResponseTest, TgisTypes) {
  const std::pair<absl::Status, const char*> types[] = {{absl::InvalidArgumentError("x"), "validation"},
                                                        {absl::ResourceExhaustedError("x"), "overloaded"},
                                                        {absl::UnavailableError("x"), "generation"},
                                                        {absl::InternalError("x"), "generation"}};
  for (const auto& [status, type] : types) {
    EXPECT_EQ(ErrorResponse(status, ErrorForm::kTgi).body,
              std::string(R"({"error":"x","error_type":")") + type + "\"}");
  }
  EXPECT_EQ(ErrorResponse(absl::InvalidArgumentError("x"), ErrorForm::kTgi).status, 422);
}

TEST(ErrorResponseTest, AnthropicsTypes) {
  const absl::Status large = WithParameter(absl::ResourceExhaustedError("x"), "", "request_too_large");
  const std::pair<absl::Status, const char*> types[] = {{absl::InvalidArgumentError("x"), "invalid_request_error"},
                                                        {absl::UnauthenticatedError("x"), "authentication_error"},
                                                        {absl::PermissionDeniedError("x"), "permission_error"},
                                                        {absl::NotFoundError("x"), "not_found_error"},
                                                        {large, "request_too_large"},
                                                        {absl::ResourceExhaustedError("x"), "rate_limit_error"},
                                                        {absl::UnavailableError("x"), "overloaded_error"},
                                                        {absl::DeadlineExceededError("x"), "timeout_error"},
                                                        {absl::InternalError("x"), "api_error"}};
  for (const auto& [status, type] : types) {
    EXPECT_EQ(ErrorResponse(status, ErrorForm::kAnthropic).body,
              std::string(R"({"type":"error","error":{"type":")") + type + R"(","message":"x"}})");
  }
}

TEST(ErrorResponseTest, SaysWhetherToTryAgain) {
  EXPECT_THAT(ErrorResponse(absl::CancelledError("x")).headers, Contains(Pair("x-should-retry", "false")));
  for (const absl::Status& busy : {absl::ResourceExhaustedError("x"), absl::UnavailableError("x")}) {
    EXPECT_THAT(ErrorResponse(busy).headers, Contains(Pair("retry-after", "1"))) << busy;
  }
  EXPECT_THAT(ErrorResponse(absl::InvalidArgumentError("x")).headers, Not(Contains(Pair("retry-after", "1"))));
}

TEST(RequestHeadTest, PathsComeApartFromQueries) {
  const std::tuple<const char*, std::string, const char*> targets[] = {
      {"/", "/", ""},
      {"/v1/models", "/v1/models", ""},
      {"/v1/models/", "/v1/models", ""},
      {"/v1/models/?a=b/", "/v1/models", "a=b/"},
      {"/v1/%61%2Fb%2f", std::string("/v1/a\0b\0", 8), ""},
      {"http://localhost/v1/models/?q", "/v1/models", "q"},
      {"http://localhost", "/", ""},
      {"http://localhost"
       "?q",
       "/", "q"},
  };
  for (const auto& [target, path, query] : targets) {
    http::request_header<> head;
    head.method(http::verb::get);
    head.target(target);
    HttpRequest request;
    ASSERT_TRUE(ReadHead(head, &request).ok()) << target;
    EXPECT_EQ(request.path, path) << target;
    EXPECT_EQ(request.query, query) << target;
  }
  for (const char* target : {"v1/models", "/%", "/%0g", "/%00", "/%ff"}) {
    http::request_header<> head;
    head.target(target);
    HttpRequest request;
    EXPECT_FALSE(ReadHead(head, &request).ok()) << target;
  }
}

TEST(RequestHeadTest, OfSeveralIdsTheFirstCounts) {
  http::request_header<> head;
  head.insert("X-Request-Id", "first");
  head.insert("x-request-id", "second");
  EXPECT_EQ(RequestIdOf(head), "first");
  http::request_header<> unsound;
  unsound.insert("x-request-id", "not sound");
  unsound.insert("x-request-id", "second");
  EXPECT_THAT(RequestIdOf(unsound), testing::MatchesRegex("[0-9a-f]{32}"));
}

TEST(RequestHeadTest, AnAnswerHasOneId) {
  HttpResponse response;
  EXPECT_THAT(ResponseHead(response, "mine", Framing::kLength, true), HasSubstr("\r\nx-request-id: mine\r\n"));
  response.headers.emplace_back("x-request-id", "theirs");
  const std::string head = ResponseHead(response, "mine", Framing::kLength, true);
  EXPECT_THAT(head, HasSubstr("\r\nx-request-id: theirs\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("mine")));
}

TEST(QueryTest, IsDecodedAndHeldToItsNames) {
  UnknownMembers ignored = {.policy = UnknownMembers::Policy::kIgnore};
  std::vector<std::string> listed;
  const auto read = ReadQuery("a=x+y%2Bz&&b&c=1&l=1&l=2&d=", {"a", "b", "d"}, &ignored, {"l"}, &listed);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 3U);
  EXPECT_EQ(read->at("a"), "x y+z");
  EXPECT_EQ(read->at("b"), "");
  EXPECT_EQ(read->at("d"), "");
  EXPECT_EQ(listed, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(ignored.List(), "c");
  for (const char* wrong : {"a=1&a=2", "a=%4", "%zz=1"}) EXPECT_FALSE(ReadQuery(wrong, {"a"}, &ignored).ok()) << wrong;
}

// Whatever a page says, the answer stays short.
TEST(GateTest, AListOfHeadersHasABound) {
  const AccessKeys none;
  const Gate gate(none, {"https://example.org"}, AdminPlace::kClientsPort);
  for (const size_t bytes : {1000, 1025}) {
    const Route route = {.method = "POST", .path = "/v1/completions", .name = "completions"};
    HttpRequest request;
    request.method = "OPTIONS";
    request.headers = {{"origin", "https://example.org"},
                       {"access-control-request-method", "POST"},
                       {"access-control-request-headers", "x-mine, " + std::string(bytes - 8, 'a')}};
    const std::optional<HttpResponse> answer = gate.Stop(&request, &route);
    ASSERT_TRUE(answer);
    std::string allowed;
    for (const auto& [name, value] : answer->headers) {
      if (name == "access-control-allow-headers") allowed = value;
    }
    EXPECT_THAT(allowed, HasSubstr("authorization"));
    EXPECT_EQ(allowed.find("x-mine") != allowed.npos, bytes <= 1024) << allowed;
  }
}

}  // namespace
}  // namespace batucada
