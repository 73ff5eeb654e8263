// The command: words, environment and configuration file to settings, settings to a running server, a signal to an
// orderly end.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/cli/inspect.h"
#include "server/cli/inspect_arguments.h"
#include "server/config/config_file.h"
#include "server/config/flags.h"
#include "server/config/help.h"
#include "server/config/log_rotation.h"
#include "server/config/validate.h"
#include "server/runtime/init_daemon.h"
#include "server/runtime/json_log.h"
#include "server/runtime/server_log.h"
#include "server/server.h"
#include "server/version.h"

namespace regent::server {
namespace {

constexpr uint64_t kRequestBytesRecommended = 10 << 20;

using Environment = std::map<std::string, std::string>;

Environment ReadEnvironment() {
  Environment variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text(*variable);
    const size_t equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

// SIGTERM and SIGINT are taken by one waiting thread, the main one; threads made later inherit the mask.
sigset_t BlockEndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Ends as a process does that the signal ended, which is what supervisors of etcd expect. The first process of a
// container is immune to its own signals and exits.
int EndBySignal(int number) {
  if (getpid() == 1) return 0;
  signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigaddset(&none, number);
  raise(number);
  pthread_sigmask(SIG_UNBLOCK, &none, nullptr);
  return 0;
}

absl::StatusOr<std::unique_ptr<ServerLog>> OpenLog(const Settings& settings) {
  ServerLog::Options options;
  options.level = settings.log_level;
  options.format = settings.log_format == "console" ? LogFormat::kConsole : LogFormat::kJson;
  options.outputs = settings.log_outputs;
  if (settings.enable_log_rotation) {
    const absl::StatusOr<LogRotation> rotation = ParseLogRotation(settings.log_rotation_config_json);
    if (!rotation.ok()) return rotation.status();
    options.rotation = LogFile::Rotation{.bytes_max = static_cast<uint64_t>(rotation->megabytes_max) << 20,
                                         .days_max = rotation->days_max,
                                         .files_max = rotation->files_max,
                                         .local_time = rotation->local_time,
                                         .compress = rotation->compress};
  }
  return ServerLog::Open(options);
}

// For errors from before the settings say where lines go.
int FailWithDefaultLog(const UsageError& error) {
  const auto log = ServerLog::Open(ServerLog::Options());
  if (error.environment_variable.empty()) {
    LOG(ERROR) << "failed to verify flags" << Field("error", error.message);
  } else {
    LOG(ERROR) << error.message << Field("environment-variable", error.environment_variable);
  }
  return error.exit_code;
}

void LogStart(const ParsedFlags& flags) {
  const Settings& settings = flags.settings;
  if (!settings.config_file.empty()) {
    LOG(INFO)
        << "loaded server configuration, other configuration command line flags and environment variables will be "
           "ignored if provided"
        << Field("path", settings.config_file);
  }
  for (const auto& [variable, value] : flags.used_environment) {
    LOG(INFO) << "recognized and used environment variable" << Field("variable-name", variable)
              << Field("variable-value", value);
  }
  for (const std::string& variable : flags.unknown_environment) {
    LOG(WARNING) << "unrecognized environment variable" << Field("environment-variable", variable);
  }
  for (const WithoutEffect& option : FindWithoutEffect(flags)) {
    LOG(WARNING) << option.shown << " has no effect here: " << option.why << Field("option", option.shown);
  }
  if (settings.max_request_bytes > kRequestBytesRecommended) {
    LOG(WARNING) << "exceeded recommended request limit" << Field("max-request-bytes", settings.max_request_bytes)
                 << Field("recommended-request-bytes", kRequestBytesRecommended);
  }
}

// Tells the service manager, if one started the process.
void Notify(const Environment& environment, std::string_view state) {
  const auto socket = environment.find("NOTIFY_SOCKET");
  if (socket == environment.end() || socket->second.empty()) return;
  if (const absl::Status sent = NotifyInitDaemon(socket->second, state); !sent.ok()) {
    LOG(ERROR) << "failed to notify init daemon" << Field("state", state)
               << Field("error", std::string(sent.message()));
    return;
  }
  LOG(INFO) << "successfully notified init daemon" << Field("state", state);
}

int RunServer(const ParsedFlags& flags, const Environment& environment) {
  const sigset_t signals = BlockEndingSignals();
  std::atomic<bool> removed{false};
  auto server = Server::Start(flags.settings, {.on_serving = [&environment] { Notify(environment, "READY=1"); },
                                               .on_removed =
                                                   [&removed] {
                                                     removed.store(true);
                                                     kill(getpid(), SIGTERM);
                                                   }});
  if (!server.ok()) {
    LOG(ERROR) << "failed to start" << Field("error", std::string(server.status().message()));
    return EXIT_FAILURE;
  }
  int number = 0;
  sigwait(&signals, &number);
  Notify(environment, "STOPPING=1");
  if (!removed.load()) LOG(INFO) << "received signal; shutting down" << Field("signal", strsignal(number));
  (*server)->Stop();
  LOG(INFO) << "stopped";
  server->reset();
  return removed.load() ? EXIT_SUCCESS : EndBySignal(number);
}

int LogAndRun(const ParsedFlags& flags, const Environment& environment) {
  const absl::Status valid = ValidateSettings(flags);
  if (!valid.ok()) return FailWithDefaultLog({UsageError::kBadValue, std::string(valid.message())});
  const auto log = OpenLog(flags.settings);
  if (!log.ok()) return FailWithDefaultLog({UsageError::kBadValue, std::string(log.status().message())});
  LogStart(flags);
  return RunServer(flags, environment);
}

// Whether the program was started under the name of etcd, which knows none of the commands of its own.
bool StartedAsEtcd(std::string_view program) { return program.substr(program.rfind('/') + 1) == "etcd"; }

// What is asked for by the first word alone; nullopt: nothing of the kind.
std::optional<int> RunSubCommand(std::string_view program, const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? "" : arguments[0];
  if (first == "--help-markdown") {
    std::cout << MarkdownPage();
    return EXIT_SUCCESS;
  }
  if (first == "inspect" && !StartedAsEtcd(program)) return RunInspect({arguments.begin() + 1, arguments.end()});
  if (first == "completion" && arguments.size() == 2) {
    const std::optional<std::string> script = CompletionScript(arguments[1], InspectCommand());
    if (!script) std::cerr << "there is no completion for \"" << arguments[1] << "\": bash, zsh and fish\n";
    if (script) std::cout << *script;
    return script ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (first == "gateway" || first == "grpc-proxy") {
    std::cerr << "regent has no proxies: clients connect to the members, with a load balancer between if need be\n";
    return EXIT_FAILURE;
  }
  return std::nullopt;
}

int Main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (const std::optional<int> exit_code = RunSubCommand(argv[0], arguments)) return *exit_code;
  const Environment environment = ReadEnvironment();
  FlagsOrError parsed = ParseFlags(arguments, environment);
  if (const auto* flags = std::get_if<ParsedFlags>(&parsed); flags != nullptr && !flags->settings.config_file.empty()) {
    if (!flags->help && !flags->settings.version) parsed = ParseConfigFile(std::string(flags->settings.config_file));
  }
  if (const auto* error = std::get_if<UsageError>(&parsed)) {
    if (error->exit_code != UsageError::kUsage) return FailWithDefaultLog(*error);
    std::cerr << error->message << "\n" << UsageText();
    return error->exit_code;
  }
  auto& flags = std::get<ParsedFlags>(parsed);
  if (flags.help) {
    std::cerr << UsageText() << std::flush;
    std::cout << HelpText();
    return EXIT_SUCCESS;
  }
  if (flags.settings.version) {
    std::cout << VersionText(argv[0]);
    return EXIT_SUCCESS;
  }
  flags.settings.command_line.assign(argv, argv + argc);
  return LogAndRun(flags, environment);
}

}  // namespace
}  // namespace regent::server

int main(int argc, char** argv) { return regent::server::Main(argc, argv); }
