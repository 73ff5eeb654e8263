#include "server/rpc/http_endpoints.h"

#include <glog/logging.h>
#include <sys/resource.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace regent::server {
namespace {

constexpr std::string_view kOldServices = "/v3beta/";

HttpResponse NotFound() { return HttpResponse::Text(404, "404 page not found"); }

HttpResponse OnlyGet() {
  HttpResponse response = HttpResponse::Text(405, "Method Not Allowed");
  response.headers.emplace_back("Allow", "GET");
  return response;
}

bool Contains(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// The host of a Host header, without port and brackets.
std::string_view HostName(std::string_view host) {
  if (!host.empty() && host[0] == '[') return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.rfind(':'));
}

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

// etcd's words; tools show them to people.
std::string UnservedHost(const std::string& host) {
  return "\netcd received your request, but the Host header was unrecognized.\n\n"
         "To fix this, choose one of the following options:\n"
         "- Enable TLS, then any HTTPS request will be allowed.\n"
         "- Add the hostname you want to use to the whitelist in settings.\n"
         "  - e.g. etcd --host-whitelist " +
         JsonString(host) +
         "\n\nThis requirement has been added to help prevent \"DNS Rebinding\" attacks (CVE-2018-5702).\n";
}

bool IsUnder(std::string_view path, std::string_view root) {
  return path == root || (path.size() > root.size() && path.substr(0, root.size()) == root && path[root.size()] == '/');
}

}  // namespace

void HttpEndpoints::Handle(const HttpRequest& request, Scope scope, Done done) {
  if (scope == Scope::kMetrics) return Route(request, scope, std::move(done));
  if (!HostAllowed(request)) {
    const std::string host(HostName(request.Header("host").value_or("")));
    LOG_EVERY_N(WARNING, 100) << "rejecting HTTP request to prevent DNS rebinding attacks; its host is " << host;
    return done(HttpResponse::Text(421, UnservedHost(host)));
  }
  HttpResponse cors;
  AddCors(request, cors);
  if (request.method == "OPTIONS") return done(std::move(cors));
  Route(request, scope, [headers = std::move(cors.headers), done = std::move(done)](HttpResponse response) mutable {
    response.headers.insert(response.headers.end(), headers.begin(), headers.end());
    done(std::move(response));
  });
}

bool HttpEndpoints::HostAllowed(const HttpRequest& request) const {
  if (options_.host_whitelist.empty() || Contains(options_.host_whitelist, "*")) return true;
  return Contains(options_.host_whitelist, HostName(request.Header("host").value_or("")));
}

void HttpEndpoints::AddCors(const HttpRequest& request, HttpResponse& response) const {
  const std::string_view origin = request.Header("origin").value_or("");
  const bool everybody = options_.cors.empty() || Contains(options_.cors, "*");
  if (!everybody && !Contains(options_.cors, origin)) return;
  response.headers.emplace_back("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE");
  response.headers.emplace_back("Access-Control-Allow-Origin", everybody ? "*" : std::string(origin));
  response.headers.emplace_back("Access-Control-Allow-Headers", "accept, content-type, authorization");
}

void HttpEndpoints::Route(const HttpRequest& request, Scope scope, Done done) {
  const std::string& path = request.path;
  const bool to_services = path.starts_with("/v3/") || path.starts_with(kOldServices);
  if (to_services && scope == Scope::kClient && options_.gateway != nullptr) {
    if (path.starts_with("/v3/")) return options_.gateway(request, std::move(done));
    HttpRequest renamed = request;
    renamed.path = "/v3/" + path.substr(kOldServices.size());
    return options_.gateway(renamed, std::move(done));
  }
  if (path == "/metrics") return done(MetricsPage());
  if (path == "/health" || IsUnder(path, "/livez") || IsUnder(path, "/readyz")) {
    return RouteHealth(request, std::move(done));
  }
  const bool is_page = path == "/version" || path == "/debug/vars";
  if (scope == Scope::kMetrics || !is_page) return done(NotFound());
  if (request.method != "GET") return done(OnlyGet());
  done(path == "/version" ? VersionPage() : VarsPage());
}

void HttpEndpoints::RouteHealth(const HttpRequest& request, Done done) {
  const auto route = [&](auto run) { request.method == "GET" ? run() : done(OnlyGet()); };
  if (request.path == "/health") return route([&] { checks_.Health(request, std::move(done)); });
  for (const HealthCheckKind& kind : HealthCheckKinds()) {
    const std::string root = "/" + std::string(kind.name);
    if (request.path == root) return route([&] { checks_.All(kind, request, std::move(done)); });
    for (const std::string_view check : kind.checks) {
      if (request.path != root + "/" + std::string(check)) continue;
      return route([&] { checks_.One(kind, check, request, std::move(done)); });
    }
  }
  done(NotFound());
}

HttpResponse HttpEndpoints::MetricsPage() const {
  return HttpResponse{200,
                      {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"}},
                      metrics_.registry.Text()};
}

HttpResponse HttpEndpoints::VersionPage() const {
  const Versions versions = options_.versions();
  return HttpResponse{200,
                      {{"Content-Type", "application/json"}},
                      "{\"etcdserver\":" + JsonString(versions.server) + ",\"etcdcluster\":" +
                          JsonString(versions.cluster) + ",\"storage\":" + JsonString(versions.storage) + "}"};
}

HttpResponse HttpEndpoints::VarsPage() const {
  std::string arguments;
  for (const std::string& argument : options_.command_line) {
    if (!arguments.empty()) arguments += ',';
    arguments += JsonString(argument);
  }
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  return HttpResponse{
      200,
      {{"Content-Type", "application/json; charset=utf-8"}},
      "{\n\"cmdline\": [" + arguments + "],\n\"file_descriptor_limit\": " + std::to_string(files.rlim_cur) + "\n}\n"};
}

}  // namespace regent::server
