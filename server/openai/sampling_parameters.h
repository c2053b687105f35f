// Members of request bodies that are rows of the table of sampling fields.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "engine/core/sampling_fields.h"
#include "server/json/parameter_table.h"

namespace batucada {

boost::json::object SamplingSchema(const SamplingField& field);

// `Params` is made of SamplingOverrides and more.
template <typename Params>
void AddSamplingField(const SamplingField& field, ParameterTable<Params>& table) {
  std::visit([&](const auto& members) { table.Add(std::string(field.name), SamplingSchema(field), members.asked); },
             field.members);
}

// All of one kind; or those that an API has under the same names.
template <typename Params>
void AddSamplingFields(SamplingKind kind, ParameterTable<Params>& table) {
  for (const SamplingField& field : kSamplingFields) {
    if (field.kind == kind) AddSamplingField(field, table);
  }
}
template <typename Params>
void AddSamplingFields(std::initializer_list<std::string_view> names, ParameterTable<Params>& table) {
  for (const SamplingField& field : kSamplingFields) {
    if (std::find(names.begin(), names.end(), field.name) != names.end()) AddSamplingField(field, table);
  }
}

}  // namespace batucada
