// Files written whole, and what is never replaced by one.
#include "base/write_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace batucada {
namespace {

namespace fs = std::filesystem;

class WriteFileTest : public testing::Test {
 protected:
  WriteFileTest() { fs::create_directories(folder_); }
  ~WriteFileTest() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string Read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  size_t Files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

 private:
  const fs::path folder_ = fs::temp_directory_path() / ("write_file_test." + std::to_string(getpid()));
};

TEST_F(WriteFileTest, MakesAndReplacesRegularFiles) {
  const std::string bytes(100'000, 'x');
  EXPECT_TRUE(WriteWholeFile(Path("a"), bytes).ok());
  EXPECT_EQ(Read(Path("a")), bytes);
  EXPECT_TRUE(WriteWholeFile(Path("a"), "short").ok());
  EXPECT_EQ(Read(Path("a")), "short");
  EXPECT_EQ(Files(), 1U) << "nothing is left beside it";
}

TEST_F(WriteFileTest, WhatIsNoRegularFileStaysWhatItIs) {
  ASSERT_EQ(symlink("/dev/null", Path("link").c_str()), 0);
  ASSERT_EQ(symlink(Path("file").c_str(), Path("to file").c_str()), 0);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_TRUE(WriteWholeFile(Path("link"), "x").ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));

  EXPECT_FALSE(WriteWholeFile(Path("pipe"), "x").ok()) << "nobody reads it";
  const int reader = open(Path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  EXPECT_TRUE(WriteWholeFile(Path("pipe"), "x").ok());
  char byte = 0;
  EXPECT_EQ(read(reader, &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  close(reader);
  EXPECT_TRUE(fs::is_fifo(Path("pipe")));
}

TEST_F(WriteFileTest, NothingIsLeftOfWhatDoesNotFit) {
  ASSERT_TRUE(WriteWholeFile(Path("a"), "old").ok());
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status written = WriteWholeFile(Path("a"), std::string(100'000, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(written.message(), "cannot write " + Path("a") + ": File too large");
  EXPECT_EQ(Read(Path("a")), "old");
  EXPECT_EQ(Files(), 1U);
}

TEST_F(WriteFileTest, SaysWhatItCannotWrite) {
  const absl::Status nowhere = WriteWholeFile(Path("none/a"), "x");
  EXPECT_EQ(nowhere.message(), "cannot write " + Path("none/a") + ": No such file or directory");
  ASSERT_TRUE(fs::create_directory(Path("folder")));
  EXPECT_FALSE(WriteWholeFile(Path("folder"), "x").ok());
  EXPECT_EQ(Files(), 1U);
}

}  // namespace
}  // namespace batucada
