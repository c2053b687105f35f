// Who may administer, from which port, by which of a request's headers.
#include "server/http/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/http/gate.h"

namespace batucada {
namespace {

using ::testing::HasSubstr;

struct Ask {
  AdminPlace place = AdminPlace::kClientsPort;
  std::string key = "";  // presented
  bool loopback = true;
  std::string method = "POST";
  Headers headers = {};  // in place of, or besides, those of a sound request
};

class AdminTest : public ::testing::Test {
 protected:
  // The status that the gate answers with; 200 if it lets the request pass.
  int Status(const AccessKeys& keys, const Ask& ask) {
    const Gate gate(keys, {"*"}, ask.place);
    HttpRequest request;
    request.method = ask.method;
    request.path = "/admin/log";
    request.headers = ask.headers;
    const auto add = [&](const char* name, const std::string& value) {
      if (request.Header(name).empty()) request.headers.emplace_back(name, value);
    };
    add("host", "localhost:8000");
    add("content-type", "application/json");
    if (!ask.key.empty()) add("authorization", "Bearer " + ask.key);
    request.client.loopback = ask.loopback;
    EXPECT_TRUE(gate.AnswerHeaders(request, &route_).empty()) << "no page of another origin may read this";
    const std::optional<HttpResponse> stopped = gate.Stop(&request, &route_);
    return stopped ? stopped->status : 200;
  }

  const Route route_ = {.method = "POST", .path = "/admin/log", .name = "admin.log", .access = Access::kAdmin};
  const AccessKeys none_;
  const AccessKeys keys_ = *AccessKeys::Load({"user", "chief admin"}, "");
};

constexpr AdminPlace kHealthPlace = AdminPlace::kHealthPort;

TEST_F(AdminTest, WithoutKeysOnlyTheMachineItself) {
  for (const AdminPlace place : {AdminPlace::kClientsPort, kHealthPlace}) {
    EXPECT_EQ(Status(none_, {.place = place}), 200);
    EXPECT_EQ(Status(none_, {.place = place, .method = "GET"}), 200);
    EXPECT_EQ(Status(none_, {.place = place, .loopback = false}), 403);
    EXPECT_EQ(Status(none_, {.place = place, .loopback = false, .method = "GET"}), 403);
  }
}

TEST_F(AdminTest, WithKeysTheClientsPortNeedsAnAdminsKey) {
  for (const bool loopback : {false, true}) {
    EXPECT_EQ(Status(keys_, {.loopback = loopback}), 401);
    EXPECT_EQ(Status(keys_, {.key = "wrong", .loopback = loopback}), 401);
    EXPECT_EQ(Status(keys_, {.key = "user", .loopback = loopback}), 403);
    EXPECT_EQ(Status(keys_, {.key = "chief", .loopback = loopback}), 200);
  }
}

TEST_F(AdminTest, WithKeysTheHealthPortTakesAnAdminsKeyOrTheMachineItself) {
  EXPECT_EQ(Status(keys_, {.place = kHealthPlace}), 200);
  EXPECT_EQ(Status(keys_, {.place = kHealthPlace, .loopback = false}), 401);
  EXPECT_EQ(Status(keys_, {.place = kHealthPlace, .key = "user", .loopback = false}), 403);
  EXPECT_EQ(Status(keys_, {.place = kHealthPlace, .key = "chief", .loopback = false}), 200);
}

TEST_F(AdminTest, NoPageOfAnotherSiteMay) {
  for (const char* origin : {"http://evil.example.com", "null", "http://localhost:8001", "localhost:8000"}) {
    EXPECT_EQ(Status(none_, {.headers = {{"origin", origin}}}), 403) << origin;
    EXPECT_EQ(Status(keys_, {.key = "chief", .headers = {{"origin", origin}}}), 403) << origin;
    EXPECT_EQ(Status(none_, {.method = "GET", .headers = {{"origin", origin}}}), 403) << origin;
  }
  for (const char* site : {"cross-site", "same-site"}) {
    EXPECT_EQ(Status(none_, {.headers = {{"sec-fetch-site", site}}}), 403) << site;
  }
  EXPECT_EQ(Status(none_, {.headers = {{"origin", "http://localhost:8000"}, {"sec-fetch-site", "same-origin"}}}), 200);
  EXPECT_EQ(Status(none_, {.method = "GET", .headers = {{"sec-fetch-site", "none"}}}), 200) << "typed by hand";
}

TEST_F(AdminTest, NoFormOfAnotherSiteMay) {
  for (const char* type :
       {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"}) {
    EXPECT_EQ(Status(none_, {.headers = {{"content-type", type}}}), 415) << type;
    EXPECT_EQ(Status(keys_, {.key = "chief", .headers = {{"content-type", type}}}), 415) << type;
  }
  EXPECT_EQ(Status(none_, {.headers = {{"content-type", "Application/JSON; charset=utf-8"}}}), 200);
}

TEST_F(AdminTest, ANameThatWasReboundDoesNotPassForTheMachine) {
  for (const char* host : {"rebind.evil:8000", "localhost.evil", "127.0.0.1.evil", "evil", "[::2]", "10.0.0.1"}) {
    EXPECT_EQ(Status(none_, {.headers = {{"host", host}}}), 403) << host;
  }
  for (const char* host : {"localhost", "LOCALHOST:80", "a.localhost", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000"}) {
    EXPECT_EQ(Status(none_, {.headers = {{"host", host}}}), 200) << host;
  }
  EXPECT_EQ(Status(keys_, {.key = "chief", .headers = {{"host", "models.example"}}}), 200);
}

TEST_F(AdminTest, WhoAsksForSomebodyElseDoesNotPassForTheMachine) {
  for (const char* header : {"x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host"}) {
    EXPECT_EQ(Status(none_, {.headers = {{header, "10.0.0.1"}}}), 403) << header;
  }
}

}  // namespace
}  // namespace batucada
