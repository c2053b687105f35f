#include "text/grammar/schema_references.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/strings.h"
#include "text/grammar/schema_flatten.h"
#include "text/json_text.h"

namespace batucada::grammar {
namespace {

namespace bj = boost::json;

// --- URIs (RFC 3986), as far as references of schemas need them.

bool HasScheme(std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == uri.npos || colon == 0 || !absl::ascii_isalpha(static_cast<unsigned char>(uri[0]))) return false;
  return std::all_of(uri.begin(), uri.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
  });
}

std::string WithoutDots(std::string_view path) {
  std::vector<std::string_view> kept;
  const bool rooted = path.starts_with('/');
  bool folder = false;  // the path ends with a slash
  for (size_t begin = rooted ? 1 : 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    folder = part == "." || part == ".." || part.empty();
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (part != "." && !(part.empty() && end == path.size())) {
      kept.push_back(part);
    }
    begin = end + 1;
  }
  std::string joined = rooted ? "/" : "";
  for (size_t i = 0; i < kept.size(); ++i) joined.append(i == 0 ? "" : "/").append(kept[i]);
  if (folder && !kept.empty()) joined += '/';
  return joined;
}

std::string ResolveUri(const std::string& base, std::string_view reference) {
  if (reference.empty()) return base;
  if (HasScheme(reference) || base.empty()) return std::string(reference);
  if (reference[0] == '#') return base + std::string(reference);
  const size_t scheme_end = base.find(':') + 1;
  if (reference.starts_with("//")) return base.substr(0, scheme_end) + std::string(reference);
  const bool has_authority = base.compare(scheme_end, 2, "//") == 0;
  const size_t root = has_authority ? std::min(base.find('/', scheme_end + 2), base.size()) : scheme_end;
  const size_t tail = reference.find_first_of("?#");
  const std::string_view path = reference.substr(0, tail);
  const std::string rest = tail == reference.npos ? "" : std::string(reference.substr(tail));
  if (path.starts_with('/')) return base.substr(0, root) + WithoutDots(path) + rest;
  const std::string_view own = std::string_view{base}.substr(root, base.find_first_of("?#", root) - root);
  std::string joined(own.substr(0, own.rfind('/') == own.npos ? 0 : own.rfind('/') + 1));
  if (joined.empty() && has_authority) joined = "/";
  return base.substr(0, root) + WithoutDots(joined.append(path)) + rest;
}

std::string PointerToken(std::string_view name) {
  std::string token = "/";
  for (const char c : name) {
    switch (c) {
      case '~': token += "~0"; break;
      case '/': token += "~1"; break;
      case '%': token += "%25"; break;
      default: token += c;
    }
  }
  return token;
}

// --- Where schemas stand in a schema. Elsewhere, in enum say, what looks like one is a value.

enum class Holds : uint8_t { kSchema, kList, kMembers };
struct SchemaPlace {
  const char* keyword;
  Holds holds;
};
constexpr SchemaPlace kPlaces[] = {
    {"properties", Holds::kMembers},
    {"patternProperties", Holds::kMembers},
    {"$defs", Holds::kMembers},
    {"definitions", Holds::kMembers},
    {"dependentSchemas", Holds::kMembers},
    {"allOf", Holds::kList},
    {"anyOf", Holds::kList},
    {"oneOf", Holds::kList},
    {"prefixItems", Holds::kList},
    {"items", Holds::kSchema},
    {"contains", Holds::kSchema},
    {"not", Holds::kSchema},
    {"if", Holds::kSchema},
    {"then", Holds::kSchema},
    {"else", Holds::kSchema},
    {"additionalProperties", Holds::kSchema},
    {"propertyNames", Holds::kSchema},
    {"unevaluatedProperties", Holds::kSchema},
    {"unevaluatedItems", Holds::kSchema},
    {"contentSchema", Holds::kSchema},
};
constexpr const char* kNames[] = {"$id", "$anchor", "$dynamicAnchor", "$dynamicRef"};

class References {
 public:
  void Collect(const bj::value& root) { Visit(root, "", ""); }

