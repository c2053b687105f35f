#include "engine/session_states.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status.h"
#include "engine/run/step_loop.h"

namespace batucada {

std::vector<SessionInfo> SessionStates::List(uint64_t owner) const { return loop_->Sessions(owner); }

absl::StatusOr<SessionInfo> SessionStates::Find(uint64_t owner, std::string_view name) const {
  return loop_->FindSession(owner, name);
}

absl::Status SessionStates::Erase(uint64_t owner, std::string_view name) { return loop_->EraseSession(owner, name); }

absl::Status SessionStates::Copy(uint64_t owner, std::string_view from, std::string_view to) {
  return loop_->CopySession(owner, from, to);
}

absl::StatusOr<SavedState> SessionStates::Export(uint64_t owner, std::string_view name, absl::Time deadline,
                                                 const std::function<absl::Status(int64_t)>& charge) {
  BATUCADA_ASSIGN_OR_RETURN(SavedState state, loop_->ExportSession(owner, name, deadline, charge));
  state.model = model_;
  return state;
}

absl::Status SessionStates::Import(uint64_t owner, std::string_view name, const std::string& scope,
                                   const SavedState& state) {
  if (state.model != model_) {
    return absl::InvalidArgumentError(absl::StrCat("the state is of ", Printable(state.model),
                                                   ", and this server's are of ", model_,
                                                   ": the weights, the backend or the sizes of a state differ"));
  }
  const auto tokens = static_cast<int64_t>(state.ids.size());
  if (tokens == 0 || tokens > bounds_.max_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("the state is of ", tokens, " tokens: it must be 1 to ",
                                                   bounds_.max_tokens, " (max-total-tokens)"));
  }
  const auto foreign = std::find_if(state.ids.begin(), state.ids.end(),
                                    [this](int32_t id) { return id < 0 || id >= bounds_.vocab_size; });
  if (foreign != state.ids.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the state's text has the token ", *foreign, ", which this model does not know"));
  }
  return loop_->ImportSession(owner, name, scope, state.ids, state.bytes);
}

}  // namespace batucada
