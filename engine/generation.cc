#include "engine/generation.h"

#include <utility>

#include "engine/channel.h"

namespace batucada {

Generation::Generation(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
Generation::~Generation() {
  if (channel_ != nullptr) channel_->Abandon();
}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&& other) noexcept {
  if (this != &other) {
    if (channel_ != nullptr) channel_->Abandon();
    channel_ = std::move(other.channel_);
  }
  return *this;
}
SequenceId Generation::id() const { return channel_->id(); }
bool Generation::Poll(Update* update) { return channel_->Poll(update); }
bool Generation::Wait(Update* update, absl::Time deadline) { return channel_->Wait(update, deadline); }
void Generation::OnReady(std::function<void()> ready) { channel_->OnReady(std::move(ready)); }
void Generation::Cancel(FinishReason reason) { channel_->Cancel(reason); }

}  // namespace batucada