  // REQUIRES: `root` is a copy of what was collected.
  void Rewrite(bj::value& root) {
    rewriting_ = true;
    Visit(root, "", "");
  }

  bool any() const { return any_; }
  // A $dynamicRef was left whose target depends on the way to it.
  bool left() const { return left_; }

  // Instead of Rewrite: a copy in which every such way has definitions of its own. REQUIRES: `root` is what was
  // collected; used once.
  absl::StatusOr<bj::value> Specialise(const bj::value& root, WorkBudget& budget) {
    indexing_ = true;
    rewriting_ = false;
    Visit(root, "", "");
    Scope scope;
    Enter(root_base_, scope);
    bj::value plain = Copy(root, "", scope, budget);
    bj::object definitions;
    for (size_t i = 0; i < open_.size(); ++i) {  // grows while it is gone through
      if (i >= kMostDefinitions || budget.spent())
        return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
      const auto [pointer, of] = open_[i];
      definitions[Concat(i)] = Copy(*nodes_.find(pointer)->second.schema, pointer, of, budget);
    }
    if (bj::object* object = plain.if_object()) (*object)["$defs"] = std::move(definitions);
    return plain;
  }

 private:
  using Scope = std::map<std::string, std::string>;  // by name of a $dynamicAnchor: where the outermost one is
  struct Node {
    const bj::value* schema = nullptr;
    std::string base;
  };
  static constexpr size_t kMostDefinitions = 2000;

  void Enter(const std::string& base, Scope& scope) const {
    for (const auto& [name, anchors] : dynamic_) {
      const auto own = anchors_.find(Concat(base, "#", name));
      if (own != anchors_.end() && std::find(anchors.begin(), anchors.end(), own->first) != anchors.end()) {
        scope.try_emplace(name, own->second);
      }
    }
  }

  // "#/…" as Visit writes it.
  static std::string Normal(std::string_view pointer) {
    std::string normal;
    for (size_t begin = 1; begin <= pointer.size() && !pointer.empty();) {
      const size_t end = std::min(pointer.find('/', begin), pointer.size());
      std::string name;
      for (size_t i = begin; i < end; ++i) {
        const auto digit = [&](size_t at) { return absl::ascii_isxdigit(static_cast<unsigned char>(pointer[at])); };
        if (pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
          name += pointer[++i] == '0' ? '~' : '/';
        } else if (pointer[i] == '%' && i + 2 < end && digit(i + 1) && digit(i + 2)) {
          name += static_cast<char>(std::stoi(std::string(pointer.substr(i + 1, 2)), nullptr, 16));
          i += 2;
        } else {
          name += pointer[i];
        }
      }
      normal += PointerToken(name);
      begin = end + 1;
    }
    return normal;
  }

  // The definition of what is at `pointer` when it is reached by way of `scope`.
  bj::value Definition(const std::string& pointer, Scope scope) {
    Enter(nodes_.find(pointer)->second.base, scope);
    std::string key = pointer;
    for (const auto& [name, at] : scope) key.append("\n").append(name).append("\n").append(at);
    const auto [found, fresh] = definitions_.try_emplace(std::move(key), open_.size());
    if (fresh) open_.emplace_back(pointer, std::move(scope));
    return bj::object{{"$ref", bj::string(Concat("#/$defs/", found->second))}};
  }

