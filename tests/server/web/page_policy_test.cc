#include "server/web/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace batucada {
namespace {

using testing::HasSubstr;

TEST(PagePolicyTest, NothingButWhatIsOurs) {
  const std::string policy = PagePolicy("<style>a</style><script>b</script>");
  // As `printf a | openssl dgst -sha256 -binary | base64` says, and of b.
  EXPECT_THAT(policy, HasSubstr("style-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=';"));
  EXPECT_THAT(policy, HasSubstr("script-src 'sha256-PiPoFgA5WUoziU9lZOGxNIu9egCI1CxKy3PurtWcAJ0=';"));
  for (const char* rule : {"default-src 'none'", "connect-src 'self'", "img-src data:", "form-action 'none'",
                           "frame-ancestors 'none'", "base-uri 'none'"}) {
    EXPECT_THAT(policy, HasSubstr(rule));
  }
  EXPECT_THAT(policy, testing::Not(HasSubstr("unsafe")));
}

}  // namespace
}  // namespace batucada
