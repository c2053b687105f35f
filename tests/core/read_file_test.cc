// Files read whole, and what is never read.
#include "base/read_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace batucada {
namespace {

namespace fs = std::filesystem;

class ReadFileTest : public testing::Test {
 protected:
  ReadFileTest() { fs::create_directories(folder_); }
  ~ReadFileTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  const fs::path folder_ = fs::temp_directory_path() / ("read_file_test." + std::to_string(getpid()));
};

TEST_F(ReadFileTest, ReadsAllThatFits) {
  const std::string bytes(100'000, 'x');
  std::ofstream(Path("a")) << bytes;
  EXPECT_EQ(*ReadWholeFile(Path("a"), 100'000), bytes);
  const absl::Status longer = ReadWholeFile(Path("a"), 99'999).status();
  EXPECT_TRUE(absl::IsInvalidArgument(longer));
  EXPECT_EQ(longer.message(), Path("a") + " has 100000 bytes, at most 99999 are allowed for such a file");
  std::ofstream(Path("empty")) << "";
  EXPECT_EQ(*ReadWholeFile(Path("empty"), 0), "");
}

// Files of /proc say that they are empty.
TEST_F(ReadFileTest, TheBoundHoldsForWhatIsLongerThanItSays) {
  EXPECT_TRUE(ReadWholeFile("/proc/self/status", 1 << 20)->starts_with("Name:"));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadWholeFile("/proc/self/status", 10).status()));
}

TEST_F(ReadFileTest, WhatIsNotThereIsNotFound) {
  std::ofstream(Path("a")) << "x";
  for (const char* name : {"none", "none/a", "a/b"}) {
    const absl::Status status = ReadWholeFile(Path(name), 10).status();
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_EQ(status.message(), Path(name) + " does not exist");
  }
}

// As a checkout without its large files or a cache that was cleaned leaves them.
TEST_F(ReadFileTest, ALinkThatLeadsNowhereIsNotFoundMissing) {
  fs::create_symlink("nowhere", Path("link"));
  const absl::Status status = ReadWholeFile(Path("link"), 10).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(status.message(), Path("link") + " is a link to a file that does not exist");
}

TEST_F(ReadFileTest, WhatIsNoFileIsNotRead) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadWholeFile(Path("pipe"), 10).status().message(), Path("pipe") + " is a pipe, not a file");
  EXPECT_EQ(ReadWholeFile("/dev/zero", 10).status().message(), "/dev/zero is a device, not a file");
  EXPECT_EQ(ReadWholeFile(Path(""), 10).status().message(), Path("") + " is a directory, not a file");
}

}  // namespace
}  // namespace batucada