  bj::value Copy(const bj::value& schema, const std::string& pointer, const Scope& outer, WorkBudget& budget) {
    const bj::object* object = schema.if_object();
    if (object == nullptr) return schema;
    if (!budget.Spend(2 + static_cast<int64_t>(object->size()) + StepsOfNaming(object->size()))) return schema;
    const auto node = nodes_.find(pointer);
    if (node == nodes_.end()) return schema;
    const std::string& base = node->second.base;
    Scope scope = outer;
    if (object->contains("$id")) Enter(base, scope);
    bj::object copy;
    bj::array references;
    for (const auto& [key, value] : *object) {
      const std::string_view name = View(key);
      if (name == "$id" || name == "$anchor" || name == "$dynamicAnchor" || name == "$defs" || name == "definitions") {
        continue;
      }
      const std::string at = pointer + PointerToken(name);
      if ((name == "$ref" || name == "$dynamicRef") && value.is_string()) {
        const std::string uri = ResolveUri(base, View(value.get_string()));
        const std::string* found = Find(base, View(value.get_string()), false);
        std::string target = found == nullptr ? "" : *found + Normal(fragment_);
        const size_t hash = std::min(uri.find('#') + 1, uri.size());
        const auto dynamics = dynamic_.find(uri.substr(hash));
        if (name == "$dynamicRef" && dynamics != dynamic_.end() &&
            std::find(dynamics->second.begin(), dynamics->second.end(), uri) != dynamics->second.end()) {
          if (const auto outermost = scope.find(dynamics->first); outermost != scope.end()) target = outermost->second;
        }
        if (found != nullptr && nodes_.contains(target)) {
          references.push_back(Definition(target, scope));
        } else {
          copy[key] = value;
        }
        continue;
      }
      const SchemaPlace* place = std::find_if(std::begin(kPlaces), std::end(kPlaces),
                                              [&](const SchemaPlace& one) { return one.keyword == name; });
      copy[key] = place == std::end(kPlaces) ? value : CopyPlace(value, place->holds, at, scope, budget);
    }
    if (references.size() == 1 && !copy.contains("$ref")) {
      copy["$ref"] = references[0].get_object().at("$ref");
    } else if (!references.empty()) {
      bj::value& all = copy["allOf"];
      if (!all.is_array()) all = bj::array();
      for (bj::value& one : references) all.get_array().push_back(std::move(one));
    }
    return copy;
  }

  bj::value CopyPlace(const bj::value& value, Holds holds, const std::string& at, const Scope& scope,
                      WorkBudget& budget) {
    if (holds == Holds::kSchema) return Copy(value, at, scope, budget);
    if (const bj::object* members = value.if_object(); members != nullptr && holds == Holds::kMembers) {
      if (!budget.Spend(StepsOfNaming(members->size()))) return value;
      bj::object copy;
      for (const auto& member : *members) {
        copy[member.key()] = Copy(member.value(), at + PointerToken(View(member.key())), scope, budget);
      }
      return copy;
    }
    const bj::array* list = value.if_array();
    if (list == nullptr || holds != Holds::kList) return value;
    bj::array copy;
    for (size_t i = 0; i < list->size(); ++i) copy.push_back(Copy((*list)[i], Concat(at, "/", i), scope, budget));
    return copy;
  }

  template <typename Value>  // of bj::value, const or not
  void Visit(Value& value, const std::string& pointer, std::string base) {
    auto* object = value.if_object();
    if (object == nullptr) return;
    if (const bj::value* id = object->if_contains("$id"); id != nullptr && id->is_string()) {
      base = ResolveUri(base, View(id->get_string()));
      base.resize(std::min(base.find('#'), base.size()));
    }
    if (indexing_) {
      if constexpr (std::is_const_v<Value>) nodes_[pointer] = {&value, base};
    }
    Note(*object, pointer, base);
    for (const SchemaPlace& place : kPlaces) {
      auto* inner = object->if_contains(place.keyword);
      if (inner == nullptr) continue;
      const std::string at = pointer + PointerToken(place.keyword);
      if (place.holds == Holds::kSchema) {
        Visit(*inner, at, base);
      } else if (auto* members = inner->if_object(); members != nullptr && place.holds == Holds::kMembers) {
        for (auto& member : *members) Visit(member.value(), at + PointerToken(View(member.key())), base);
      } else if (auto* list = inner->if_array(); list != nullptr && place.holds == Holds::kList) {
        for (size_t i = 0; i < list->size(); ++i) Visit((*list)[i], Concat(at, "/", i), base);
      }
    }
  }

