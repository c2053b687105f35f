#include "tests/golden/golden_files.h"

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace batucada {
namespace {

const std::string kRoot = BATUCADA_SOURCE_DIR;

std::string TextOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

float ToFloat(const boost::json::value& v) { return v.to_number<float>(); }

}  // namespace

std::string ModelDir() { return kRoot + "/models/samba-classics-18m"; }

std::vector<GoldenCase> ReadGoldenCases() { return ReadGoldenCases(ModelDir() + "/golden.json"); }

std::vector<GoldenCase> ReadGoldenCases(const std::string& path) {
  std::vector<GoldenCase> cases;
  const boost::json::value file = boost::json::parse(TextOf(path));
  const boost::json::value& list = file.is_array() ? file : file.at("cases");
  for (const boost::json::value& entry : list.as_array()) {
    const boost::json::object& o = entry.as_object();
    GoldenCase& c = cases.emplace_back();
    c.name = o.at("name").as_string().c_str();
    c.ids = boost::json::value_to<std::vector<int32_t>>(o.at("ids"));
    for (const boost::json::value& v : o.at("prompt_logprobs").as_array()) {
      if (!v.is_null()) c.prompt_logprobs.push_back(ToFloat(v));
    }
    for (const boost::json::value& v : o.at("last_top").as_array()) {
      c.last_top.emplace_back(v.as_array()[0].to_number<int32_t>(), ToFloat(v.as_array()[1]));
    }
    c.greedy = boost::json::value_to<std::vector<int32_t>>(o.at("greedy"));
    for (const boost::json::value& v : o.at("greedy_margins").as_array()) c.margins.push_back(ToFloat(v));
  }
  return cases;
}

std::map<std::string, GoldenText> ReadGoldenTexts() {
  const std::string dir = kRoot + "/tests/golden/texts/";
  std::map<std::string, GoldenText> texts;
  const boost::json::value file = boost::json::parse(TextOf(dir + "nll.json"));
  for (const auto& [name, entry] : file.as_object()) {
    GoldenText& t = texts[name];
    t.text = TextOf(dir + std::string(name));
    for (const auto& [range, value] : entry.as_object().at("nll_by_position").as_object()) {
      const std::string r(range);
      const size_t dash = r.find('-');
      t.nll[{std::stoll(r.substr(0, dash)), std::stoll(r.substr(dash + 1))}] = value.to_number<double>();
    }
    for (const auto& [index, value] : entry.as_object().at("sample").as_object()) {
      t.sample[std::stoll(std::string(index))] = value.to_number<double>();
    }
  }
  return texts;
}

}  // namespace batucada
