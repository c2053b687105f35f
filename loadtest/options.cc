#include "loadtest/options.h"

#include <cstdlib>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/status.h"

namespace batucada::loadtest {
namespace {

// What CLI11 reads as text or numbers and is turned into Options behind it.
struct RawFlags {
  std::string endpoint = "completions", workload = "random", prompt_kind = "text", arrival;
  std::string input = "128", output = "128", turns = "2:6";
  double rate = 0, timeout_s = 600, duration_s = 0, ramp_time_s = 60, think_s = 0;
  double chaos_patience_s = 30, cancel_within_s = 2;
  std::string chaos;
  bool respect_eos = false, quiet = false, no_metrics = false, tls_insecure = false;
  std::optional<int32_t> clients;
  std::vector<std::string> goodput;
};

template <typename Enum>
Enum Choice(const std::map<std::string, Enum>& names, const std::string& name) {
  return names.at(name);  // CLI11 has checked it
}

const std::map<std::string, Endpoint> kEndpoints = {{"completions", Endpoint::kCompletions}, {"chat", Endpoint::kChat}};
const std::map<std::string, WorkloadKind> kWorkloads = {{"random", WorkloadKind::kRandom},
                                                        {"shared-prefix", WorkloadKind::kSharedPrefix},
                                                        {"conversation", WorkloadKind::kConversation},
                                                        {"trace", WorkloadKind::kTrace}};
const std::map<std::string, PromptKind> kPromptKinds = {{"text", PromptKind::kText}, {"ids", PromptKind::kIds}};
const std::map<std::string, ArrivalKind> kArrivals = {{"poisson", ArrivalKind::kPoisson},
                                                      {"gamma", ArrivalKind::kGamma},
                                                      {"constant", ArrivalKind::kConstant},
                                                      {"ramp", ArrivalKind::kRamp},
                                                      {"trace", ArrivalKind::kTrace}};

template <typename Enum>
CLI::Validator OneOf(const std::map<std::string, Enum>& names) {
  std::vector<std::string> keys;
  for (const auto& [name, value] : names) keys.push_back(name);
  return CLI::IsMember(keys);
}

void DeclareServer(CLI::App& app, Options* options, RawFlags* raw) {
  const auto add = [&](auto name, auto& field, const char* help) {
    return app.add_option(name, field, help)->group("Server")->capture_default_str();
  };
  add("--url", options->url, "Any OpenAI-compatible server, http or https");
  add("--endpoint", raw->endpoint, "What is asked")->check(OneOf(kEndpoints));
  add("--model", options->model, "Name in every request; default: the first that /v1/models lists");
  add("--api-key", options->api_key, "Sent as a bearer token; default: $OPENAI_API_KEY");
  add("--extra-body", options->extra_body, "JSON object whose members are added to every request");
  app.add_flag("--respect-eos", raw->respect_eos,
               "Let the model end before --output-tokens; without it, ignore_eos is sent, an extension")
      ->group("Server");
  app.add_flag("--tls-insecure", raw->tls_insecure, "Take any certificate")->group("Server");
  add("--timeout", raw->timeout_s, "Seconds from sending a request to the end of its answer");
}

void DeclareLoad(CLI::App& app, Options* options, RawFlags* raw) {
  const auto add = [&](auto name, auto& field, const char* help) {
    return app.add_option(name, field, help)->group("Load")->capture_default_str();
  };
  add("--clients", raw->clients,
      "Closed loop: so many clients, each waits for its answer; default: 1, but a trace's own times")
      ->check(CLI::Range(1, 1'000'000));
  add("--rate", raw->rate, "Open loop: so many arrivals a second, however slow the answers are");
  add("--arrival", raw->arrival, "Gaps between the arrivals of an open loop; default: poisson")
      ->check(OneOf(kArrivals));
  add("--sweep", options->sweep, "Open loop: these rates, 1,2,4 for example, one after the other: for a curve")
      ->expected(1, 100)
      ->delimiter(',');
  add("--burstiness", options->arrival.burstiness, "Of gamma arrivals: below 1 bursts, 1 is Poisson");
  add("--ramp-to", options->arrival.ramp_to, "Of ramp arrivals: the rate at the end");
  add("--ramp-time", raw->ramp_time_s, "Of ramp arrivals: seconds until then");
  add("--time-scale", options->arrival.time_scale, "Of trace arrivals: 2 is half as fast");
  add("--requests", options->requests, "Requests (or conversations) at most; default: 1000, or as --duration allows");
  add("--duration", raw->duration_s, "Seconds within which requests start; 0: no bound");
  add("--seed", options->seed, "The same seed makes the same prompts, lengths and arrivals");
  add("--threads", options->threads, "Threads that send and read")->check(CLI::Range(1, 256));
}

void DeclareWorkload(CLI::App& app, Options* options, RawFlags* raw) {
  const auto add = [&](auto name, auto& field, const char* help) {
    return app.add_option(name, field, help)->group("Workload")->capture_default_str();
  };
  add("--workload", raw->workload, "What prompts are like")->check(OneOf(kWorkloads));
  add("--input-tokens", raw->input, "Of a prompt: N, or LOW:HIGH to draw from");
  add("--output-tokens", raw->output, "Of an answer: N, or LOW:HIGH to draw from");
  add("--prefixes", options->prefixes, "Of shared-prefix: how many beginnings there are")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  add("--prefix-tokens", options->prefix_tokens, "Of shared-prefix: how long each is")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000'000}));
  add("--turns", raw->turns, "Of conversation: questions in each, N or LOW:HIGH");
  add("--think-time", raw->think_s, "Of conversation: mean seconds from an answer to the next question");
  add("--trace", options->trace, "CSV file, or azure_llm_2023_code, azure_llm_2023_conv, mooncake_conversation");
  add("--length-scale", options->length_scale, "Of a trace's prompts and answers")->check(CLI::Range(1e-6, 1e3));
  add("--prompt-kind", raw->prompt_kind, "Text, about as long as wanted, or token ids, exactly so")
      ->check(OneOf(kPromptKinds));
  add("--bytes-per-token", options->bytes_per_token, "Of text prompts; 0: measured before the run, with one request");
  add("--corpus", options->corpus, "Text file to cut prompts from; default: random English words");
}

void DeclareChaos(CLI::App& app, Options* options, RawFlags* raw) {
  const auto add = [&](auto name, auto& field, const char* help) {
    return app.add_option(name, field, help)->group("Chaos")->capture_default_str();
  };
  add("--chaos", raw->chaos,
      "Shares of the sessions that misbehave: cancel=0.1,slow=0.1, also half-close, garbage, "
      "oversize, flood, all");
  add("--chaos-patience", raw->chaos_patience_s, "Seconds after which every one of them leaves");
  add("--cancel-within", raw->cancel_within_s, "Of cancel and flood: seconds within which they leave");
  add("--slow-bytes-per-s", options->chaos.slow_bytes_per_s, "Of slow: what each reads")->check(CLI::Range(1, 1 << 30));
  add("--flood-connections", options->chaos.flood_connections, "Of flood: connections each opens")
      ->check(CLI::Range(1, 60'000));
}

void DeclareReport(CLI::App& app, Options* options, RawFlags* raw) {
  const auto add = [&](auto name, auto& field, const char* help) {
    return app.add_option(name, field, help)->group("Report")->capture_default_str();
  };
  add("--goodput", raw->goodput, "Objectives of a good request, in ms: ttft:200 tpot:50 e2el:5000")->expected(1, 3);
  add("--output", options->output_file, "JSON file for the results, in the names of `vllm bench serve`");
  app.add_flag("--save-detailed", options->detailed, "Every request in that file, not only totals")->group("Report");
  add("--html", options->html_file, "Self-contained HTML file with charts");
  app.add_flag("--no-metrics", raw->no_metrics, "Leave the server's /metrics alone")->group("Report");
  app.add_flag("--quiet", raw->quiet, "No progress line")->group("Report");
}

// What does not fit together.
absl::Status CheckTogether(const Options& options) {
  const auto wrong = [](std::string_view why) { return absl::InvalidArgumentError(std::string(why)); };
  if (options.timeout <= Duration(0) || options.duration < Duration(0) || options.think < Duration(0)) {
    return wrong("--timeout must be more than 0 s, --duration and --think-time not less");
  }
  if (options.chaos.patience <= Duration(0) || options.chaos.cancel_within < Duration(0)) {
    return wrong("--chaos-patience must be more than 0 s and --cancel-within not less");
  }
  if (options.prompt_kind == PromptKind::kIds) {
    if (options.endpoint == Endpoint::kChat) return wrong("--prompt-kind ids needs --endpoint completions");
    if (options.workload == WorkloadKind::kConversation) {
      return wrong("--workload conversation needs --prompt-kind text: answers come back as text");
    }
  }
  if (options.workload == WorkloadKind::kTrace && options.trace.empty()) {
    return wrong("--workload trace needs --trace, for example azure_llm_2023_conv");
  }
  if (options.arrival.kind == ArrivalKind::kTrace && !options.sweep.empty()) {
    return wrong("--sweep is over rates, and a trace's arrivals have none: choose another --arrival");
  }
  for (const double rate : options.sweep) {
    if (!(rate > 0)) return wrong("--sweep has a rate that is not more than 0");
  }
  if (options.bytes_per_token < 0) return wrong("--bytes-per-token is negative");
  if (options.api_key.find_first_of("\r\n") != std::string::npos) return wrong("--api-key has a line break in it");
  return absl::OkStatus();
}

absl::Status Interpret(const RawFlags& raw, Options* options) {
  options->endpoint = Choice(kEndpoints, raw.endpoint);
  options->workload = Choice(kWorkloads, raw.workload);
  options->prompt_kind = Choice(kPromptKinds, raw.prompt_kind);
  options->end_token = raw.respect_eos ? EndToken::kRespect : EndToken::kIgnore;
  options->certificates = raw.tls_insecure ? Certificates::kTrustAll : Certificates::kCheck;
  options->progress = !raw.quiet;
  options->metrics = !raw.no_metrics;
  options->timeout = FromSeconds(raw.timeout_s);
  options->duration = FromSeconds(raw.duration_s);
  options->think = FromSeconds(raw.think_s);
  BATUCADA_ASSIGN_OR_RETURN(options->slo, ParseSlo(raw.goodput));
  BATUCADA_ASSIGN_OR_RETURN(options->input, ParseLengthRange("--input-tokens", raw.input));
  BATUCADA_ASSIGN_OR_RETURN(options->output, ParseLengthRange("--output-tokens", raw.output));
  BATUCADA_ASSIGN_OR_RETURN(options->turns, ParseLengthRange("--turns", raw.turns));

  BATUCADA_ASSIGN_OR_RETURN(options->chaos.mix, ChaosMix::Parse(raw.chaos));
  options->chaos.seed = options->seed;
  options->chaos.patience = FromSeconds(raw.chaos_patience_s);
  options->chaos.cancel_within = FromSeconds(raw.cancel_within_s);

  ArrivalOptions& arrival = options->arrival;
  const bool rated = raw.rate != 0 || !options->sweep.empty();
  const bool own_times = raw.arrival == "trace" ||
                         (options->workload == WorkloadKind::kTrace && raw.arrival.empty() && !rated && !raw.clients);
  options->open_loop = rated || own_times;
  options->clients = raw.clients.value_or(1);
  if (raw.clients && options->open_loop) {
    return absl::InvalidArgumentError("--clients is of a closed loop: leave it out, or --rate, --arrival and --sweep");
  }
  if (own_times) {
    arrival.kind = ArrivalKind::kTrace;
  } else if (raw.arrival.empty()) {
    arrival.kind = ArrivalKind::kPoisson;
  } else if (!options->open_loop) {
    return absl::InvalidArgumentError("--arrival is of an open loop: give --rate or --sweep too");
  } else {
    arrival.kind = Choice(kArrivals, raw.arrival);
  }
  if (raw.rate != 0) arrival.rate = raw.rate;
  arrival.ramp_time = FromSeconds(raw.ramp_time_s);
  arrival.seed = options->seed;

  if (options->requests == 0) {
    const bool bounded = raw.duration_s > 0 || options->workload == WorkloadKind::kTrace;
    options->requests = bounded ? UINT64_MAX : 1000;
  }
  const char* key = std::getenv("OPENAI_API_KEY");
  if (options->api_key.empty() && key != nullptr) options->api_key = key;
  return CheckTogether(*options);
}

}  // namespace

absl::StatusOr<Options> ParseOptions(int argc, const char* const* argv) {
  CLI::App app("Loads an OpenAI-compatible server and says how it bore that.", "batucada-loadtest");
  app.get_formatter()->column_width(36);
  Options options;
  RawFlags raw;
  DeclareServer(app, &options, &raw);
  DeclareLoad(app, &options, &raw);
  DeclareWorkload(app, &options, &raw);
  DeclareChaos(app, &options, &raw);
  DeclareReport(app, &options, &raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return absl::OutOfRangeError(app.help());
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(std::string(error.what()) + "; --help lists all flags");
  }
  BATUCADA_RETURN_IF_ERROR(Interpret(raw, &options));
  return options;
}

}  // namespace batucada::loadtest