  // First all names are noted,
  void Note(const bj::object& schema, const std::string& pointer, const std::string& base) {
    if (rewriting_ || indexing_) return;
    any_ = any_ || std::any_of(std::begin(kNames), std::end(kNames), [&](const char* n) { return schema.contains(n); });
    if (pointer.empty()) {
      root_base_ = base;
      resources_[""] = "";
    }
    if (schema.contains("$id") || pointer.empty()) resources_.try_emplace(base, pointer);
    for (const char* kind : {"$anchor", "$dynamicAnchor"}) {
      const bj::value* name = schema.if_contains(kind);
      if (name == nullptr || !name->is_string()) continue;
      const std::string anchor = Concat(base, "#", View(name->get_string()));
      anchors_.try_emplace(anchor, pointer);
      if (std::string_view(kind) == "$dynamicAnchor") dynamic_[View(name->get_string())].push_back(anchor);
    }
  }

  // then references are made plain.
  void Note(bj::object& schema, const std::string& pointer, const std::string& base) {
    if (!rewriting_) return Note(std::as_const(schema), pointer, base);
    for (const char* kind : {"$ref", "$dynamicRef"}) {
      const bj::value* reference = schema.if_contains(kind);
      if (reference == nullptr || !reference->is_string()) continue;
      const bool dynamic = std::string_view(kind) == "$dynamicRef";
      const std::string* found = Find(base, View(reference->get_string()), dynamic);
      left_ = left_ || (found == nullptr && dynamic);
      if (found == nullptr) continue;
      const bj::string plain("#" + *found + fragment_);
      if (!dynamic || !schema.contains("$ref")) {
        schema["$ref"] = plain;
      } else if (bj::value& all = schema["allOf"]; all.is_array() || all.is_null()) {
        if (all.is_null()) all = bj::array();
        all.get_array().push_back(bj::object{{"$ref", plain}});
      } else {
        continue;
      }
      if (dynamic) schema.erase(kind);
    }
    for (const char* name : {"$id", "$anchor", "$dynamicAnchor"}) schema.erase(name);
  }

  // The pointer to what a reference names; the rest of the way is in fragment_. Null: it is not known here.
  const std::string* Find(const std::string& base, std::string_view reference, bool dynamic) {
    const std::string uri = ResolveUri(base, reference);
    const size_t hash = std::min(uri.find('#'), uri.size());
    const auto resource = resources_.find(uri.substr(0, hash));
    if (resource == resources_.end()) return nullptr;
    fragment_ = hash < uri.size() ? uri.substr(hash + 1) : "";
    if (fragment_.empty() || fragment_[0] == '/') return &resource->second;
    const std::string name = std::exchange(fragment_, {});
    const std::string anchor = Concat(resource->first, "#", name);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return nullptr;
    const auto dynamics = dynamic_.find(name);
    if (!dynamic || dynamics == dynamic_.end()) return &found->second;
    const std::vector<std::string>& all = dynamics->second;
    // One that is met by a plain name stays there. Else the outermost schema counts that has one of the name: all ways
    // begin at the root's.
    if (std::find(all.begin(), all.end(), anchor) == all.end() || all.size() == 1) return &found->second;
    const std::string outermost = Concat(root_base_, "#", name);
    if (std::find(all.begin(), all.end(), outermost) == all.end()) return nullptr;
    return &anchors_.find(outermost)->second;
  }

  bool rewriting_ = false, any_ = false, left_ = false, indexing_ = false;
  StringMap<Node> nodes_;  // by pointer; only for Specialise
  StringMap<size_t> definitions_;
  std::vector<std::pair<std::string, Scope>> open_;
  std::string root_base_;
  StringMap<std::string> resources_;             // by URI: pointers
  StringMap<std::string> anchors_;               // by URI#NAME: pointers
  StringMap<std::vector<std::string>> dynamic_;  // by name: URI#NAME
  std::string fragment_;
};

}  // namespace

absl::StatusOr<bj::value> WithPlainReferences(const bj::value& root, WorkBudget& budget) {
  if (!budget.Spend(SizeOf(root)))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  References references;
  references.Collect(root);
  bj::value plain = root;
  if (references.any()) references.Rewrite(plain);
  if (!references.left()) return plain;
  // Pointers are written out, of which there are as many as schemas, as long as they are deep.
  if (!budget.Spend(10 * SizeOf(root)))
    return Refused("$", "is too complex: make it smaller, with fewer alternatives or references");
  return references.Specialise(root, budget);
}

}  // namespace batucada::grammar
