#include "engine/prefix/session_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status.h"

namespace batucada {
namespace {

constexpr size_t kMostNamesAt = 8;  // that are written beside a checkpoint

template <typename Number>
void Append(Number number, std::string* bytes) {
  char raw[sizeof(Number)];
  std::memcpy(raw, &number, sizeof(Number));
  bytes->append(raw, sizeof(Number));
}

template <typename Number>
bool Take(std::string_view* bytes, Number* number) {
  if (bytes->size() < sizeof(Number)) return false;
  std::memcpy(number, bytes->data(), sizeof(Number));
  bytes->remove_prefix(sizeof(Number));
  return true;
}

}  // namespace

void SessionTable::Point(uint64_t owner, std::string_view name, StateCheckpoint* tip, absl::Time now) {
  BATUCADA_CHECK(!name.empty() && name.size() <= kMostNameBytes && tip != nullptr);
  Owner& mine = owners_[owner];
  std::unique_ptr<Session>& session = mine.by_name[std::string(name)];
  if (session == nullptr) {
    session = std::make_unique<Session>();
    session->owner = owner;
    session->name = std::string(name);
    ++size_;
  } else {
    mine.by_use.erase(session->order);
    Detach(session.get());
  }
  session->tip = tip;
  session->used = now;
  session->order = ++clock_;
  mine.by_use.emplace(session->order, session.get());
  at_[tip].push_back(session.get());
  MakeRoom(mine);
}

void SessionTable::MakeRoom(Owner& owner) {
  if (owner.by_name.size() > kMostOfOwner) Remove(owner, owner.by_use.begin()->second);
  if (size_ <= kMost) return;
  const auto most = std::max_element(owners_.begin(), owners_.end(), [](const auto& a, const auto& b) {
    return a.second.by_name.size() < b.second.by_name.size();
  });
  Remove(most->second, most->second.by_use.begin()->second);
}

bool SessionTable::Erase(uint64_t owner, std::string_view name) {
  const auto mine = owners_.find(owner);
  if (mine == owners_.end()) return false;
  const auto found = mine->second.by_name.find(name);
  if (found == mine->second.by_name.end()) return false;
  Remove(mine->second, found->second.get());
  if (mine->second.by_name.empty()) owners_.erase(mine);
  return true;
}

void SessionTable::Move(const StateCheckpoint* from, StateCheckpoint* to) {
  const auto found = at_.find(from);
  if (found == at_.end()) return;
  const std::vector<Session*> sessions = std::move(found->second);
  at_.erase(found);
  for (Session* session : sessions) {
    session->tip = to;
    if (to != nullptr) {
      at_[to].push_back(session);
      continue;
    }
    const uint64_t owner = session->owner;
    Owner& mine = owners_.at(owner);
    Remove(mine, session);
    if (mine.by_name.empty()) owners_.erase(owner);
  }
}

void SessionTable::Detach(Session* session) {
  const auto found = at_.find(session->tip);
  if (found == at_.end()) return;
  std::erase(found->second, session);
  if (found->second.empty()) at_.erase(found);
}

void SessionTable::Remove(Owner& owner, Session* session) {
  Detach(session);
  owner.by_use.erase(session->order);
  --size_;
  owner.by_name.erase(owner.by_name.find(session->name));
}

const SessionTable::Session* SessionTable::Find(uint64_t owner, std::string_view name) const {
  const auto mine = owners_.find(owner);
  if (mine == owners_.end()) return nullptr;
  const auto found = mine->second.by_name.find(name);
  return found == mine->second.by_name.end() ? nullptr : found->second.get();
}

std::vector<const SessionTable::Session*> SessionTable::Of(uint64_t owner) const {
  std::vector<const Session*> sessions;
  const auto mine = owners_.find(owner);
  if (mine == owners_.end()) return sessions;
  for (auto it = mine->second.by_use.rbegin(); it != mine->second.by_use.rend(); ++it) sessions.push_back(it->second);
  return sessions;
}

std::string SessionTable::NamesAt(const StateCheckpoint* checkpoint) const {
  std::string names;
  const auto found = at_.find(checkpoint);
  if (found == at_.end()) return names;
  const std::vector<Session*>& sessions = found->second;
  for (size_t i = sessions.size() - std::min(sessions.size(), kMostNamesAt); i < sessions.size(); ++i) {
    Append(sessions[i]->owner, &names);
    Append(static_cast<uint16_t>(sessions[i]->name.size()), &names);
    names += sessions[i]->name;
  }
  return names;
}

void SessionTable::Adopt(std::string_view names, StateCheckpoint* checkpoint, absl::Time now) {
  while (!names.empty()) {
    uint64_t owner = 0;
    uint16_t size = 0;
    if (!Take(&names, &owner) || !Take(&names, &size) || size == 0 || size > kMostNameBytes || size > names.size()) {
      return;
    }
    Point(owner, names.substr(0, size), checkpoint, now);
    names.remove_prefix(size);
  }
}

}  // namespace batucada
