#include "base/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "base/human_bytes.h"
#include "base/strings.h"

namespace batucada {
namespace {

constexpr std::chrono::milliseconds kRedraw(200);
constexpr std::chrono::seconds kBetweenLines(30);

int ColumnsOf(std::FILE* out) {
  winsize size{};
  if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string Duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds);
  if (s >= 3600) return absl::StrFormat("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  return absl::StrFormat("%d:%02d", s / 60, s % 60);
}

}  // namespace

std::string ProgressBar(std::string_view name, int64_t there, int64_t total, double bytes_per_second, int columns) {
  const double part = total > 0 ? std::clamp(static_cast<double>(there) / static_cast<double>(total), 0.0, 1.0) : 0.0;
  std::string left = Concat(name, absl::StrFormat(" %3d%%", static_cast<int>(100 * part)));
  std::string right = Concat(" ", HumanBytes(there), " of ", HumanBytes(total));
  if (bytes_per_second > 0) {
    absl::StrAppend(&right, ", ", HumanBytes(static_cast<int64_t>(bytes_per_second)), "/s");
    if (there < total) {
      absl::StrAppend(&right, ", ", Duration(static_cast<double>(total - there) / bytes_per_second), " left");
    }
  }
  constexpr int kWidest = 30, kNarrowest = 5;
  const int room = columns - static_cast<int>(left.size() + right.size()) - 4;
  if (room >= kNarrowest) {
    const int width = std::min(room, kWidest), full = static_cast<int>(part * width);
    absl::StrAppend(&left, " [", std::string(static_cast<size_t>(full), '#'),
                    std::string(static_cast<size_t>(width - full), ' '), "]");
  }
  std::string line = left + right;
  if (line.size() >= static_cast<size_t>(std::max(columns, 1)))
    line.resize(static_cast<size_t>(std::max(columns, 1) - 1));
  return line;
}

ProgressDisplay::ProgressDisplay(std::string name, const ByteProgress& progress, std::FILE* out)
    : name_(std::move(name)), progress_(progress), out_(out), terminal_(isatty(fileno(out)) == 1), begin_(ProcessNow()),
      thread_([this] { Run(); }) {}

ProgressDisplay::~ProgressDisplay() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  wake_.notify_all();
  thread_.join();
  if (shown_) Show(/*last=*/true);
}

void ProgressDisplay::Run() {
  std::unique_lock lock(mutex_);
  const std::chrono::milliseconds period = terminal_ ? kRedraw : std::chrono::milliseconds(kBetweenLines);
  while (!wake_.wait_for(lock, period, [this] { return over_; })) Show(/*last=*/false);
}

void ProgressDisplay::Show(bool last) {
  if (progress_.total == 0) return;  // nothing is known yet
  shown_ = true;
  const double seconds = absl::ToDoubleSeconds(ProcessNow() - begin_);
  const double rate = seconds > 0 ? static_cast<double>(progress_.moved) / seconds : 0;
  if (terminal_) {
    const std::string line = ProgressBar(name_, progress_.there, progress_.total, rate, ColumnsOf(out_));
    std::fprintf(out_, "\r%s\x1b[K%s", line.c_str(), last ? "\n" : "");
  } else {
    constexpr int kNoBar = 1 << 10;
    std::string line = ProgressBar(name_, progress_.there, progress_.total, rate, kNoBar);
    if (const size_t bar = line.find(" ["); bar != line.npos) line.erase(bar, line.find(']') + 1 - bar);
    std::fprintf(out_, "%s\n", line.c_str());
  }
  std::fflush(out_);
}

}  // namespace batucada
