// What the handlers of every front end share.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/common/access_keys.h"
#include "server/config/server_config.h"
#include "server/generate/running_requests.h"
#include "server/generate/running_responses.h"
#include "server/generate/translate.h"
#include "server/memory/account.h"
#include "server/net/io_pool.h"
#include "server/net/work_pool.h"
#include "server/store/store.h"
#include "server/store/store_thread.h"
#include "server/telemetry/metrics.h"
#include "server/telemetry/request_journal.h"
#include "text/chat_template.h"

namespace batucada {

// Thread-safe; outlives both servers.
struct Service {
  const ServerConfig& config;
  Engine& engine;
  Metrics& metrics;
  const std::vector<std::string> model_names;               // at least one
  const std::unique_ptr<const ChatTemplate> chat_template;  // null: the model has none
  const AccessKeys keys = {};
  const std::string fingerprint = {};                      // system_fingerprint of answers
  const std::unique_ptr<Store> store = Store::InMemory();  // of what outlives requests
  const absl::Time started = absl::Now();
  // On once everything is up, off when shutdown begins: what /health/ready says, if the engine is alive.
  std::atomic<bool> accepting{false};
  // Of prompts that go on from earlier ones: what the engine need not compute again need not be tokenized either.
  const std::unique_ptr<TokenMemory> token_memory =
      engine.config().prefix_cache == PrefixCacheUse::kOff ? nullptr : std::make_unique<TokenMemory>(size_t{64} << 20);
  MemoryAccount memory{config.request_memory};  // of what requests hold; REQUIRES: decided, not 0
  RunningRequests running;
  RunningResponses responses;
  RequestJournal journal{config.tracing, config.request_log_sampling, metrics};
  StoreThread store_thread{*store, config.store.lifetime};
  // Tokenizes what is too large for a connection's thread. Its tasks, and those of the next, use all of the above.
  WorkPool workers{config.text_threads > 0 ? config.text_threads : DefaultTextThreads(), config.max_text_backlog_bytes};
  // Of requests that may wait for the store: they keep no thread from texts.
  WorkPool store_workers{3, config.max_text_backlog_bytes};  // one for each size of work

  bool Ready() const { return accepting && engine.Health().alive; }
  TranslationContext translation(const Client& client = {}) const {
    return {.tokenizer = engine.tokenizer(),
            .chat_template = chat_template.get(),
            .defaults = engine.generation_defaults(),
            .model_names = model_names,
            .limits = config.request,
            .max_total_tokens = engine.config().max_total_tokens,
            .vocab_size = engine.model().vocab_size,
            .prefix_cache_scope = config.prefix_cache_scope,
            .token_memory = token_memory.get(),
            .grammars = &engine.grammars(),
            .call_format = config.tool_call_parser,
            .thinking_format = config.reasoning_parser,
            .client = client};
  }
};

// "cpu", …
std::string_view BackendName(BackendKind kind);

}  // namespace batucada
