// Which field each option sets, and what --help says of it.
#include "server/config/options.h"

namespace batucada {

void AddEngineOptions(OptionTable& table, EngineConfig* config) {
  const std::string model = "Model", compute = "Compute", batching = "Batching and memory";
  table.AddString("model", model, "Directory of a Hugging Face checkpoint, or ORG/NAME[@REVISION] on the Hub",
                  &config->model_dir);
  table.AddEnum("load-format", model, "auto reads the weights; dummy makes seeded random ones from config.json alone",
                {"auto", "dummy"}, &config->load_format);

  table.AddEnum("generation-config", model,
                "auto: what a request leaves open is as generation_config.json says; none: of it only end tokens count",
                {"auto", "none"}, &config->generation_config);

  table.AddEnum("backend", compute, "Where the model runs; auto takes a GPU if there is one",
                {"auto", "cpu", "cuda", "fake"}, &config->backend);
  table.AddInt("threads", compute, "Threads of the CPU backend; 0: one per core", &config->threads);
  table.AddInt("device", compute, "CUDA device", &config->device);
  table.AddEnum("batch-invariant", compute,
                "on: on a GPU, too, an answer and its log-probabilities are the same bits alone and beside any others; "
                "slower, docs/benchmarks/h200-model.md says by how much",
                {"off", "on"}, &config->batch_invariant);
  table.AddDuration("fake-step-time", compute, "How long a step of the fake backend takes", &config->fake_step_time);
  table.AddDuration("stall-timeout", compute, "Not alive when work waits and no step finishes for so long",
                    &config->stall_timeout);

  table.AddInt("max-batch-tokens", batching, "Tokens that one step computes at most; 0: 256 on a CPU, 4096 on a GPU",
               &config->max_batch_tokens);
  table.AddInt("draft-tokens", batching,
               "Tokens that a step guesses ahead of a sequence at most, from what its text has said before; right ones "
               "cost no step of their own, and what is drawn is what would have been. On a GPU sums of more rows have "
               "another order, as beside other requests. 0: none",
               &config->draft_tokens);
  table.AddNumber("prompt-share", batching,
                  "Of the time, what long prompts have while others generate, between 0.05 and 0.95; their weight "
                  "grows, eightfold at most, where more than a quarter as many wait for their prompts as generate. "
                  "Less: tokens come sooner one after the other; more: prompts are faster",
                  &config->prompt_share);
  table.AddInt("max-sequences", batching, "Sequences that run at once at most", &config->max_sequences);
  table.AddInt("urgent-sequences", batching, "Of them, how many are kept for requests of a negative priority",
               &config->urgent_sequences);
  table.AddInt(
      "controlled-sequences", batching,
      "Of them, how many may have penalties, biases, bans or least lengths; others with such wait; 0: as many as "
      "fit in a sixteenth of the memory for sequences",
      &config->controlled_sequences);
  table.AddInt(
      "park", batching,
      "Sequences that requests of a negative priority may have put aside where no place is left, and that go on "
      "later where they were; in the host's memory",
      &config->parked_sequences);
  table.AddDuration("park-time", batching, "How long one may be put aside, all times together", &config->park_time);
  table.AddNumber("request-share", batching,
                  "Of the sequences and the queue that others leave, the part that one request may have; 1: all",
                  &config->request_share);
  table.AddNumber("client-share", batching,
                  "Likewise one client, by key or else by address; 0: 0.9, but all for who has been alone for an hour "
                  "where there are not two keys",
                  &config->client_share);
  table.AddInt("max-waiting", batching,
               "Requests that wait in the queue, and as many further choices; past it they get 429; urgent ones on "
               "their own",
               &config->max_waiting);
  table.AddInt("max-waiting-tokens", batching,
               "Prompt tokens that wait in the queue; past it requests get 429, likewise", &config->max_waiting_tokens);
  table.AddInt("max-total-tokens", batching, "Prompt and generated tokens of one request", &config->max_total_tokens);
  table.AddBytes("pool-memory", batching, "Memory for sequences; 0: what max-sequences needs, if it is there",
                 &config->pool_bytes);
  table.AddNumber("memory-fraction", batching, "Of the device's free memory, what may be used",
                  &config->memory_fraction);
  table.AddEnum("prefault", batching, "on: the CPU backend's memory is there from the start; off: as it is used",
                {"off", "on"}, &config->prefault);
  table.AddInt("block-tokens", batching, "Tokens that a K/V block holds; a power of two", &config->block_tokens);
  table.AddEnum("prefix-cache", batching, "Whether prompts go on from where an earlier one began the same",
                {"off", "on"}, &config->prefix_cache);
  table.AddBytes("prefix-cache-memory", batching,
                 "Device memory for that, besides the sequences'; 0: a sixteenth of what is free, at most for "
                 "half as many beginnings as sequences",
                 &config->prefix_cache_bytes);
  table.AddBytes("host-cache", batching, "Host memory behind it, for more and older beginnings; 0: none",
                 &config->host_cache_bytes);
  table.AddString("disk-cache", batching, "Directory behind that, which survives a restart; empty: none",
                  &config->disk_cache_dir);
  table.AddBytes("disk-cache-size", batching, "Of this model's files there, at most", &config->disk_cache_bytes);
  table.AddInt("stream-buffer-tokens", batching,
               "Tokens kept for a stream's client that does not read; past it its request ends",
               &config->stream_buffer_tokens);
}

void AddServerOptions(OptionTable& table, ServerConfig* config) {
  AddEngineOptions(table, &config->engine);
  const std::string model = "Model", listen = "Listening", limits = "Limits of a request",
                    connections = "Limits of a connection", life = "Start and end";
  table.AddString("host", listen, "Address to listen on; 0.0.0.0: all of this machine's", &config->host);
  table.AddInt("port", listen, "HTTP port; 0: one that is free", &config->port);
  table.AddEnum("prefix-cache-scope", "Batching and memory",
                "Whose prompts go on from whose: of the same key, or anybody's of this server", {"key", "server"},
                &config->prefix_cache_scope);
  table.AddEnum("grpc", listen, "Whether gRPC is served", {"off", "on"}, &config->grpc);
  table.AddInt("grpc-port", listen, "gRPC port; 0: one that is free", &config->grpc_port);
  table.AddEnum("grpc-reflection", listen, "Whether clients may ask what there is to call", {"off", "on"},
                &config->grpc_reflection);
  table.AddInt("health-port", listen,
               "Port for health, metrics and administration alone; 0: one that is free; -1: none",
               &config->health_port);
  table.AddString("port-file", listen, "Write the chosen ports to this file once all listen", &config->port_file);
  table.AddStrings("served-model-name", listen,
                   "Name to answer to, several allowed, * for any text; default: the model directory's",
                   &config->served_model_names);
  table.AddString("chat-template", model, "Jinja file for /v1/chat/completions; default: the model's own",
                  &config->chat_template);
  table.AddEnum("tool-call-parser", model, "How the model writes calls of tools; auto: as its chat template says",
                CallFormatNames(), &config->tool_call_parser);
  table.AddEnum("reasoning-parser", model, "How the model writes what it thinks; auto: as its chat template says",
                ThinkingFormatNames(), &config->reasoning_parser);
  table.AddInt("io-threads", listen, "Threads that read and write connections; 0: a quarter of the cores, 1 to 4",
               &config->io_threads);
  table.AddInt(
      "text-threads", listen,
      "Threads that work on large texts, of which one takes small ones alone; 0: a quarter of the cores, 3 or 4",
      &config->text_threads);

  table.AddBytes(
      "request-memory", limits,
      "Memory that all requests may hold together: bodies, prompts, tokens, answers; past it they get 429, or "
      "413 where they never fit; 0: a quarter of the machine's or the container's",
      &config->request_memory);
  table.AddBytes("max-text-backlog-bytes", limits, "Large requests that wait to be tokenized; past it they get 429",
                 &config->max_text_backlog_bytes);
  table.AddBytes("max-body-bytes", limits, "Body of one HTTP request, or one gRPC message",
                 &config->http.max_body_bytes);
  table.AddBytes("max-header-bytes", limits, "Headers of one HTTP request or gRPC call",
                 &config->http.max_header_bytes);
  table.AddInt("max-prompts", limits, "Prompts in one HTTP request", &config->request.max_prompts);
  table.AddInt("max-choices", limits, "n: continuations of each prompt", &config->request.max_choices);
  table.AddInt("max-stop-strings", limits, "Stop strings of one request", &config->request.max_stop_strings);
  table.AddInt("max-logit-biases", limits, "Entries of logit_bias", &config->request.max_logit_biases);
  table.AddInt(
      "max-generated-tokens", limits,
      "Tokens that one request may ask for, all its choices together; 0: 1048576, or --max-total-tokens if more",
      &config->request.max_generated_tokens);
  table.AddInt("default-max-tokens", limits,
               "Tokens of a chat's answer at most, where neither the request nor generation_config.json says",
               &config->request.default_max_tokens);
  table.AddDuration("max-request-time", limits,
                    "From a request's arrival until it ends with reason deadline; 0: no end",
                    &config->request.max_time);
  table.AddEnum("strict-parameters", limits,
                "Whether members of a request that no table knows are refused, and not only ignored and named",
                {"off", "on"}, &config->strict_parameters, "on");
  table.AddInt("max-prompt-tokens", limits, "Tokens of one prompt; 0: as many as --max-total-tokens leaves",
               &config->request.max_prompt_tokens);

  table.AddInt("max-connections", connections, "HTTP connections open at once; past it they get 503",
               &config->http.max_connections);
  table.AddDuration("idle-timeout", connections, "Between two requests of a connection", &config->http.idle_timeout);
  table.AddDuration("read-timeout", connections, "For a request's headers, and again for its body",
                    &config->http.read_timeout);
  table.AddDuration("write-timeout", connections, "That an answer may wait for its client, all its waits together",
                    &config->http.write_timeout);
  table.AddBytes("min-transfer-rate", connections,
                 "Bytes a second: a body or an answer has a second more for each so many that were transferred",
                 &config->http.min_transfer_rate);
  table.AddDuration("keep-alive-period", connections, "A comment on every stream that is silent so long; 0: none",
                    &config->http.keep_alive_period);

  const std::string grpc = "Limits of a gRPC connection";
  table.AddInt("grpc-max-connections", grpc,
               "Open at once; past it the oldest that has made no call gives way, else the new one is closed",
               &config->grpc_limits.max_connections);
  table.AddInt("grpc-max-streams", grpc, "Calls at once on one connection", &config->grpc_limits.max_streams);
  table.AddDuration("grpc-handshake-timeout", grpc, "From connecting to the client's first SETTINGS, TLS included",
                    &config->grpc_limits.handshake_timeout);
  table.AddDuration("grpc-idle-timeout", grpc, "Without a call", &config->grpc_limits.idle_timeout);
  table.AddDuration("grpc-max-connection-age", grpc, "Then it takes no new calls; its client connects again",
                    &config->grpc_limits.max_age);
  table.AddDuration("grpc-max-connection-age-grace", grpc, "For the calls that run then",
                    &config->grpc_limits.max_age_grace);

  const std::string store = "Stored responses and conversations";
  table.AddString("store", store, "Directory to keep them in; default: memory, until the process ends",
                  &config->store.directory);
  table.AddDuration("store-ttl", store, "From when one was written, or last gone on from, until it is deleted",
                    &config->store.lifetime);
  table.AddBytes("store-size", store,
                 "What they may take together, after which the least recently used go; 0: 1 GiB in a directory, 64 MiB "
                 "in memory",
                 &config->store.max_bytes);

  const std::string events = "KV events for routers";
  table.AddText("kv-events-config", events, "JSON", "vLLM's setting, a JSON object, in place of those below",
                [config](const std::string& json) { return ReadVllmKvEventsConfig(json, &config->kv_events); });
  table.AddString(
      "kv-events-endpoint", events,
      "ZeroMQ endpoint that tells what the prefix cache keeps, prompts' token ids included: tcp://127.0.0.1:5557 "
      "or tcp://*:5557 to listen, another host's to connect; empty: none",
      &config->kv_events.endpoint);
  table.AddString("kv-events-replay-endpoint", events,
                  "Another to listen at, where routers ask for what they missed, such as tcp://*:5558; empty: none",
                  &config->kv_events.replay_endpoint);
  table.AddString("kv-events-topic", events, "In front of every batch; llm-d wants kv@ADDRESS:PORT@MODEL",
                  &config->kv_events.topic);
  table.AddInt("kv-events-block-tokens", events, "Tokens of a block, as the router has them",
               &config->kv_events.block_tokens);
  table.AddEnum("kv-events-form", events, "Of an event: map, as vLLM since 0.24; array, as before", {"map", "array"},
                &config->kv_events.form);
  table.AddInt("kv-events-queue", events, "Batches that wait for a slow router, which then misses some",
               &config->kv_events.queue_batches);
  table.AddBytes("kv-events-replay-size", events, "Of the last batches, for routers that missed some",
                 &config->kv_events.replay_bytes);

  const std::string security = "Security";
  table.AddStrings(
      "api-key", security,
      "Key that clients must present, several allowed, with its rights: 'KEY priority=-10 admin'; default: none",
      &config->security.api_keys);
  table.AddString("api-key-file", security, "File of keys with their rights, one a line; # begins a comment",
                  &config->security.api_key_file);
  table.AddInt("min-priority", security, "Smallest priority that a request counts with, unless its key has priority=",
               &config->security.min_priority);
  table.AddEnum("metrics-access", security, "Whether /metrics needs a key, where there are keys", {"open", "key"},
                &config->security.metrics_access);
  table.AddStrings("cors-origin", security, "Origin whose pages may call the server, several allowed; *: all",
                   &config->security.cors_origins);
  table.AddString("tls-cert", security, "PEM certificate with its chain: TLS for HTTP and gRPC",
                  &config->security.tls_certificate);
  table.AddString("tls-key", security, "PEM key of --tls-cert", &config->security.tls_key);

  table.Guard({"api-key", "api-key-file", "min-priority", "metrics-access", "tls-cert", "tls-key"});

  const std::string telemetry = "Metrics, logs and traces";
  table.AddEnum("metrics-aliases", telemetry, "Names for /metrics besides our own", {"none", "vllm"},
                &config->metrics_aliases);
  table.AddEnum("log-level", telemetry, "Least severe messages to write", {"debug", "info", "warn", "error", "off"},
                &config->log_level);
  table.AddEnum("log-format", telemetry, "Of messages; the lines about requests are always JSON", {"text", "json"},
                &config->log_format);
  table.AddNumber(
      "request-log-sampling", telemetry,
      "Part of the requests that end well which get a line; the others always do, but for floods of refused ones",
      &config->request_log_sampling);
  table.AddString("otlp-endpoint", telemetry,
                  "Collector for spans, http://localhost:4318; default: OTEL_EXPORTER_OTLP_ENDPOINT, else none",
                  &config->tracing.endpoint);
  table.AddString("otlp-service-name", telemetry,
                  "service.name of the spans; default: OTEL_SERVICE_NAME, else batucada",
                  &config->tracing.service_name);
  table.AddNumber("trace-sampling", telemetry, "Part of the requests without a traceparent that is traced",
                  &config->tracing.sampling);

  table.AddDuration("shutdown-grace", life, "After SIGTERM, from unready until connections are refused",
                    &config->shutdown_grace);
  table.AddDuration("drain-timeout", life, "After SIGTERM, for running requests to finish", &config->drain_timeout);
}

}  // namespace batucada
