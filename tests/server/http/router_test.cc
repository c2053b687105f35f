#include "server/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Router TestRouter() {
  const Handler handler = [](const HttpRequest&) -> Answer { return HttpResponse(); };
  Router router;
  router.Add({"GET", "/things", "list", handler});
  router.Add({"POST", "/things", "make", handler});
  router.Add({"GET", "/things/*", "one", handler});
  return router;
}

TEST(RouterTest, FindsByMethodAndPath) {
  const Router router = TestRouter();
  EXPECT_EQ(router.Find("GET", "/things").route->name, "list");
  EXPECT_EQ(router.Find("HEAD", "/things").route->name, "list");
  EXPECT_EQ(router.Find("POST", "/things").route->name, "make");
  const Router::Match one = router.Find("GET", "/things/org/name");
  ASSERT_NE(one.route, nullptr);
  EXPECT_EQ(one.route->name, "one");
  EXPECT_THAT(one.captures, ElementsAre("org/name"));
}

TEST(RouterTest, ErrorsHaveTheFormOfTheirRoute) {
  const Handler handler = [](const HttpRequest&) -> Answer { return HttpResponse(); };
  Router router;
  router.Add({.method = "GET", .path = "/", .name = "root", .handler = handler});
  router.Add({.method = "POST", .path = "/", .name = "tgi", .handler = handler, .error_form = ErrorForm::kTgi});
  router.Add({.method = "GET",
              .path = "/v2/models/*",
              .name = "v2",
              .handler = handler,
              .error_form = ErrorForm::kOpenInference});
  EXPECT_EQ(router.Find("GET", "/").error_form, ErrorForm::kOpenAi);
  EXPECT_EQ(router.Find("POST", "/").error_form, ErrorForm::kTgi);
  // What is no route is answered as the API answers that it seems to belong to.
  const Router::Match wrong_method = router.Find("PUT", "/v2/models/one");
  EXPECT_EQ(wrong_method.error_form, ErrorForm::kOpenInference);
  EXPECT_THAT(wrong_method.error.body, HasSubstr(R"({"error":")"));
  const Router::Match unknown = router.Find("GET", "/v2/nothing");
  EXPECT_EQ(unknown.error_form, ErrorForm::kOpenInference);
  EXPECT_THAT(unknown.error.body, HasSubstr(R"({"error":")"));
  EXPECT_THAT(router.Find("GET", "/v22/nothing").error.body, HasSubstr(R"({"error":{)"));
  EXPECT_EQ(router.ErrorFormFor("/v2?query"), ErrorForm::kOpenInference);
  EXPECT_EQ(router.ErrorFormFor(""), ErrorForm::kOpenAi);
  EXPECT_EQ(router.ErrorFormFor("/"), ErrorForm::kOpenAi) << "the first of those of one path";
  router.Add({.method = "POST", .path = "/v1/texts", .name = "texts", .handler = handler});
  router.Add({.method = "POST",
              .path = "/v1/messages",
              .name = "messages",
              .handler = handler,
              .error_form = ErrorForm::kAnthropic});
  for (const char* path : {"/v1/messages", "/v1/messages/batches", "/v1/messages?beta=true"}) {
    EXPECT_EQ(router.ErrorFormFor(path), ErrorForm::kAnthropic) << path;
  }
  for (const char* path : {"/v1/messagesx", "/v1", "/v1/texts/messages", "/v1/"}) {
    EXPECT_EQ(router.ErrorFormFor(path), ErrorForm::kOpenAi) << path;
  }
}

TEST(RouterTest, WildcardsMayStandAnywhere) {
  const Handler handler = [](const HttpRequest&) -> Answer { return HttpResponse(); };
  Router router;
  router.Add({"GET", "/m/*/versions/*/ready", "version", handler});
  router.Add({"GET", "/m/*/ready", "ready", handler});
  router.Add({"GET", "/m/*", "model", handler});
  const auto captures = [&](const char* path, std::string_view route) {
    const Router::Match match = router.Find("GET", path);
    EXPECT_NE(match.route, nullptr) << path;
    EXPECT_EQ(match.route->name, route) << path;
    return match.captures;
  };
  EXPECT_THAT(captures("/m/a/versions/1/ready", "version"), ElementsAre("a", "1"));
  EXPECT_THAT(captures("/m/org/a/versions/1/ready", "version"), ElementsAre("org/a", "1"));
  EXPECT_THAT(captures("/m/a/versions/versions/2/ready", "version"), ElementsAre("a/versions", "2"));
  EXPECT_THAT(captures("/m/org/a/ready", "ready"), ElementsAre("org/a"));
  EXPECT_THAT(captures("/m/versions/1/ready", "ready"), ElementsAre("versions/1"));
  EXPECT_THAT(captures("/m/ready", "model"), ElementsAre("ready"));
  EXPECT_EQ(router.Find("GET", "/m//ready").route->name, "model");
  router.Add({"POST", "/m/*/ready", "make", handler});
  EXPECT_EQ(router.Find("POST", "/m/a/ready").route->name, "make");
  EXPECT_THAT(router.Find("PUT", "/m/a/ready").error.headers,
              ::testing::Contains(::testing::Pair("allow", "GET, HEAD, POST")));
}

TEST(RouterTest, SaysWhatIsAllowed) {
  const Router router = TestRouter();
  const Router::Match match = router.Find("DELETE", "/things");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.error.status, 405);
  EXPECT_THAT(match.error.headers, ::testing::Contains(::testing::Pair("allow", "GET, HEAD, POST")));
  EXPECT_THAT(match.error.body, HasSubstr("\"error\""));
}

TEST(RouterTest, SaysWhatTheServerAsAWholeCanDo) {
  const Router::Match match = TestRouter().Find("OPTIONS", "*");
  EXPECT_EQ(match.route, nullptr);
  EXPECT_EQ(match.error.status, 200);
  EXPECT_THAT(match.error.headers, ::testing::Contains(::testing::Pair("allow", "DELETE, GET, HEAD, OPTIONS, POST")));
}

TEST(RouterTest, UnknownPathsAre404) {
  const Router router = TestRouter();
  for (const char* path : {"/", "/thing", "/thingsx", "//things", "//"}) {
    EXPECT_EQ(router.Find("GET", path).error.status, 404) << path;
  }
}

TEST(RouterTest, SaysWhatIsNotOffered) {
  const Router router = TestRouter();
  for (const char* path : {"/v1/embeddings", "/v1/images/generations", "/v1/files/file_1", "/api/pull"}) {
    EXPECT_THAT(router.Find("POST", path).error.body, HasSubstr("this server does not offer ")) << path;
  }
  EXPECT_THAT(router.Find("POST", "/v1/embeddingsx").error.body, HasSubstr("there is nothing at"));
}

TEST(RouterTest, SaysWhichMethodsAreNotOffered) {
  Router router = TestRouter();
  for (const char* path : {"/v1/chat/completions", "/v1/models", "/v1/models/*"}) {
    router.Add({.method = path == std::string_view("/v1/chat/completions") ? "POST" : "GET", .path = path});
  }
  const Router::Match list = router.Find("GET", "/v1/chat/completions");
  EXPECT_EQ(list.error.status, 405);
  EXPECT_THAT(list.error.body, HasSubstr("it keeps none: POST makes one"));
  EXPECT_THAT(list.error.headers, ::testing::Contains(::testing::Pair("allow", "POST")));
  EXPECT_EQ(router.Find("DELETE", "/v1/models/a").error.status, 405);
  EXPECT_EQ(router.Find("DELETE", "/v1/models").error.status, 405);
}

TEST(RouterTest, SaysWhatMayBeMeant) {
  const Router router = TestRouter();
  for (const char* path : {"//things", "/v1/things", "/openai/v1/things", "/things/things"}) {
    const Router::Match match = router.Find("GET", path);
    if (match.route != nullptr) continue;  // below /things there are some
    EXPECT_THAT(match.error.body, HasSubstr(": is it /things?")) << path;
  }
  EXPECT_THAT(router.Find("GET", "/nothing/here").error.body, Not(HasSubstr("is it")));
  EXPECT_THAT(router.Find("GET", "/v1/embeddings").error.body, Not(HasSubstr("is it")));
}

// Guards in front of the server that go by paths see the same parts of them.
TEST(RouterTest, AnEscapedSlashIsAPartOfAName) {
  const Router router = TestRouter();
  const auto find = [&router](std::string_view target) {
    std::string path;
    EXPECT_TRUE(DecodePath(target, &path)) << target;
    return router.Find("GET", path);
  };
  EXPECT_THAT(find("/things/org%2Fname/%2f").captures, ElementsAre("org/name//"));
  EXPECT_EQ(find("/%74hings").route->name, "list") << "other escapes say what they stand for";
  const Router::Match list = find("/things%2f");
  EXPECT_EQ(list.route, nullptr);
  EXPECT_THAT(list.error.body, HasSubstr("there is nothing at /things%2F\""));
  for (const char* target : {"/things%2Fone", "/things%2Forg%2fname"}) {
    const Router::Match match = find(target);
    EXPECT_EQ(match.route, nullptr) << target;
    EXPECT_EQ(match.error.status, 404) << target;
    EXPECT_THAT(match.error.body, HasSubstr("there is nothing at /things%2F")) << target;
    EXPECT_THAT(match.error.body, HasSubstr(": is it /things/o")) << target;
  }
}

TEST(PercentDecodeTest, DecodesOrRefuses) {
  std::string out;
  EXPECT_TRUE(PercentDecode("/a%2Fb%20c", &out));
  EXPECT_EQ(out, "/a/b c");
  for (const char* text : {"%", "%4", "%zz", "%00"}) {
    out.clear();
    EXPECT_FALSE(PercentDecode(text, &out)) << text;
  }
}

}  // namespace
}  // namespace batucada
