// The command: words and environment to settings, settings to a running server, a signal to an orderly end.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "server/config/flags.h"
#include "server/config/options.h"
#include "server/runtime/json_log.h"
#include "server/server.h"
#include "server/version.h"

namespace regent::server {
namespace {

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> variables;
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

void LogStart(const ParsedFlags& flags) {
  for (const std::string& name : flags.not_active) {
    LOG(WARNING) << name << " is accepted but not active yet in this version of regent" << Field("option", name);
  }
  for (const std::string& variable : flags.unknown_environment) {
    LOG(WARNING) << "unrecognized environment variable" << Field("environment-variable", variable);
  }
}

int RunServer(const ParsedFlags& flags) {
  const JsonLog log(flags.settings.log_level);
  LogStart(flags);
  if (const absl::Status valid = ValidateSettings(flags); !valid.ok()) {
    LOG(ERROR) << std::string(valid.message());
    return UsageError::kBadValue;
  }
  const sigset_t signals = BlockEndingSignals();
  auto server = Server::Start(flags.settings);
  if (!server.ok()) {
    LOG(ERROR) << std::string(server.status().message());
    return EXIT_FAILURE;
  }
  int number = 0;
  sigwait(&signals, &number);
  LOG(INFO) << "received signal; shutting down" << Field("signal", strsignal(number));
  (*server)->Stop();
  LOG(INFO) << "stopped";
  server->reset();
  return EndBySignal(number);
}

int Main(int argc, char** argv) {
  const auto parsed = ParseFlags(std::vector<std::string>(argv + 1, argv + argc), Environment());
  if (const auto* error = std::get_if<UsageError>(&parsed)) {
    if (error->exit_code == UsageError::kUnknownFlag) {
      std::cerr << error->message << "\n" << HelpText();
    } else {
      const JsonLog log("info");
      LOG(ERROR) << error->message;
    }
    return error->exit_code;
  }
  const auto& flags = std::get<ParsedFlags>(parsed);
  if (flags.settings.help) {
    std::cout << HelpText();
    return EXIT_SUCCESS;
  }
  if (flags.settings.version) {
    std::cout << VersionText(argv[0]);
    return EXIT_SUCCESS;
  }
  return RunServer(flags);
}

}  // namespace
}  // namespace regent::server

int main(int argc, char** argv) { return regent::server::Main(argc, argv); }
