#include "server/config/options.h"

#include <sys/stat.h>

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <CLI/CLI.hpp>

#include "tests/temp_dir.h"

namespace batucada {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Reads a ServerConfig as the program does, from a made-up command line, environment and file.
class OptionsTest : public ::testing::Test {
 protected:
  absl::Status Read(std::vector<std::string> arguments, std::string file = "") {
    OptionTable table;
    CLI::App command;
    AddServerOptions(table, &config_);
    table.Declare(command);
    if (!file.empty()) {
      folder_.Write("options.toml", file);
      const std::string path = folder_.path() / "options.toml";
      arguments.insert(arguments.end(), {"--config", path});
    }
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    command.parse(arguments);
    if (absl::Status status = table.Apply([this](const char* name) -> const char* {
          const auto found = environment_.find(name);
          return found == environment_.end() ? nullptr : found->second.c_str();
        });
        !status.ok()) {
      return status;
    }
    return config_.Validate();
  }

  TempDir folder_;
  std::map<std::string, std::string> environment_;
  ServerConfig config_;
};

TEST_F(OptionsTest, DefaultsAreValidAndUnchanged) {
  ASSERT_TRUE(Read({}).ok());
  EXPECT_EQ(config_.port, ServerConfig().port);
  EXPECT_EQ(config_.engine.max_sequences, EngineConfig().max_sequences);
}

TEST_F(OptionsTest, FlagsWinOverEnvironmentOverFile) {
  environment_["BATUCADA_MAX_SEQUENCES"] = "20";
  environment_["BATUCADA_MAX_WAITING"] = "21";
  const std::string file = "max-sequences = 10\nmax-waiting = 11\nmax-prompts = 12\n";
  ASSERT_TRUE(Read({"--max-sequences", "30"}, file).ok());
  EXPECT_EQ(config_.engine.max_sequences, 30);
  EXPECT_EQ(config_.engine.max_waiting, 21);
  EXPECT_EQ(config_.request.max_prompts, 12);
}

TEST_F(OptionsTest, ReadsEveryKindOfValue) {
  environment_["BATUCADA_DRAIN_TIMEOUT"] = "90s";
  ASSERT_TRUE(Read({"--backend", "fake", "--pool-memory=4GiB", "--served-model-name", "a", "--served-model-name", "b",
                    "--log-level", "error", "--memory-fraction", "0.5"})
                  .ok());
  EXPECT_EQ(config_.engine.backend, BackendKind::kFake);
  EXPECT_EQ(config_.engine.pool_bytes, int64_t{4} << 30);
  EXPECT_THAT(config_.served_model_names, ElementsAre("a", "b"));
  EXPECT_EQ(config_.log_level, LogLevel::kError);
  EXPECT_DOUBLE_EQ(config_.engine.memory_fraction, 0.5);
  EXPECT_EQ(config_.drain_timeout, absl::Seconds(90));
}

TEST_F(OptionsTest, FilesMayUseUnderscoresAndLists) {
  ASSERT_TRUE(Read({}, "served_model_name = [\"x\", \"y\"]\nbackend = \"cpu\"\n").ok());
  EXPECT_THAT(config_.served_model_names, ElementsAre("x", "y"));
  EXPECT_EQ(config_.engine.backend, BackendKind::kCpu);
}

TEST_F(OptionsTest, ErrorsNameTheSourceAndTheValue) {
  EXPECT_THAT(std::string(Read({"--max-sequences", "many"}).message()), HasSubstr("--max-sequences: 'many'"));
  EXPECT_THAT(std::string(Read({"--drain-timeout", "30"}).message()), HasSubstr("--drain-timeout: '30'"));
  EXPECT_THAT(std::string(Read({"--backend", "tpu"}).message()), HasSubstr("auto, cpu, cuda, fake"));
  EXPECT_THAT(std::string(Read({}, "no-such-thing = 1\n").message()), HasSubstr("no setting 'no-such-thing'"));
  EXPECT_THAT(std::string(Read({"--config", "/does/not/exist"}).message()), HasSubstr("/does/not/exist"));
  environment_["BATUCADA_PORT"] = "http";
  EXPECT_THAT(std::string(Read({}).message()), HasSubstr("BATUCADA_PORT: 'http'"));
}

TEST_F(OptionsTest, AConfigurationThatIsNoFileIsRefused) {
  const std::string folder = folder_.path();
  EXPECT_THAT(std::string(Read({"--config", folder}).message()), HasSubstr("a directory, not a file"));
  EXPECT_THAT(std::string(Read({"--config", "/dev/zero"}).message()), HasSubstr("a device, not a file"));
  const std::string pipe = folder + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(std::string(Read({"--config", pipe}).message()), HasSubstr("a pipe, not a file"));
  EXPECT_THAT(std::string(Read({}, std::string((1 << 20) + 1, '\n')).message()), HasSubstr("1048577 bytes"));
  environment_["BATUCADA_CONFIG"] = folder;
  EXPECT_THAT(std::string(Read({}).message()), HasSubstr("a directory, not a file"));
}

TEST_F(OptionsTest, WhatWouldOpenTheServerByMistakeIsRefused) {
  EXPECT_THAT(std::string(Read({}, "api-key = \"\"\n").message()), HasSubstr("api-key: it is empty"));
  for (const char* none : {"[]", "[ # none yet\n]", "[\"\"]", "[\"a\", \"\"]"}) {
    EXPECT_THAT(std::string(Read({}, std::string("api-key = ") + none + "\n").message()),
                HasSubstr("api-key: it is empty"))
        << none;
  }
  EXPECT_THAT(std::string(Read({}, "api-key-file = []\n").message()), HasSubstr("api-key-file: it is empty"));
  EXPECT_THAT(std::string(Read({}, "api-key = a\nport = 1\napi-key = b\n").message()), HasSubstr("set twice"));
  EXPECT_THAT(std::string(Read({"--api-key-file", ""}).message()), HasSubstr("--api-key-file: it is empty"));
  EXPECT_THAT(std::string(Read({"--config", ""}).message()), HasSubstr("--config: it is empty"));
  environment_["BATUCADA_API_KEY"] = "";
  EXPECT_THAT(std::string(Read({}).message()), HasSubstr("BATUCADA_API_KEY: it is empty"));
  environment_ = {{"BATUCADA_CHAT_TEMPLATE", ""}};
  EXPECT_TRUE(Read({}).ok()) << "elsewhere an empty variable is one that is not set";
}

TEST_F(OptionsTest, ASettingOfOneValueTakesNoList) {
  for (const char* name : {"port", "host", "log-level", "drain-timeout", "pool-memory", "kv-events-config"}) {
    EXPECT_THAT(std::string(Read({}, std::string(name) + " = []\n").message()),
                HasSubstr(std::string(name) + ": has 0 values"));
    EXPECT_THAT(std::string(Read({}, std::string(name) + " = [a, b]\n").message()),
                HasSubstr(std::string(name) + ": has 2 values"));
  }
  ASSERT_TRUE(Read({}, "cors-origin = []\nserved-model-name = []\n").ok()) << "of several there may be none";
}

TEST_F(OptionsTest, AFlagOfOneValueTakesOneWord) {
  EXPECT_THROW({ Read({"--host", "127.0.0.1", "0.0.0.0"}).IgnoreError(); }, CLI::ExtrasError);
  EXPECT_THROW({ Read({"--port", "1", "2", "--grpc", "off"}).IgnoreError(); }, CLI::ExtrasError);
  ASSERT_TRUE(Read({"--served-model-name", "a", "b", "--port", "1", "--port", "2"}).ok());
  EXPECT_THAT(config_.served_model_names, ElementsAre("a", "b"));
  EXPECT_EQ(config_.port, 2);
}

TEST_F(OptionsTest, VariablesThatAreNearlyOptionsAreRefused) {
  OptionTable table;
  AddServerOptions(table, &config_);
  std::vector<std::string> unknown;
  for (const char* name : {"BATUCADA_API_KEYS", "BATUCADA_APIKEY", "BATUCADA_MAX_SEQUENCE", "BATUCADA_PORTS"}) {
    const absl::Status status = table.CheckEnvironment({"PATH", name}, &unknown);
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
    EXPECT_THAT(std::string(status.message()), HasSubstr("meant?"));
  }
  EXPECT_THAT(unknown, ElementsAre());
  ASSERT_TRUE(table
                  .CheckEnvironment({"BATUCADA_PORT", "BATUCADA_CONFIG", "BATUCADA_BINARY", "BATUCADA_ROOT",
                                     "BATUCADAX", "BATUCADA_SERVICE_HOST", "BATUCADA_SERVICE_PORT_HTTP",
                                     "BATUCADA_PORT_8000_TCP", "BATUCADA_PORT_8000_TCP_ADDR"},
                                    &unknown)
                  .ok());
  EXPECT_THAT(unknown, ElementsAre("BATUCADA_BINARY", "BATUCADA_ROOT"));
}

TEST_F(OptionsTest, NumbersThatAreNoneAndTimesWithoutEndAreRefused) {
  for (const char* value : {"nan", "NaN", "-nan", "inf", "-inf", "1e999", "0x1p3x", ""}) {
    for (const char* flag : {"--memory-fraction", "--request-log-sampling", "--trace-sampling"}) {
      config_ = {};
      EXPECT_FALSE(Read({flag, value}).ok()) << flag << " " << value;
    }
  }
  for (const char* value : {"87601h", "1000000000h", "99999999999999999999h", "inf", "-1s", "-0.5ms"}) {
    for (const char* flag :
         {"--idle-timeout", "--read-timeout", "--write-timeout", "--drain-timeout", "--stall-timeout"}) {
      config_ = {};
      EXPECT_FALSE(Read({flag, value}).ok()) << flag << " " << value;
    }
  }
  for (const char* value : {"9223372036854775808", "8388608TiB", "1e10GiB", "-1"}) {
    config_ = {};
    EXPECT_FALSE(Read({"--max-body-bytes", value}).ok()) << value;
  }
  config_ = {};
  EXPECT_TRUE(Read({"--idle-timeout", "87600h"}).ok());
}

TEST_F(OptionsTest, ValuesOutOfRangeAreRefusedByName) {
  for (const auto& [flag, value] : std::vector<std::pair<std::string, std::string>>{{"--port", "70000"},
                                                                                    {"--grpc-port", "-1"},
                                                                                    {"--health-port", "-2"},
                                                                                    {"--health-port", "8000"},
                                                                                    {"--health-port", "9000"},
                                                                                    {"--max-body-bytes", "1"},
                                                                                    {"--max-connections", "0"},
                                                                                    {"--read-timeout", "0"},
                                                                                    {"--max-choices", "0"},
                                                                                    {"--cors-origin", "example.org"},
                                                                                    {"--cors-origin", "http://a.b/c"},
                                                                                    {"--tls-cert", "only-one.pem"},
                                                                                    {"--keep-alive-period", "-1s"},
                                                                                    {"--max-sequences", "0"},
                                                                                    {"--block-tokens", "63"},
                                                                                    {"--io-threads", "-2"}}) {
    config_ = {};
    const absl::Status status = Read({flag, value});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << flag;
    EXPECT_FALSE(status.message().empty());
  }
  config_ = {};
  EXPECT_THAT(std::string(Read({"--port", "9000"}).message()), HasSubstr("both 9000"));
  // Of two that bound each other the one that is wrong.
  for (const char* blocks : {"0", "-5", "2048"}) {
    config_ = {};
    EXPECT_THAT(std::string(Read({"--block-tokens", blocks}).message()),
                HasSubstr(absl::StrCat("block-tokens is ", blocks)));
  }
  config_ = {};
  EXPECT_THAT(std::string(Read({"--memory-fraction", "1.00000001"}).message()),
              HasSubstr("memory-fraction is 1.00000001: it must be at least 0 and at most 1"));
}

TEST(ServedModelNamesTest, DefaultIsTheDirectorysName) {
  ServerConfig config;
  config.engine.model_dir = "/models/samba-18m/";
  EXPECT_THAT(ServedModelNames(config), ElementsAre("samba-18m"));
  for (const char* nameless : {".", "..", "/", "/models/..", "/models/a\nb"}) {
    config.engine.model_dir = nameless;
    EXPECT_THAT(ServedModelNames(config), ElementsAre("model")) << nameless;
  }
  config.served_model_names = {"one", "two"};
  EXPECT_THAT(ServedModelNames(config), ElementsAre("one", "two"));
}

TEST_F(OptionsTest, StrictParametersMayStandAlone) {
  ASSERT_TRUE(Read({}).ok());
  EXPECT_EQ(config_.unknown_members(), UnknownMembers::Policy::kIgnore);
  ASSERT_TRUE(Read({"--strict-parameters", "--port", "1"}).ok());
  EXPECT_EQ(config_.unknown_members(), UnknownMembers::Policy::kRefuse);
  ASSERT_TRUE(Read({"--strict-parameters", "off"}).ok());
  EXPECT_EQ(config_.unknown_members(), UnknownMembers::Policy::kIgnore);
  environment_["BATUCADA_STRICT_PARAMETERS"] = "on";
  ASSERT_TRUE(Read({}).ok());
  EXPECT_EQ(config_.unknown_members(), UnknownMembers::Policy::kRefuse);
}

TEST_F(OptionsTest, VllmsSettingOfKvEventsIsUnderstood) {
  const char* kSaid =
      R"({"enable_kv_cache_events": true, "publisher": "zmq", "endpoint": "tcp://*:5557", "topic": "kv@a@b",
          "replay_endpoint": "tcp://*:5558", "buffer_steps": 10000, "hwm": 50, "max_queue_size": 100000})";
  ASSERT_TRUE(Read({"--prefix-cache", "on", "--kv-events-config", kSaid}).ok());
  EXPECT_EQ(config_.kv_events.endpoint, "tcp://*:5557");
  EXPECT_EQ(config_.kv_events.replay_endpoint, "tcp://*:5558");
  EXPECT_EQ(config_.kv_events.topic, "kv@a@b");
  EXPECT_EQ(config_.kv_events.queue_batches, 50);
}

