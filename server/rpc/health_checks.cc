#include "server/rpc/health_checks.h"
#include "server/runtime/clock.h"

#include <glog/logging.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace regent::server {
namespace {

constexpr char kReadKey[] = "health";  // any key: the answer does not matter, only that there is one

std::string AlarmName(api::AlarmType alarm) {
  switch (alarm) {
    case api::AlarmType::kNoSpace:
      return "NOSPACE";
    case api::AlarmType::kCorrupt:
      return "CORRUPT";
    default:
      return "UNKNOWN";
  }
}

bool Excludes(const HttpRequest& request, std::string_view name) {
  return std::any_of(request.query.begin(), request.query.end(),
                     [name](const auto& entry) { return entry.first == "exclude" && entry.second == name; });
}

std::string JsonEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out;
}

// An empty reason: healthy.
HttpResponse HealthPage(const std::string& reason) {
  const bool healthy = reason.empty();
  std::string json =
      std::string("{\"health\":\"") + (healthy ? "true" : "false") + "\",\"reason\":\"" + JsonEscape(reason) + "\"}";
  if (!healthy) return HttpResponse::Text(503, std::move(json));
  return HttpResponse{200, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(json)};
}

// Of the alarms that are not excluded, the first one's reason.
std::string AlarmReason(const std::vector<api::AlarmMember>& alarms, const HttpRequest& request) {
  for (const api::AlarmMember& member : alarms) {
    const std::string name = AlarmName(member.alarm);
    if (!Excludes(request, name)) return "ALARM " + name;
  }
  return "";
}

}  // namespace

const std::vector<HealthCheckKind>& HealthCheckKinds() {
  static const std::vector<HealthCheckKind> kinds{
      {"livez", {"serializable_read"}},
      {"readyz", {"data_corruption", "serializable_read", "linearizable_read", "non_learner"}},
  };
  return kinds;
}

void HealthChecks::Health(const HttpRequest& request, Done done) {
  const auto answer = [this](Done& to, const std::string& reason) {
    (reason.empty() ? metrics_.server_health_success : metrics_.server_health_failures).Increment();
    if (!reason.empty()) LOG(WARNING) << "/health fails: " << reason;
    to(HealthPage(reason));
  };
  backend_.Alarms(api::AlarmRequest{},
                  [this, request, answer, done = std::move(done)](absl::StatusOr<api::AlarmResult> alarms) mutable {
                    if (alarms.ok()) {
                      if (const std::string reason = AlarmReason(alarms->alarms, request); !reason.empty())
                        return answer(done, reason);
                    }
                    const bool serializable = request.Query("serializable") == "true";
                    if (!serializable && !backend_.HasLeader()) return answer(done, "RAFT NO LEADER");
                    Read(serializable, [answer, done = std::move(done)](absl::Status status) mutable {
                      answer(done, status.ok() ? "" : "RANGE ERROR:" + std::string(status.message()));
                    });
                  });
}

void HealthChecks::Read(bool serializable, Result result) {
  api::RangeRequest range;
  range.key = kReadKey;
  range.limit = 1;
  range.keys_only = true;
  range.serializable = serializable;
  const api::MonotonicTime deadline = SteadyNow() + read_timeout_;
  backend_.Range(std::move(range), deadline,
                 [result = std::move(result)](absl::StatusOr<api::RangeResult> range_result) mutable {
                   result(range_result.status());
                 });
}

void HealthChecks::Ask(std::string_view check, Result result) {
  if (check == "serializable_read") return Read(/*serializable=*/true, std::move(result));
  if (check == "linearizable_read") return Read(/*serializable=*/false, std::move(result));
  if (check == "data_corruption") {
    return backend_.Alarms(
        api::AlarmRequest{}, [result = std::move(result)](absl::StatusOr<api::AlarmResult> alarms) mutable {
          if (!alarms.ok()) return result(alarms.status());
          const bool corrupt =
              std::any_of(alarms->alarms.begin(), alarms->alarms.end(),
                          [](const api::AlarmMember& member) { return member.alarm == api::AlarmType::kCorrupt; });
          result(corrupt ? absl::DataLossError("alarm activated: CORRUPT") : absl::OkStatus());
        });
  }
  CHECK(check == "non_learner") << check;
  backend_.Status([result = std::move(result)](absl::StatusOr<api::StatusResult> status) mutable {
    if (!status.ok()) return result(status.status());
    result(status->is_learner ? absl::FailedPreconditionError("not supported for learner") : absl::OkStatus());
  });
}

// One request's checks, one after the other; keeps itself alive through the callback that it waits for.
class HealthChecks::Run : public std::enable_shared_from_this<HealthChecks::Run> {
 public:
  Run(HealthChecks& owner, std::string_view kind, std::vector<std::string_view> checks, bool verbose, Done done)
      : owner_(owner), kind_(kind), checks_(std::move(checks)), verbose_(verbose), done_(std::move(done)) {}

  void Next() {
    if (position_ == checks_.size()) return Answer();
    owner_.Ask(checks_[position_], [self = shared_from_this()](absl::Status status) {
      self->Record(status);
      ++self->position_;
      self->Next();
    });
  }

 private:
  void Record(const absl::Status& status) {
    const std::string_view name = checks_[position_];
    Metrics& metrics = owner_.metrics_;
    metrics.server_healthcheck.With({name, kind_}).Set(status.ok() ? 1 : 0);
    metrics.server_healthchecks_total.With({name, status.ok() ? "success" : "error", kind_}).Increment();
    failed_ |= !status.ok();
    lines_ += status.ok() ? "[+]" + std::string(name) + " ok\n"
                          : "[-]" + std::string(name) + " failed: " + std::string(status.message()) + "\n";
  }

  void Answer() {
    if (failed_) {
      LOG(ERROR) << "/" << kind_ << " fails: " << lines_;
      return done_(HttpResponse::Text(503, lines_));
    }
    HttpResponse response = HttpResponse::Text(200, verbose_ ? lines_ + "ok" : "ok");
    done_(std::move(response));
  }

  HealthChecks& owner_;
  const std::string_view kind_;
  const std::vector<std::string_view> checks_;
  const bool verbose_;
  Done done_;
  size_t position_ = 0;
  bool failed_ = false;
  std::string lines_;
};

void HealthChecks::All(const HealthCheckKind& kind, const HttpRequest& request, Done done) {
  std::vector<std::string_view> checks;
  for (const std::string_view check : kind.checks) {
    if (!Excludes(request, check)) checks.push_back(check);
  }
  std::make_shared<Run>(*this, kind.name, std::move(checks), request.HasQuery("verbose"), std::move(done))->Next();
}

void HealthChecks::One(const HealthCheckKind& kind, std::string_view check, const HttpRequest& request, Done done) {
  std::make_shared<Run>(*this, kind.name, std::vector<std::string_view>{check}, request.HasQuery("verbose"),
                        std::move(done))
      ->Next();
}

}  // namespace regent::server