TEST_F(OptionsTest, KvEventsAreOffUnlessTheyAreOn) {
  for (
      const char* off :
      {"{}", R"({"enable_kv_cache_events": false, "endpoint": "tcp://*:1"})",
       R"({"enable_kv_cache_events": true, "publisher": "null", "endpoint": "tcp://*:1", "replay_endpoint": "tcp://*:2"})"}) {
    config_ = {};
    EXPECT_TRUE(Read({"--kv-events-config", off}).ok()) << off;
    EXPECT_FALSE(config_.kv_events.enabled()) << off;
  }
}

TEST_F(OptionsTest, AFlagOfKvEventsWinsOverVllmsSetting) {
  const std::string said = R"({"enable_kv_cache_events": true, "endpoint": "tcp://*:5557"})";
  ASSERT_TRUE(
      Read({"--prefix-cache", "on", "--kv-events-endpoint", "tcp://127.0.0.1:7", "--kv-events-config", said}).ok());
  EXPECT_EQ(config_.kv_events.endpoint, "tcp://127.0.0.1:7");
}

TEST_F(OptionsTest, KvEventsThatCannotBeAreRefused) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--kv-events-endpoint", "tcp://127.0.0.1:5557", "--prefix-cache", "off"}, "--prefix-cache on"},
      {{"--kv-events-replay-endpoint", "tcp://127.0.0.1:5557"}, "give both"},
      {{"--kv-events-endpoint", "127.0.0.1:5557"}, "tcp:// or ipc://"},
      {{"--kv-events-endpoint", "tcp://127.0.0.1"}, "an address and a port"},
      {{"--kv-events-endpoint", "tcp://:5557"}, "an address and a port"},
      {{"--kv-events-endpoint", "tcp://127.0.0.1:0"}, "a port at its end"},
      {{"--kv-events-endpoint", "tcp://127.0.0.1:65536"}, "a port at its end"},
      {{"--kv-events-endpoint", "tcp://router:*"}, "a port at its end"},
      {{"--kv-events-endpoint", "ipc://"}, "no path"},
      {{"--kv-events-endpoint", "tcp://" + std::string(300, 'a') + ":1"}, "256 bytes"},
      {{"--kv-events-endpoint", "tcp://*:1", "--kv-events-replay-endpoint", "tcp://router:2"}, "to listen at"},
      {{"--kv-events-endpoint", "tcp://*:1", "--kv-events-replay-endpoint", "tcp://*:1"}, "must differ"},
      {{"--kv-events-endpoint", "tcp://*:1", "--kv-events-block-tokens", "0"}, "--kv-events-block-tokens"},
      {{"--kv-events-endpoint", "tcp://*:1", "--kv-events-topic", "\xff"}, "--kv-events-topic"},
      {{"--kv-events-config", "3"}, "expected an object"},
      {{"--prefix-cache", "on", "--kv-events-endpoint", "tcp://127.0.0.1:7", "--kv-events-config",
        R"({"enable_kv_cache_events": false})"},
       "leave out one of them"},
      {{"--prefix-cache", "on", "--kv-events-endpoint", "tcp://127.0.0.1:7", "--kv-events-config",
        R"({"enable_kv_cache_events": true, "publisher": "null"})"},
       "leave out one of them"},
      {{"--kv-events-config", R"({"enable_kv_cache_events": true})"}, "there is no endpoint"},
      {{"--kv-events-config", R"({"enable_kv_cache_events": true, "publisher": "nats"})"}, "zmq or null"},
      {{"--kv-events-config", R"({"enable_kv_cache_event": true})"}, "there is no 'enable_kv_cache_event'"}};
  for (const auto& [arguments, sentence] : cases) {
    config_ = {};
    config_.engine.prefix_cache = PrefixCacheUse::kOn;
    EXPECT_THAT(std::string(Read(arguments).message()), HasSubstr(sentence)) << arguments[1];
  }
}

TEST(KvEventsConfigTest, ListensAtThisMachinesAddressesAndConnectsToOthers) {
  for (const char* here : {"tcp://*:1", "tcp://0.0.0.0:1", "tcp://127.0.0.1:1", "tcp://127.8.8.8:1", "tcp://[::]:1",
                           "tcp://[::1]:1", "tcp://localhost:1", "ipc:///run/events"}) {
    EXPECT_TRUE(ListensAt(here)) << here;
  }
  for (const char* there : {"tcp://10.0.0.1:1", "tcp://router:1", "tcp://[2001:db8::1]:1"}) {
    EXPECT_FALSE(ListensAt(there)) << there;
  }
}

}  // namespace
}  // namespace batucada
